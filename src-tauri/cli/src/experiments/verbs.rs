//! What is tried, on what evidence, and its user's word about it.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use shim_api::{
    Engine,
    experiments::{Audit, AuditEntry, Experiment, ExperimentRequest, Experiments, Knob, Trial},
};
use shim_core::{
    chats::ChatId,
    experiments::{
        improvement::{Effect, Idea},
        machine::{From, State},
        outcomes::Metric,
    },
    knobs::{ChangedBy, Varies},
    settings::{Takes, Value, key},
};

use crate::print;

#[derive(Subcommand)]
pub enum Verb {
    /// What runs, waits, was shipped and was proved.
    List {
        #[arg(long)]
        json: bool,
    },
    /// One experiment, its evidence and its bounds.
    Show {
        id: u64,
        #[arg(long)]
        json: bool,
    },
    /// The settings that may be tried, how far and how fast.
    Knobs {
        #[arg(long)]
        json: bool,
    },
    /// Begin one that waits, or a new one.
    Start {
        /// One that waits.
        #[arg(required_unless_present = "knob", conflicts_with = "knob")]
        id: Option<u64>,
        /// A new one on this knob.
        #[arg(long, requires = "value")]
        knob: Option<String>,
        /// What is tried against the value that holds; may be given more than once.
        #[arg(long, value_name = "V")]
        value: Vec<String>,
        /// What decides: crash, slow_checkpoints, checkpoint_seconds, checkpoint_load, restore_failed, tokens_per_turn,
        /// unsaved_calls.
        #[arg(long, default_value = "crash", value_parser = metric)]
        metric: Metric,
        #[arg(long, default_value = "its user's idea")]
        why: String,
        #[arg(long)]
        json: bool,
    },
    /// End one; the old value holds.
    Stop {
        id: u64,
        #[arg(long)]
        json: bool,
    },
    /// End one; this arm holds for all chats. Arm 0 is the old value.
    Pin {
        id: u64,
        arm: usize,
        #[arg(long)]
        json: bool,
    },
    /// Give one chat this arm; it no longer counts.
    Override {
        id: u64,
        /// Its whole id, as `shim chats` shows it.
        #[arg(value_parser = chat)]
        chat: ChatId,
        arm: usize,
        #[arg(long)]
        json: bool,
    },
    /// Take back what one shipped.
    Undo {
        id: u64,
        #[arg(long)]
        json: bool,
    },
    /// Where what is known of experiments cannot be read: put it aside, and begin anew.
    Anew {
        #[arg(long)]
        json: bool,
    },
    /// What was decided, and why.
    Audit {
        /// Assignments, exposures and outcomes too.
        #[arg(long)]
        all: bool,
        /// Entries before this one.
        #[arg(long, value_name = "NUMBER")]
        before: Option<u64>,
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        /// Play the whole log again, and say whether it gives the state that is in force.
        #[arg(long)]
        replay: bool,
        #[arg(long)]
        json: bool,
    },
}

fn metric(name: &str) -> anyhow::Result<Metric> {
    let names = Metric::ALL.map(Metric::name).join(", ");
    Metric::from_name(name).with_context(|| format!("one of {names}"))
}

fn chat(id: &str) -> anyhow::Result<ChatId> {
    ChatId::parse(id).context("a chat's whole id, such as claude-code:2222…; `shim chats` lists them")
}

pub fn run(engine: &Engine, verb: Verb) -> anyhow::Result<ExitCode> {
    let (request, json) = match verb {
        Verb::List { json } => return list(&engine.experiments()?, json),
        Verb::Show { id, json } => {
            let all = engine.experiments()?.experiments;
            let found = all.into_iter().find(|one| one.id == id);
            return told(&found.with_context(|| format!("there is no experiment {id}"))?, json);
        }
        Verb::Knobs { json } => return knobs(&engine.experiments()?.knobs, json),
        Verb::Anew { json } => {
            let put_aside = engine.experiments_anew()?;
            if json {
                print::json(&put_aside)?;
            } else {
                say!("begun anew; what could not be read lies in {}", put_aside.path);
            }
            return Ok(ExitCode::SUCCESS);
        }
        Verb::Audit { all, before, limit, replay, json } => {
            return audit(&engine.audit(all, before, limit, replay)?, json);
        }
        Verb::Start { id: Some(experiment), json, .. } => (ExperimentRequest::Start { experiment }, json),
        Verb::Start { id: None, knob, value, metric, why, json } => {
            let knob = knob.context("a knob to try")?;
            let values = value.iter().map(|text| read(&knob, text)).collect::<anyhow::Result<_>>()?;
            let idea = Idea { knob, values, metric, why, from: From::User, worth: 0.0 };
            (ExperimentRequest::Propose { idea, start: true }, json)
        }
        Verb::Stop { id, json } => (ExperimentRequest::Stop { experiment: id }, json),
        Verb::Pin { id, arm, json } => (ExperimentRequest::Pin { experiment: id, arm }, json),
        Verb::Override { id, chat, arm, json } => {
            (ExperimentRequest::Override { experiment: id, chat, arm }, json)
        }
        Verb::Undo { id, json } => (ExperimentRequest::Undo { experiment: id }, json),
    };
    told(&engine.about_experiment(&request)?, json)
}

fn read(knob: &str, text: &str) -> anyhow::Result<Value> {
    let known =
        key(knob).with_context(|| format!("there is no key `{knob}`: `shim experiments knobs` lists all"))?;
    Ok(match known.takes() {
        Takes::Whole { min, max } => {
            let number = text.replace('_', "").parse();
            Value::Whole(
                number.with_context(|| format!("`{knob}` takes a whole number from {min} to {max}"))?,
            )
        }
        Takes::Switch => Value::Switch(text.parse().context("must be true or false")?),
        Takes::Text | Takes::Texts | Takes::OneOf { .. } => Value::Text(text.to_owned()),
    })
}

fn list(all: &Experiments, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        print::json(all)?;
        return Ok(ExitCode::SUCCESS);
    }
    let totals = &all.totals;
    say!(
        "{} begun; {} deployed on probation, {} of them confirmed; {} rolled back, {} of them for a bound; {} inconclusive; {} \
         stopped by you.",
        totals.begun,
        totals.deployed,
        totals.confirmed,
        totals.rolled_back,
        totals.violations,
        totals.inconclusive,
        totals.stopped
    );
    if !all.automatic {
        say!("experiments.auto is off: ideas wait until you start them.");
    }
    if !all.experiments.is_empty() {
        let rows: Vec<_> = all.experiments.iter().map(row).collect();
        print::table(&["id", "knob", "values", "decided by", "state", "outcomes", "why"], &rows);
    }
    for (knob, rest) in &all.rests {
        say!("{knob} rests until {}: {}", print::time(rest.until), rest.why);
    }
    Ok(ExitCode::SUCCESS)
}

fn row(one: &Experiment) -> Vec<String> {
    let outcomes: u64 = one.arms.iter().map(|arm| arm.counts.outcomes).sum();
    let values: Vec<_> = one.arms.iter().map(|arm| shown(&arm.value)).collect();
    vec![
        one.id.to_string(),
        one.plan.knob.clone(),
        values.join(" → "),
        one.plan.metric.name().to_owned(),
        one.standing.clone(),
        outcomes.to_string(),
        print::cut(reason(one), 80),
    ]
}

/// Why it stands as it does.
fn reason(one: &Experiment) -> &str {
    match &one.state {
        State::Draft | State::Running { .. } => &one.plan.why,
        State::Inconclusive { why, .. }
        | State::Probation { why, .. }
        | State::Confirmed { why, .. }
        | State::RolledBack { why, .. }
        | State::Stopped { why, .. } => why,
    }
}

fn told(one: &Experiment, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        print::json(one)?;
        return Ok(ExitCode::SUCCESS);
    }
    say!("experiment {} on {}: {}", one.id, one.plan.knob, one.standing);
    say!("  {}", reason(one));
    let rows = one.arms.iter().enumerate().map(|(arm, of)| {
        vec![
            arm.to_string(),
            shown(&of.value),
            format!("{:.1} %", of.share as f64 / 100.0),
            of.counts.assigned.to_string(),
            of.counts.exposed.to_string(),
            of.counts.outcomes.to_string(),
        ]
    });
    print::table(&["arm", "value", "share", "assigned", "exposed", "outcomes"], &rows.collect::<Vec<_>>());
    for trial in &one.trials {
        evidence(one, trial);
    }
    Ok(ExitCode::SUCCESS)
}

fn evidence(one: &Experiment, trial: &Trial) {
    let last = &trial.last;
    say!(
        "  arm {}: {} {:.4} against {:.4}; P(better) {:.2}, P(worse) {:.2}; e better {:.2} of {:.0}, e worse {:.2} of {:.0}",
        trial.arm,
        one.plan.metric.name(),
        last.means[1],
        last.means[0],
        last.p_better,
        last.p_worse,
        last.better_e,
        one.confirm_e,
        last.worse_e,
        one.rollback_e
    );
    if let Some(effect) = &trial.effect {
        let kind = if effect.is_ratio { "times the old value's" } else { "more than the old value's" };
        say!("    {:.4} {kind}, from {:.4} to {:.4}", effect.estimate, effect.low, effect.high);
    }
    if let Some(why) = &trial.dropped {
        say!("    dropped: {why}");
    }
    for bound in &trial.bounds {
        let waived = if bound.waived { "; the old value breaks it too" } else { "" };
        say!(
            "    bound {}: e {:.2} by itself{waived}, {:.2} against the old value",
            bound.name,
            bound.absolute_e,
            bound.relative_e
        );
    }
}

fn knobs(all: &[Knob], json: bool) -> anyhow::Result<ExitCode> {
    if json {
        print::json(&all)?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |knob: &Knob| {
        let may = match (knob.changed_by, knob.varies) {
            _ if knob.is_set => "set by you",
            (ChangedBy::UserOnly, _) => "by you only",
            (ChangedBy::Experiments, Varies::ByChat) => "by chat",
            (ChangedBy::Experiments, Varies::WithTheEngine) => "not by chat",
        };
        let affects: Vec<_> = knob.affects.iter().map(|metric| metric.name()).collect();
        let bounds = if knob.max > 0 { format!("{}..{}", knob.min, knob.max) } else { String::new() };
        vec![
            knob.key.clone(),
            shown(&knob.value),
            bounds,
            knob.step.clone(),
            may.to_owned(),
            affects.join(" "),
        ]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    print::table(&["knob", "value", "bounds", "moves", "tried", "may affect"], &rows);
    Ok(ExitCode::SUCCESS)
}

fn audit(audit: &Audit, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        print::json(audit)?;
    } else {
        audit.entries.iter().flat_map(lines).for_each(|line| say!("{line}"));
        if let Some(replay) = &audit.replay {
            say!("{} entries played again: {}", replay.entries, replay.note);
        }
    }
    let is_right = audit.replay.as_ref().is_none_or(|replay| replay.same);
    Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn lines(entry: &AuditEntry) -> Vec<String> {
    let head = format!("{:>7}  {}", entry.number, print::time(entry.at));
    if entry.decided.is_empty() {
        return vec![format!("{head}  {}", entry.event)];
    }
    let line = |effect: &Effect| {
        let what = serde_json::to_value(effect.decided.what).unwrap_or_default();
        format!("{head}  experiment {} on {}: {what}: {}", effect.experiment, effect.knob, effect.decided.why)
    };
    entry.decided.iter().map(line).collect()
}

fn shown(value: &Value) -> String {
    match value {
        Value::Switch(on) => on.to_string(),
        Value::Whole(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Texts(texts) => texts.join(", "),
    }
}
