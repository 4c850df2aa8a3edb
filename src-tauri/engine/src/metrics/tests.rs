//! Tests of what is counted.

use shim_api::{
    events::{Decision, Event},
    notices::Said,
    restore::{Receipt, Step},
};
use shim_core::{
    chats::{ChatId, Client},
    checkpoints::Trigger,
    crashes::{CrashKind, InTurn},
    metrics::{
        self as table, Family, Kind,
        text::{Exposed, plain, read},
    },
    prediction::scoring::Foretold,
    restore::{Refusal, RefusalReason},
    supervisor::NewCrash,
    time::Timestamp,
};
use shim_store::{Store, Urgency};

use super::Metrics;
use crate::{restore::empty_receipt, views};

fn chat() -> ChatId {
    ChatId::new(Client::Codex, "11111111-1111-4111-8111-111111111111")
}

fn exposed(metrics: &Metrics) -> Vec<Exposed> {
    read(&metrics.families.text())
}

/// The value of a series, named with its suffix and the values of its labels in the table's order.
#[track_caller]
fn value(metrics: &Metrics, family: &Family, suffix: &str, values: &[&str]) -> f64 {
    let all = exposed(metrics);
    let found = all.iter().find(|found| found.name == family.name).unwrap();
    let name = format!("{}{suffix}", family.name);
    let is_it = |labels: &std::collections::BTreeMap<String, String>| {
        labels.len() == values.len()
            && family
                .labels
                .iter()
                .zip(values)
                .all(|(label, value)| labels.get(*label).is_some_and(|is| is == value))
    };
    let sample = found.samples.iter().find(|sample| sample.name == name && is_it(&sample.labels));
    sample.unwrap_or_else(|| panic!("no {name} of {values:?}: {:?}", found.samples)).value
}

fn new_crash(pid: u32, kind: CrashKind) -> NewCrash {
    NewCrash {
        chat: chat(),
        process: shim_core::chats::ProcessKey { pid, start: "1".to_owned() },
        kind,
        in_turn: InTurn::None,
        in_flight: Vec::new(),
        evidence: Vec::new(),
        happened_at: Timestamp::from_ms(1000),
        seen_live: true,
    }
}

fn receipt(ok: bool, refused: Option<RefusalReason>, first: &str) -> Receipt {
    Receipt {
        ok,
        refused: refused.map(|reason| Refusal { reason, message: String::new() }),
        steps: vec![Step { step: first.to_owned(), ok: true, detail: String::new() }],
        seconds: 3.0,
        client_seconds: 2.5,
        turns_lost: ok.then_some(2),
        processes: ok.then_some(2),
        ..empty_receipt(chat(), false)
    }
}

/// All that can be told, once each.
fn told(crash: shim_api::crashes::Crash) -> Vec<Event> {
    let version = || Some("0.169.0".to_owned());
    let finished = |receipt| Event::RestoreFinished { receipt: Box::new(receipt), client_version: version() };
    vec![
        Event::JournalKept { chat: chat(), bytes: 100, seconds: 0.02 },
        Event::CrashRecorded { crash: Box::new(crash), client_version: version() },
        Event::HangOver { chat: chat() },
        Event::PolicyDecided { chat: chat(), decision: Decision::Ask },
        Event::CheckpointTaken {
            chat: chat(),
            checkpoint: 7,
            trigger: Trigger::Turn,
            seconds: 0.12,
            client_version: version(),
        },
        Event::WorkspaceKept { chat: chat(), checkpoints: vec![7], ok: true, seconds: 0.3 },
        finished(receipt(true, None, "policy")),
        finished(receipt(false, Some(RefusalReason::StillAlive), "allowed")),
        finished(receipt(false, None, "fleet")),
        finished(Receipt { dry_run: true, ..receipt(true, None, "x") }),
        Event::ChatStopped { chat: chat(), ok: false },
        Event::ChatRepaired { chat: chat(), ok: true },
        Event::JournalDropped { chat: chat(), bytes: 50 },
        Event::BoundBroken {
            experiment: 1,
            bound: "crash_rate".to_owned(),
            action: shim_api::events::BoundAction::RolledBack,
        },
        Event::PredictionsSettled { client: Client::Codex, foretold: Foretold::FalseNegative, count: 3 },
        Event::ModelTrained { client: Client::Codex, taken: true },
        Event::Notice {
            kind: shim_core::notices::NoticeKind::HeldBack,
            chat: None,
            title: String::new(),
            what: Said::Waits { minutes: 1 },
        },
    ]
}

fn crash() -> shim_api::crashes::Crash {
    let new = new_crash(1, CrashKind::Killed);
    let row = shim_store::CrashRow {
        id: 5,
        chat: new.chat,
        process: new.process,
        kind: new.kind,
        in_turn: new.in_turn,
        in_flight: Vec::new(),
        evidence: Vec::new(),
        happened_at: new.happened_at,
        detected_at: Timestamp::from_ms(1012),
        detected_after_ms: 12,
        seen_live: true,
        resolved: false,
        ended: true,
    };
    views::crash(row, None, None, &shim_core::settings::Settings::default())
}

#[test]
fn what_is_told_is_counted() {
    let metrics = Metrics::default();
    told(crash()).iter().for_each(|event| metrics.hear(event));
    for (family, suffix, values, expected) in [
        (&table::JOURNALED, "_total", &["codex"][..], 100.0),
        (&table::LAG, "_sum", &["codex"], 0.02),
        (&table::CRASHES, "_total", &["codex", "0.169.0", "killed"], 1.0),
        (&table::DETECTION, "_sum", &["codex", "0.169.0"], 0.012),
        (&table::HANGS_OVER, "_total", &["codex"], 1.0),
        (&table::DECISIONS, "_total", &["codex", "ask"], 1.0),
        (&table::CHECKPOINT, "_count", &["codex", "0.169.0", "turn"], 1.0),
        (&table::WORKSPACE, "_sum", &["codex", "kept"], 0.3),
        (&table::RESUMES, "_total", &["codex", "0.169.0", "restored", "policy"], 1.0),
        (&table::RESUMES, "_total", &["codex", "0.169.0", "refused", "user"], 1.0),
        (&table::RESUMES, "_total", &["codex", "0.169.0", "failed", "fleet"], 1.0),
        (&table::REFUSALS, "_total", &["codex", "still_alive"], 1.0),
        (&table::RESUME, "_count", &["codex", "0.169.0"], 1.0),
        (&table::RESUME_OWN, "_sum", &["codex", "0.169.0"], 0.5),
        (&table::TURNS_LOST, "_total", &["codex", "0.169.0"], 2.0),
        (&table::FALSE_RESTARTS, "_total", &["codex", "0.169.0"], 1.0),
        (&table::STOPS, "_total", &["codex", "failed"], 1.0),
        (&table::REPAIRS, "_total", &["codex", "written"], 1.0),
        (&table::DROPPED, "_total", &["codex"], 50.0),
        (&table::VIOLATIONS, "_total", &["crash_rate", "rolled_back"], 1.0),
        (&table::PREDICTIONS, "_total", &["codex", "fn"], 3.0),
        (&table::TRAININGS, "_total", &["codex", "taken"], 1.0),
        (&table::NOTICES, "_total", &["held_back"], 1.0),
    ] {
        assert_eq!(value(&metrics, family, suffix, values), expected, "{}{suffix} {values:?}", family.name);
    }
}

#[test]
fn a_chat_is_named_by_exemplars_alone() {
    let metrics = Metrics::default();
    told(crash()).iter().for_each(|event| metrics.hear(event));
    let text = metrics.families.text();
    let named: Vec<_> = text.lines().filter(|line| line.contains(chat().session_id())).collect();
    assert!(named.len() >= 5, "{named:?}");
    for line in named {
        let (series, exemplar) = line.split_once(" # ").unwrap();
        assert!(!series.contains(chat().session_id()) && exemplar.starts_with("{chat=\"codex:"), "{line}");
    }
    assert!(text.contains("# {chat=\"codex:11111111-1111-4111-8111-111111111111\",crash=\"5\"} 1"), "{text}");
    assert!(!plain(&exposed(&metrics)).contains("codex:"));
    metrics.begin("codex", "0.169.0");
    assert_eq!(metrics.families.text().matches("crash=\"5\"").count(), text.matches("crash=\"5\"").count());
    // Longer than OpenMetrics takes: counted, and not named.
    let long = ChatId::new(Client::Codex, &"x".repeat(200));
    let taken = Event::CheckpointTaken {
        chat: long,
        checkpoint: 8,
        trigger: Trigger::User,
        seconds: 0.1,
        client_version: None,
    };
    metrics.hear(&taken);
    assert_eq!(value(&metrics, &table::CHECKPOINT, "_count", &["codex", "unknown", "user"]), 1.0);
    assert!(!metrics.families.text().contains("xxx"));
}

/// Gives a family a series.
fn touch<const N: usize>(metrics: &Metrics, family: &Family) {
    match family.kind {
        Kind::Counter => metrics.families.begin(family, ["x"; N]),
        Kind::Histogram(_) => metrics.families.observe(family, ["x"; N], 1.0, None),
        Kind::Gauge | Kind::ReadCounter => metrics.families.set(family, ["x"; N], 1.0),
        Kind::Info => {}
    }
}

#[test]
fn every_family_of_the_table_is_exposed_as_it_says() {
    let metrics = Metrics::default();
    assert_eq!(exposed(&metrics).len(), 1, "one without a series is not told of");
    for family in table::ALL {
        match family.labels.len() {
            0 => touch::<0>(&metrics, family),
            1 => touch::<1>(&metrics, family),
            2 => touch::<2>(&metrics, family),
            3 => touch::<3>(&metrics, family),
            4 => touch::<4>(&metrics, family),
            more => panic!("{} has {more} labels", family.name),
        }
    }
    let exposed = exposed(&metrics);
    let told =
        exposed.iter().map(|family| (family.name.as_str(), family.kind.as_str(), family.unit.as_str()));
    let told: Vec<_> = told.collect();
    let table: Vec<_> =
        table::ALL.iter().map(|family| (family.name, family.kind.name(), family.unit.name())).collect();
    assert_eq!(told, table);
    let helps = exposed.iter().zip(table::ALL).all(|(told, family)| told.help == format!("{}.", family.help));
    assert!(helps, "{exposed:?}");
}

#[test]
fn what_the_store_holds_is_counted_again_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("shim.db"), std::time::Duration::ZERO).unwrap();
    let counted = |store: &Store| {
        value(&Metrics::recalled(store).unwrap(), &table::CRASHES, "_total", &["codex", "unknown", "killed"])
    };
    let written = store.write(Urgency::AtOnce, |store| {
        for pid in 0..3 {
            store.record_crash(&new_crash(pid, CrashKind::Killed), Timestamp::from_ms(1030))?;
        }
        store.record_crash(&new_crash(9, CrashKind::Hung), Timestamp::from_ms(90_000))?;
        for receipt in [receipt(true, None, "x"), Receipt { dry_run: true, ..receipt(true, None, "x") }] {
            let id = store.new_restore(&chat(), None, Timestamp::from_ms(1))?;
            store.put_receipt(id, &serde_json::to_string(&receipt).unwrap_or_default())?;
        }
        Ok(())
    });
    written.unwrap();
    assert_eq!(counted(&store), 3.0);
    let metrics = Metrics::recalled(&store).unwrap();
    assert_eq!(value(&metrics, &table::DETECTION, "_count", &["codex", "unknown"]), 3.0, "a hang is none");
    assert_eq!(value(&metrics, &table::RESUME, "_count", &["codex", "unknown"]), 1.0, "a rehearsal is none");
    // The next engine goes on where this one stopped.
    metrics.hear(&Event::CrashRecorded { crash: Box::new(crash()), client_version: None });
    let more = store.write(Urgency::AtOnce, |store| {
        store.record_crash(&new_crash(10, CrashKind::Killed), Timestamp::from_ms(1012)).map(drop)
    });
    more.unwrap();
    let before = value(&metrics, &table::CRASHES, "_total", &["codex", "unknown", "killed"]);
    assert_eq!((before, counted(&store)), (4.0, 4.0));
}
