//! Predictions and models on a real file.

use std::{path::Path, time::Duration};

use shim_core::{
    chats::{ChatId, Client, ProcessKey},
    crashes::{CrashKind, InTurn},
    prediction::{
        model::{Model, Standing, cold_start},
        scoring::Outcome,
        training::{Trained, Verdict},
    },
    supervisor::NewCrash,
    time::Timestamp,
};

use super::{CrashMoment, NewPrediction, PREDICTIONS_MAX, TRAININGS_MAX};
use crate::{Store, StoreError, Urgency, writer::Batch};

fn open(folder: &Path) -> Store {
    Store::open(&folder.join("shim.db"), Duration::from_millis(2)).unwrap()
}

fn write<T: Send + 'static>(
    store: &Store,
    job: impl FnOnce(&Batch<'_>) -> Result<T, StoreError> + Send + 'static,
) -> T {
    store.write(Urgency::AtOnce, job).unwrap()
}

fn chat(client: Client, number: u32) -> ChatId {
    ChatId::new(client, &format!("11111111-0000-4000-8000-{number:012}"))
}

fn process(pid: u32) -> ProcessKey {
    ProcessKey { pid, start: "77".to_owned() }
}

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_ms(minute * 60_000)
}

fn prediction(client: Client, pid: u32, at: i64) -> NewPrediction {
    NewPrediction {
        chat: chat(client, pid),
        process: process(pid),
        at: minute(at),
        probability: 0.25,
        alarm: at % 2 == 0,
        acted: false,
        model: (pid > 5).then_some(3),
    }
}

fn crash(client: Client, pid: u32, kind: CrashKind, at: i64) -> NewCrash {
    NewCrash {
        chat: chat(client, pid),
        process: process(pid),
        kind,
        in_turn: InTurn::None,
        in_flight: Vec::new(),
        evidence: Vec::new(),
        happened_at: minute(at),
        seen_live: true,
    }
}

fn trained(client: Client, verdict: Verdict) -> Trained {
    let model = Model {
        client,
        trained_at: minute(9),
        since: minute(1),
        rows: 1000,
        crashes: 30,
        strength: 32.0,
        coefficients: Model::named(&cold_start()),
        held_out: None,
    };
    Trained { model: Some(model), verdict }
}

#[test]
fn a_prediction_is_settled_once_its_horizon_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let rows: Vec<_> = [(1, 0), (1, 1), (2, 1), (1, 70)]
        .into_iter()
        .map(|(pid, at)| prediction(Client::ClaudeCode, pid, at))
        .collect();
    write(&store, move |store| store.put_predictions(&rows, PREDICTIONS_MAX));
    let due = store.read(|store| store.unsettled_predictions(minute(1), 100)).unwrap();
    let told: Vec<_> = due.iter().map(|row| (row.process.pid, row.at, row.seen)).collect();
    assert_eq!(told, [(1, minute(0), minute(70)), (1, minute(1), minute(70)), (2, minute(1), minute(1))]);
    let id = due[1].id;
    write(&store, move |store| store.settle_prediction(id, Outcome::Crashed));
    assert_eq!(store.read(|store| store.unsettled_predictions(minute(1), 100)).unwrap().len(), 2);
    let rows = store.read(|store| store.predictions(Client::ClaudeCode)).unwrap();
    let outcomes: Vec<_> = rows.iter().map(|row| row.outcome).collect();
    assert_eq!(outcomes, [None, Some(Outcome::Crashed), None, None]);
    assert_eq!(store.read(|store| store.predictions(Client::Codex)).unwrap(), []);
}

#[test]
fn the_oldest_predictions_go_and_their_processes_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for pid in 1..=4 {
        let rows: Vec<_> = (0..10).map(|at| prediction(Client::Codex, pid, at)).collect();
        write(&store, move |store| store.put_predictions(&rows, 25));
    }
    let rows = store.read(|store| store.predictions(Client::Codex)).unwrap();
    assert_eq!(rows.len(), 25);
    let mut processes: Vec<_> = rows.iter().map(|row| row.process).collect();
    processes.dedup();
    assert_eq!(processes.len(), 3);
    write(&store, move |store| store.record_crash(&crash(Client::Codex, 1, CrashKind::Killed, 3), minute(3)));
    write(&store, move |store| store.record_crash(&crash(Client::Codex, 4, CrashKind::Exited, 4), minute(4)));
    let crashes = store.read(|store| store.predicted_crashes(Client::Codex)).unwrap();
    let moment = |kind, at| CrashMoment { kind, happened_at: minute(at), detected_at: minute(at) };
    assert_eq!(crashes, [(processes[2], moment(CrashKind::Exited, 4))]);
    let all = store.read(|store| store.crashes_of_client(Client::Codex)).unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(store.read(|store| store.crashes_of_client(Client::ClaudeCode)).unwrap(), []);
    let own = store.read(|store| store.crashes_of(&chat(Client::Codex, 1), &process(1))).unwrap();
    assert_eq!(own, [moment(CrashKind::Killed, 3)]);
}

#[test]
fn alarms_that_may_still_come_true_are_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let rows: Vec<_> = [(1, 2), (1, 4), (2, 6), (2, 7)]
        .into_iter()
        .map(|(pid, at)| NewPrediction { acted: at != 4, ..prediction(Client::Codex, pid, at) })
        .collect();
    write(&store, move |store| store.put_predictions(&rows, PREDICTIONS_MAX));
    let one = |number| chat(Client::Codex, number);
    let said = store.read(|store| store.alarms_since(minute(3))).unwrap();
    assert_eq!(said, [(one(1), minute(4), false), (one(2), minute(6), true)]);
}

#[test]
fn one_model_of_a_client_is_in_use_and_old_ones_go() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let put = |client, verdict| {
        write(&store, move |store| store.put_training(client, minute(10), &trained(client, verdict)))
    };
    let not_enough = || Verdict::NotEnough { crashes: 1, needed: 20 };
    let other = put(Client::Codex, Verdict::Taken);
    let first = put(Client::ClaudeCode, Verdict::Taken);
    put(Client::ClaudeCode, not_enough());
    let second = put(Client::ClaudeCode, Verdict::Taken);
    let standings = |client| -> Vec<_> {
        let rows = store.read(|store| store.trainings(client)).unwrap();
        rows.iter().map(|row| (row.id, row.standing)).collect()
    };
    assert_eq!(
        standings(Client::ClaudeCode),
        [(second, Standing::InUse), (second - 1, Standing::NotTaken), (first, Standing::Replaced)]
    );
    let row = store.read(|store| store.trainings(Client::Codex)).unwrap().remove(0);
    assert_eq!(
        (row.id, row.at, row.model),
        (other, minute(10), trained(Client::Codex, Verdict::Taken).model)
    );
    for _ in 0..30 {
        put(Client::ClaudeCode, not_enough());
    }
    let left = standings(Client::ClaudeCode);
    assert_eq!(left.len() as i64, TRAININGS_MAX + 1);
    assert!(left.contains(&(second, Standing::InUse)), "the one in use stays: {left:?}");
    write(&store, |store| store.set_standing(Client::ClaudeCode, Standing::SetAside));
    assert!(standings(Client::ClaudeCode).contains(&(second, Standing::SetAside)));
    assert_eq!(standings(Client::Codex), [(other, Standing::InUse)]);
}

#[test]
fn the_salt_stays_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let salt = |new: &'static str| write(&open(folder.path()), move |store| store.prediction_salt(new));
    assert_eq!(salt("first"), "first");
    assert_eq!(salt("second"), "first");
}
