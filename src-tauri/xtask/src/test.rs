//! `cargo xtask test`: every check in named stages, cheap ones first. A failed stage does not keep later
//! ones from running, except those that need it; the summary at the end says which failed.

mod sandbox;
mod stages;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Error, Result};

use self::stages::{STAGES, Stage};
pub use self::{
    sandbox::Sandbox,
    stages::{LIMIT, is_closing},
};
use crate::debian::NotHere;

pub fn is_stage(name: &str) -> bool {
    STAGES.iter().any(|stage| stage.name == name)
}

pub fn stage_names() -> Vec<&'static str> {
    STAGES.iter().map(|stage| stage.name).collect()
}

/// Runs these stages, or all when none is named.
pub fn run(names: &[&str]) -> Result<ExitCode> {
    let sandbox = Sandbox::new()?;
    let mut reports: Vec<Report> = Vec::new();
    for stage in STAGES.iter().filter(|stage| names.is_empty() || names.contains(&stage.name)) {
        println!("\n== {}: {}", stage.name, stage.about);
        let start = Instant::now();
        let outcome = match broken_need(stage, &reports) {
            Some(need) => Outcome::Skipped(need),
            None => match (stage.run)(&sandbox) {
                Ok(lines) => Outcome::Passed(lines),
                Err(error) if error.is::<NotHere>() && !is_ci() => Outcome::NotHere(error),
                Err(error) => Outcome::Failed(error),
            },
        };
        let report = Report { name: stage.name, took: start.elapsed(), outcome };
        println!("== {}", report.line());
        reports.push(report);
    }
    Ok(summary(&reports))
}

/// Where everything must be checked.
fn is_ci() -> bool {
    std::env::var_os("CI").is_some()
}

/// A stage that this one needs and that did not pass.
fn broken_need(stage: &Stage, reports: &[Report]) -> Option<&'static str> {
    let broken = |need: &&&str| {
        reports.iter().any(|report| report.name == **need && !matches!(report.outcome, Outcome::Passed(_)))
    };
    stage.needs.iter().find(broken).copied()
}

struct Report {
    name: &'static str,
    took: Duration,
    outcome: Outcome,
}

enum Outcome {
    /// With the closing lines of the runners that ran.
    Passed(Vec<String>),
    Failed(Error),
    /// Because this stage did not pass.
    Skipped(&'static str),
    /// This machine cannot, and it is no machine on which everything must be checked.
    NotHere(Error),
}

impl Report {
    fn line(&self) -> String {
        let seconds = self.took.as_secs_f64();
        match &self.outcome {
            Outcome::Passed(_) => format!("{:<9} passed   {seconds:>7.1} s", self.name),
            Outcome::Failed(error) => format!("{:<9} FAILED   {seconds:>7.1} s  {error:#}", self.name),
            Outcome::Skipped(need) => {
                format!("{:<9} skipped  {seconds:>7.1} s  it needs `{need}`", self.name)
            }
            Outcome::NotHere(why) => format!("{:<9} NOT RUN  {seconds:>7.1} s  {why:#}", self.name),
        }
    }
}

fn summary(reports: &[Report]) -> ExitCode {
    println!("\n== summary");
    for report in reports {
        if let Outcome::Passed(lines) = &report.outcome {
            for line in lines {
                println!("{:<9} {line}", report.name);
            }
        }
    }
    for report in reports {
        println!("{}", report.line());
    }
    let minutes = reports.iter().map(|report| report.took).sum::<Duration>().as_secs_f64() / 60.0;
    let failed: Vec<_> = reports
        .iter()
        .filter(|r| !matches!(r.outcome, Outcome::Passed(_) | Outcome::NotHere(_)))
        .map(|report| report.name)
        .collect();
    let not_run = reports.iter().filter(|r| matches!(r.outcome, Outcome::NotHere(_))).count();
    if failed.is_empty() && not_run == 0 {
        println!("all {} stages passed in {minutes:.1} minutes", reports.len());
        ExitCode::SUCCESS
    } else if failed.is_empty() {
        let passed = reports.len() - not_run;
        println!(
            "{passed} stages passed in {minutes:.1} minutes; {not_run} could NOT be run on this machine"
        );
        ExitCode::SUCCESS
    } else {
        println!("NOT passed, after {minutes:.1} minutes: {}", failed.join(", "));
        ExitCode::FAILURE
    }
}
