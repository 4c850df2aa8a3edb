//! `shim examine`, `shim repair`, `shim undelete`.

use std::process::ExitCode;

use shim_api::{
    Engine,
    clinic::{RepairReport, RepairRequest, UndeleteRequest},
};
use shim_core::clinic::{Cure, Finding};

use crate::print;

/// How a repair is asked for.
pub struct How {
    pub dry_run: bool,
    pub in_place: bool,
    pub yes: bool,
}

/// Fails when the chat is ailing or could not be examined, for scripts.
pub fn examine(engine: &Engine, target: &str, json: bool) -> anyhow::Result<ExitCode> {
    let examined = engine.examine(target)?;
    let ailing = examined.findings.iter().any(|finding| finding.cure != Cure::Client);
    let is_well = !ailing && examined.there && examined.unexamined.is_none();
    if json {
        print::json(&examined)?;
    } else {
        say!("{}", examined.file);
        if !examined.there {
            say!("  The file is gone; `shim undelete {target}` puts it back from SHIM's journal.");
        } else if let Some(why) = &examined.unexamined {
            say!("  It was not examined: {why}.");
        } else if examined.findings.is_empty() {
            say!("  Nothing ails it.");
        }
        examined.findings.iter().for_each(print_finding);
        if !examined.repair.is_empty() {
            say!("A repaired copy (`shim repair {target}`) would have:");
            examined.repair.iter().for_each(|change| say!("  {}{}", at_line(change.line), change.did));
        }
        if let Some(refused) = &examined.refused {
            say!("It cannot be repaired: {refused}.");
        }
    }
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_finding(finding: &Finding) {
    let cure = match finding.cure {
        Cure::Client => "its client copes with it",
        Cure::Repair => "a repaired copy mends it",
        Cure::Nobody => "nobody can mend it",
    };
    say!("  {:<20} {}{} ({cure})", finding.kind.name(), at_line(finding.line), finding.says);
}

fn at_line(line: u64) -> String {
    if line == 0 { String::new() } else { format!("line {line}: ") }
}

pub fn repair(engine: &Engine, target: String, how: How, json: bool) -> anyhow::Result<ExitCode> {
    if how.in_place && !how.yes && !how.dry_run {
        anyhow::bail!(
            "--in-place changes the client's own file (after a copy was put aside): add --yes, or look first with \
             --dry-run"
        );
    }
    let request = RepairRequest { target, dry_run: how.dry_run, in_place: how.in_place };
    print_report(&engine.repair(&request)?, json)
}

pub fn undelete(engine: &Engine, target: String, dry_run: bool, json: bool) -> anyhow::Result<ExitCode> {
    print_report(&engine.undelete(&UndeleteRequest { target, dry_run })?, json)
}

fn print_report(report: &RepairReport, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        print::json(report)?;
    } else {
        report.findings.iter().for_each(print_finding);
        report.changes.iter().for_each(|change| say!("  · {}{}", at_line(change.line), change.did));
        for step in &report.steps {
            say!("  {} {:<13} {}", if step.ok { "✓" } else { "✗" }, step.step, step.detail);
        }
        if let Some(copy) = report.copy.as_ref().filter(|_| report.ok && !report.dry_run) {
            say!("The repaired copy is {copy}: `shim restore {copy}` opens it.");
        }
    }
    if report.ok {
        return Ok(ExitCode::SUCCESS);
    }
    let failed = report.steps.iter().find(|step| !step.ok).map(|step| step.detail.clone());
    let why = report.refused.as_ref().map(|refusal| refusal.message.clone()).or(failed);
    eprintln!("shim: nothing was repaired: {}", why.unwrap_or_else(|| "see the steps above".to_owned()));
    Ok(ExitCode::FAILURE)
}
