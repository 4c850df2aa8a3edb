//! What is written is read again, whatever is dropped.

use std::time::Duration;

use shim_core::{
    experiments::{
        audit::{Audited, Entry, RULES, replay},
        improvement::{Event, Idea},
        machine::From,
        outcomes::Metric,
    },
    settings::Value,
    time::Timestamp,
};

use crate::{KeptState, LogPage, Store, Urgency};

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("shim.db"), Duration::ZERO).unwrap();
    (folder, store)
}

fn told(live: &mut Audited) -> Vec<Entry> {
    let idea = Idea {
        knob: "checkpoints.calls".to_owned(),
        values: vec![Value::Whole(4)],
        metric: Metric::Crash,
        why: "ä try".to_owned(),
        from: From::User,
        worth: 0.1 + 0.2,
    };
    let events = [Event::Idea { idea }, Event::Start { experiment: 1 }, Event::Stop { experiment: 1 }];
    events.into_iter().filter_map(|event| live.handle(event, Timestamp::from_ms(5))).collect()
}

#[test]
fn the_state_and_what_came_after_it_give_the_state_again() {
    let (_folder, store) = store();
    let mut live = Audited::default();
    let entries = told(&mut live);
    assert_eq!(entries.len(), 3);
    let (first, kept) = (entries.clone(), live.clone());
    store
        .write(Urgency::AtOnce, move |store| {
            first.iter().try_for_each(|entry| store.put_experiment_entry(entry, "any"))
        })
        .unwrap();
    let read = store
        .read(|store| {
            let mut state = Audited::default();
            let rows = store.experiment_entries(state.number)?;
            replay(&mut state, rows.into_iter().filter_map(|row| row.entry)).unwrap();
            Ok(state)
        })
        .unwrap();
    assert_eq!(read, live);
    store.write(Urgency::AtOnce, move |store| store.put_experiment_state(&kept)).unwrap();
    let (states, ends, decided) = store
        .read(|store| {
            let page = LogPage { before: None, only_decided: true, limit: 10 };
            Ok((store.experiment_states()?, store.experiment_log_ends()?, store.experiment_log(page)?))
        })
        .unwrap();
    assert_eq!(states, [KeptState { number: 3, rules: RULES, state: Some(live) }]);
    assert_eq!(ends, Some((1, 3)));
    assert_eq!(decided.iter().map(|row| row.number).collect::<Vec<_>>(), [3, 2]);
}

#[test]
fn what_is_left_of_the_log_begins_with_a_state() {
    let (_folder, store) = store();
    let entry = told(&mut Audited::default()).remove(0);
    store
        .write(Urgency::AtOnce, move |store| {
            for number in 1..=95_000 {
                store
                    .put_experiment_entry(&Entry { number, decided: Vec::new(), ..entry.clone() }, "idea")?;
                if number % 500 == 0 {
                    store.put_experiment_state(&Audited { number, ..Audited::default() })?;
                }
            }
            Ok(())
        })
        .unwrap();
    let (states, ends) =
        store.read(|store| Ok((store.experiment_states()?, store.experiment_log_ends()?))).unwrap();
    let (numbers, (first, last)) = (states.iter().map(|kept| kept.number).collect::<Vec<_>>(), ends.unwrap());
    assert_eq!(numbers.last().copied(), Some(first - 1), "{numbers:?}");
    assert!((70_000..80_500).contains(&(last - first)), "{first} to {last}");
    assert!(numbers.len() < 12, "{numbers:?}");
}

#[test]
fn words_that_cannot_be_read_stay_until_they_are_dropped() {
    let (folder, store) = store();
    let entries = told(&mut Audited::default());
    store
        .write(Urgency::AtOnce, move |store| {
            entries.iter().try_for_each(|entry| store.put_experiment_entry(entry, "any"))?;
            store.put_experiment_state(&Audited { number: 3, ..Audited::default() })
        })
        .unwrap();
    drop(store);
    let path = folder.path().join("shim.db");
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute("UPDATE experiment_states SET state = '{\"of\": \"tomorrow\"}', rules = 99", []).unwrap();
    drop(raw);
    let store = Store::open(&path, Duration::ZERO).unwrap();
    let (states, lines) =
        store.read(|store| Ok((store.experiment_states()?, store.experiment_lines()?))).unwrap();
    assert_eq!(states, [KeptState { number: 3, rules: 99, state: None }]);
    assert_eq!((lines.len(), lines[0].as_str()), (4, "{\"of\": \"tomorrow\"}"));
    store.write(Urgency::AtOnce, |store| store.drop_experiments()).unwrap();
    assert_eq!(store.read(|store| store.experiment_lines()).unwrap(), [""; 0]);
}

#[test]
fn what_the_state_does_not_hold_is_never_dropped() {
    let (_folder, store) = store();
    let mut live = Audited::default();
    let entries = told(&mut live);
    let many = 80_000;
    store
        .write(Urgency::AtOnce, move |store| {
            for number in 1..=many {
                let entry = Entry { number, decided: Vec::new(), ..entries[0].clone() };
                store.put_experiment_entry(&entry, "idea")?;
            }
            let state = Audited { number: 75_000, ..Audited::default() };
            store.put_experiment_state(&state)
        })
        .unwrap();
    let ends = store.read(|store| store.experiment_log_ends()).unwrap();
    assert_eq!(ends, Some((1, many)));
}
