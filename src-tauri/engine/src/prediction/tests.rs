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
use shim_store::{
    Batch, CrashMoment, NewPrediction, PREDICTIONS_MAX, SignalCaps, Store, StoreError, Urgency,
};

use super::{
    models,
    report::report,
    settle::settle,
    training::{Limits, TRAIN_TIME_MAX, train_when_due, until_crashes},
};

const LIMITS: Limits<'_> = Limits { time: TRAIN_TIME_MAX, stopped: &|| false };

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
        |at| train_when_due(&store, Client::ClaudeCode, &Zones::default(), minute(at), LIMITS).unwrap();
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
    assert!(report[0].worth.score.is_none(), "nothing was foretold yet");
}

#[test]
fn a_history_without_a_reason_leaves_the_zones_in_use_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let end = live_through(&store, 80, false);
    let zones = Zones::default();
    assert!(train_when_due(&store, Client::ClaudeCode, &zones, minute(end), LIMITS).unwrap());
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
    assert!(!train_when_due(&store, Client::ClaudeCode, &zones, minute(end), LIMITS).unwrap());
    // Deaths that say nothing of the chat do not count.
    for pid in 1000..1040 {
        let shutdown = crash(pid, CrashKind::Shutdown, minute(end));
        write(&store, move |store| store.record_crash(&shutdown, shutdown.happened_at));
    }
    assert!(!train_when_due(&store, Client::ClaudeCode, &zones, minute(end), LIMITS).unwrap());
    let crashes = report(&store).unwrap().remove(0).crashes;
    assert!(crashes < CRASHES_NEEDED, "{crashes}");
}

#[test]
fn a_training_that_the_engines_end_cuts_short_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let end = live_through(&store, 80, true);
    let limits = Limits { stopped: &|| true, ..LIMITS };
    assert!(!train_when_due(&store, Client::ClaudeCode, &Zones::default(), minute(end), limits).unwrap());
    assert_eq!(store.read(|store| store.trainings(Client::ClaudeCode)).unwrap(), []);
}

#[test]
fn a_training_that_takes_too_long_is_given_up_said_and_left_for_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let end = live_through(&store, 120, true);
    let train = |at, time| {
        let limits = Limits { time, ..LIMITS };
        train_when_due(&store, Client::ClaudeCode, &Zones::default(), minute(at), limits).unwrap()
    };
    assert!(train(end, Duration::ZERO));
    let rows = store.read(|store| store.trainings(Client::ClaudeCode)).unwrap();
    let why = "it took longer than 0 s".to_owned();
    assert_eq!((rows.len(), &rows[0].verdict), (1, &Verdict::Failed { why: why.clone() }));
    assert_eq!(report(&store).unwrap()[0].last_training.as_ref().unwrap().outcome, Verdict::Failed { why });
    assert!(!train(end + 60, TRAIN_TIME_MAX), "an hour later");
    // A model in use is not set aside for that.
    let again = tempfile::tempdir().unwrap();
    let store = open(again.path());
    let end = live_through(&store, 120, true);
    let zones = Zones::default();
    assert!(train_when_due(&store, Client::ClaudeCode, &zones, minute(end), LIMITS).unwrap());
    for pid in 1000..1010 {
        let late = crash(pid, CrashKind::Killed, minute(end + 10));
        write(&store, move |store| store.record_crash(&late, late.happened_at));
    }
    let limits = Limits { time: Duration::ZERO, ..LIMITS };
    let later = minute(end + 2 * DAY_MINUTES);
    assert!(train_when_due(&store, Client::ClaudeCode, &zones, later, limits).unwrap());
    let rows = store.read(|store| store.trainings(Client::ClaudeCode)).unwrap();
    assert_eq!(
        rows.iter().map(|row| row.standing).collect::<Vec<_>>(),
        [Standing::NotTaken, Standing::InUse]
    );
}

#[test]
fn a_process_that_hung_and_went_on_is_learned_from_again() {
    let row = |age: i64, bytes| Signals {
        at: minute(age),
        age_seconds: Some(age as f64 * 60.0),
        transcript_bytes: bytes,
        ..Signals::default()
    };
    // It hangs from minute 3, which is noticed at 8; from minute 11 on it moves, and at 13 it is killed.
    let life: Vec<_> =
        (0..13).map(|age| row(age, if age < 3 { age } else { 3.max(age - 7) } as u64)).collect();
    let moment = |kind, at, detected| CrashMoment {
        kind,
        happened_at: minute(at).plus(Duration::from_secs(30)),
        detected_at: minute(detected).plus(Duration::from_secs(30)),
    };
    let crashes = [moment(CrashKind::Hung, 3, 8), moment(CrashKind::Killed, 12, 12)];
    let parted: Vec<_> = until_crashes(vec![life], &crashes)
        .into_iter()
        .map(|(life, crashed)| (life.iter().map(|row| row.at.ms() / 60_000).collect::<Vec<_>>(), crashed))
        .collect();
    let wanted = [
        (vec![0, 1, 2, 3], Some(crashes[0].happened_at)),
        (vec![11, 12], Some(crashes[1].happened_at)),
        (vec![], None),
    ];
    assert_eq!(parted, wanted);
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
    let alarms = report(&store).unwrap().remove(0).worth.alarms;
    assert_eq!((alarms.alarms, alarms.false_alarms, alarms.lead_seconds), (8, 4, Some(30.0 * 60.0)));
}

fn said(pid: u32, at: i64, probability: f64, model: Option<i64>) -> NewPrediction {
    NewPrediction {
        chat: chat(pid),
        process: process(pid),
        at: minute(at),
        probability,
        alarm: probability > 0.1,
        acted: true,
        model,
    }
}

#[test]
fn a_crash_is_credited_to_what_was_said_before_it_though_the_process_hung_before() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    // It hangs from minute 30, which is noticed at 45; it moves again, and is killed at 120.
    let rows =
        vec![said(1, 10, 0.2, None), said(1, 40, 0.2, None), said(1, 50, 0.2, None), said(1, 90, 0.2, None)];
    write(&store, move |store| {
        store.put_predictions(&rows, PREDICTIONS_MAX)?;
        store.record_crash(&crash(1, CrashKind::Hung, minute(30)), minute(45))?;
        store.record_crash(&crash(1, CrashKind::Killed, minute(120)), minute(120))?;
        settle(store, &[], minute(0), minute(200))
    });
    let rows = store.read(|store| store.predictions(Client::ClaudeCode)).unwrap();
    let outcomes: Vec<_> = rows.iter().filter_map(|row| row.outcome).collect();
    let wanted = [Outcome::Crashed, Outcome::Censored, Outcome::Survived, Outcome::Crashed];
    assert_eq!(outcomes, wanted);
    let alarms = report(&store).unwrap().remove(0).worth.alarms;
    assert_eq!((alarms.false_alarms, alarms.lead_seconds), (1, Some((20.0 + 30.0) / 2.0 * 60.0)));
}

#[test]
fn what_is_in_use_is_scored_on_its_own_predictions() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let end = live_through(&store, 120, true);
    assert!(train_when_due(&store, Client::ClaudeCode, &Zones::default(), minute(end), LIMITS).unwrap());
    let version = store.read(|store| store.trainings(Client::ClaudeCode)).unwrap()[0].id;
    // The zones are wrong each time, the model is right each time; every twentieth process dies.
    let mut rows = Vec::new();
    let mut crashes = Vec::new();
    for pid in 2000..2120 {
        let (dies, at) = (pid % 20 == 0, end + i64::from(pid));
        rows.push(said(pid, at, if dies { 0.01 } else { 0.2 }, None));
        rows.push(said(pid, at + 1, if dies { 0.9 } else { 0.01 }, Some(version)));
        rows.push(said(pid, at + 100, 0.01, Some(version)));
        if dies {
            rows.pop();
            crashes.push(crash(pid, CrashKind::Killed, minute(at + 30)));
        }
    }
    write(&store, move |store| {
        store.put_predictions(&rows, PREDICTIONS_MAX)?;
        for crash in crashes {
            store.record_crash(&crash, crash.happened_at)?;
        }
        settle(store, &[], minute(0), minute(end + 5000))
    });
    let report = report(&store).unwrap().remove(0);
    let own = report.worth.score.unwrap();
    assert_eq!((report.worth.predictions, own.windows, own.crashes), (234, 234, 6));
    assert!(own.brier_skill > 0.9 && own.crash_prediction_accuracy == 1.0, "{own:?}");
    let alarms = report.worth.alarms;
    assert_eq!((alarms.alarms, alarms.false_alarms), (6, 0));
    assert_eq!(alarms.foretold.map(|share| (share.count, share.of)), Some((6, 6)));
    let [zones] = report.before.try_into().unwrap();
    assert_eq!((zones.version, zones.worth.predictions), (None, 120));
    let score = zones.worth.score.unwrap();
    assert!(score.brier_skill < 0.0 && score.crash_prediction_accuracy == 0.0, "{score:?}");
    assert_eq!((zones.worth.alarms.false_alarms, zones.worth.alarms.foretold), (114, None));
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
