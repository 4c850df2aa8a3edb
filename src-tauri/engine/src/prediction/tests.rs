//! Prediction over a store whose history was written through the store's own calls.

use std::{path::Path, time::Duration};

use shim_core::{
    chats::{ChatId, Client, ProcessKey},
    crashes::{CrashKind, InTurn},
    prediction::{
        model::{HORIZON, Standing},
        scoring::Outcome,
        training::{CRASHES_NEEDED, Verdict},
    },
    risk::{Source, Zones},
    signals::Signals,
    supervisor::NewCrash,
    time::Timestamp,
};
use shim_store::{Batch, NewPrediction, PREDICTIONS_MAX, SignalCaps, Store, StoreError, Urgency};

use super::{models, report::report, settle::settle, training::train_when_due};

const DAY_MINUTES: i64 = 24 * 60;

fn open(folder: &Path) -> Store {
    Store::open(&folder.join("shim.db"), Duration::from_millis(1)).unwrap()
}

fn write<T: Send + 'static>(
    store: &Store,
    job: impl FnOnce(&Batch<'_>) -> Result<T, StoreError> + Send + 'static,
) -> T {
    store.write(Urgency::AtOnce, job).unwrap()
}

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_ms(minute * 60_000)
}

fn chat(number: u32) -> ChatId {
    ChatId::new(Client::ClaudeCode, &format!("11111111-0000-4000-8000-{number:012}"))
}

fn process(pid: u32) -> ProcessKey {
    ProcessKey { pid, start: "77".to_owned() }
}

fn crash(pid: u32, kind: CrashKind, at: Timestamp) -> NewCrash {
    NewCrash {
        chat: chat(pid),
        process: process(pid),
        kind,
        in_turn: InTurn::None,
        in_flight: Vec::new(),
        evidence: Vec::new(),
        happened_at: at,
        seen_live: true,
    }
}

/// A scrambled number from 0 to 1 that is the same each time.
fn roll(n: u64) -> f64 {
    let mut x = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Chats one after the other. Where there is a reason, those whose memory grows die; where there is none, all alike.
fn live_through(store: &Store, chats: u32, foretell: bool) -> i64 {
    let mut end = 0;
    for number in 0..chats {
        let (start, grows) = (i64::from(number) * 30, roll(u64::from(number)) < 0.4);
        let (mut rows, mut crashed) = (Vec::new(), None);
        for age in 0..90 {
            let at = minute(start + age);
            rows.push((
                chat(number),
                Signals {
                    at,
                    age_seconds: Some(age as f64 * 60.0),
                    rss_bytes: Some(400 << 20),
                    rss_slope: Some(if grows && foretell { 200_000.0 } else { 0.0 }),
                    messages: 5,
                    ..Signals::default()
                },
            ));
            // A mixture nobody sees would be a reason too: who lives long is one of the hardy.
            let hazard = match (foretell, grows) {
                (true, true) => 1.0 / 40.0,
                (true, false) => 1.0 / 2000.0,
                (false, _) => 1.0 / 60.0,
            };
            if roll((u64::from(number) << 32) + age as u64) < hazard {
                crashed = Some(at.plus(Duration::from_secs(30)));
                break;
            }
        }
        write(store, move |store| {
            store.put_signals(&rows, SignalCaps::default())?;
            let crash = crashed.map(|at| crash(number, CrashKind::Killed, at));
            crash.map_or(Ok(None), |crash| store.record_crash(&crash, crash.happened_at))
        });
        end = start + 90;
    }
    end
}

#[test]
fn a_history_with_a_reason_in_it_gives_a_model_that_is_taken_into_use() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let end = live_through(&store, 120, true);
    let train =
        |at| train_when_due(&store, Client::ClaudeCode, &Zones::default(), minute(at), &|| true).unwrap();
    assert!(train(end));
    let rows = store.read(|store| store.trainings(Client::ClaudeCode)).unwrap();
    assert_eq!(rows[0].verdict, Verdict::Taken);
    assert_eq!(rows[0].standing, Standing::InUse);
    let model = rows[0].model.clone().unwrap();
    let slope = model.coefficients.iter().find(|c| c.name == "rss_slope").unwrap().value;
    assert!(slope > 0.3, "{slope}");
    assert!(models(&store).unwrap().contains_key(&Client::ClaudeCode));
    assert!(!train(end), "twice within a day");
    assert!(!train(end + 2 * DAY_MINUTES), "without a new crash");
    let report = report(&store).unwrap();
    assert_eq!(report.len(), 1);
    assert_eq!((report[0].client, report[0].source), (Client::ClaudeCode, Source::Model));
    assert_eq!(report[0].model.as_ref().map(|in_use| in_use.version), Some(rows[0].id));
    assert!(report[0].score.is_none(), "nothing was foretold yet");
}

#[test]
fn a_history_without_a_reason_leaves_the_zones_in_use_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let end = live_through(&store, 80, false);
    let zones = Zones::default();
    assert!(train_when_due(&store, Client::ClaudeCode, &zones, minute(end), &|| true).unwrap());
    let report = report(&store).unwrap().remove(0);
    assert_eq!((report.source, report.model), (Source::Zones, None));
    let outcome = report.last_training.unwrap().outcome;
    assert!(matches!(outcome, Verdict::NotBetter { .. } | Verdict::NoSkill { .. }), "{outcome:?}");
    assert!(models(&store).unwrap().is_empty());
}

#[test]
fn little_history_is_not_learned_from() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let end = live_through(&store, 6, true);
    let zones = Zones::default();
    assert!(!train_when_due(&store, Client::ClaudeCode, &zones, minute(end), &|| true).unwrap());
    // Deaths that say nothing of the chat do not count.
    for pid in 1000..1040 {
        let shutdown = crash(pid, CrashKind::Shutdown, minute(end));
        write(&store, move |store| store.record_crash(&shutdown, shutdown.happened_at));
    }
    assert!(!train_when_due(&store, Client::ClaudeCode, &zones, minute(end), &|| true).unwrap());
    let crashes = report(&store).unwrap().remove(0).crashes;
    assert!(crashes < CRASHES_NEEDED, "{crashes}");
}

#[test]
fn a_training_that_is_cut_short_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let end = live_through(&store, 80, true);
    let zones = Zones::default();
    assert!(!train_when_due(&store, Client::ClaudeCode, &zones, minute(end), &|| false).unwrap());
    assert_eq!(store.read(|store| store.trainings(Client::ClaudeCode)).unwrap(), []);
}

#[test]
fn what_came_of_predictions_is_told_once_it_can_be() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let at = |pid, at| NewPrediction {
        chat: chat(pid),
        process: process(pid),
        at: minute(at),
        probability: 0.1,
        alarm: true,
        acted: pid % 2 == 0,
        model: None,
    };
    let rows = vec![at(1, 10), at(2, 10), at(3, 10), at(3, 72), at(4, 10), at(5, 10), at(6, 10), at(6, 71)];
    write(&store, move |store| {
        store.put_predictions(&rows, PREDICTIONS_MAX)?;
        store.record_crash(&crash(1, CrashKind::Killed, minute(40)), minute(40))?;
        store.record_crash(&crash(2, CrashKind::Shutdown, minute(40)), minute(40))?;
        store.record_crash(&crash(6, CrashKind::Hung, minute(71)), minute(75)).map(drop)
    });
    let (over, living) = (minute(10).plus(HORIZON + Duration::from_secs(120)), vec![(chat(5), process(5))]);
    let early = Timestamp::from_ms(over.ms() - 1);
    let outcomes = |store: &Store| -> Vec<_> {
        let rows = store.read(|store| store.predictions(Client::ClaudeCode)).unwrap();
        rows.iter().map(|row| row.outcome).collect()
    };
    let (same, since) = (living.clone(), minute(0));
    write(&store, move |store| settle(store, &same, since, early));
    assert_eq!(outcomes(&store), [None; 8]);
    write(&store, move |store| settle(store, &living, since, over));
    let wanted = [
        Some(Outcome::Crashed),
        // The machine went down.
        Some(Outcome::Censored),
        Some(Outcome::Survived),
        None,
        // Its user left it, while this engine watched.
        Some(Outcome::Survived),
        // It lives.
        Some(Outcome::Survived),
        // It hung an hour and a minute later.
        Some(Outcome::Survived),
        None,
    ];
    assert_eq!(outcomes(&store), wanted);
    let alarms = report(&store).unwrap().remove(0).alarms;
    assert_eq!((alarms.alarms, alarms.false_alarms, alarms.lead_seconds), (8, 4, Some(30.0 * 60.0)));
}

#[test]
fn what_an_earlier_engine_did_not_see_to_its_end_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let row = NewPrediction {
        chat: chat(1),
        process: process(1),
        at: minute(10),
        probability: 0.1,
        alarm: false,
        acted: false,
        model: None,
    };
    write(&store, move |store| {
        store.put_predictions(&[row], PREDICTIONS_MAX)?;
        settle(store, &[], minute(500), minute(600))
    });
    let rows = store.read(|store| store.predictions(Client::ClaudeCode)).unwrap();
    assert_eq!(rows[0].outcome, Some(Outcome::Censored));
}
