//! What is written is read again, whatever is dropped.

use std::time::Duration;

use shim_core::{
    experiments::{
        audit::{Audited, Entry, replay},
        improvement::{Event, Idea},
        machine::From,
        outcomes::Metric,
    },
    settings::Value,
    time::Timestamp,
};

use crate::{LogPage, Store, Urgency};

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
            let mut state = store.experiment_state()?.unwrap_or_default();
            let rows = store.experiment_entries(state.number)?;
            replay(&mut state, rows.into_iter().filter_map(|row| row.entry)).unwrap();
            Ok(state)
        })
        .unwrap();
    assert_eq!(read, live);
    store.write(Urgency::AtOnce, move |store| store.put_experiment_state(&kept)).unwrap();
    let (state, ends, decided) = store
        .read(|store| {
            let page = LogPage { before: None, only_decided: true, limit: 10 };
            Ok((store.experiment_state()?, store.experiment_log_ends()?, store.experiment_log(page)?))
        })
        .unwrap();
    assert_eq!((state, ends), (Some(live), Some((1, 3))));
    assert_eq!(decided.iter().map(|row| row.number).collect::<Vec<_>>(), [3, 2]);
}

#[test]
fn what_the_state_does_not_hold_is_never_dropped() {
    let (_folder, store) = store();
    let mut live = Audited::default();
    let entries = told(&mut live);
    let many = 60_000;
    store
        .write(Urgency::AtOnce, move |store| {
            for number in 1..=many {
                let entry = Entry { number, decided: Vec::new(), ..entries[0].clone() };
                store.put_experiment_entry(&entry, "idea")?;
            }
            let state = Audited { number: 55_000, ..Audited::default() };
            store.put_experiment_state(&state)
        })
        .unwrap();
    let ends = store.read(|store| store.experiment_log_ends()).unwrap();
    assert_eq!(ends, Some((5_001, many)));
}
