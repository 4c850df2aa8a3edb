//! An engine that stops, or is torn from its machine, goes on as if it had never stopped.

use std::{fs, path::Path, time::Duration};

use super::*;
use year::{Loop, MIXES, Year};

#[path = "../../../../tests/sim/year.rs"]
#[expect(dead_code, reason = "benches and the simulation use the rest")]
mod year;

const DAYS: u64 = 30;

struct OnDisk {
    folder: tempfile::TempDir,
    store: Store,
    ledger: Ledger,
}

fn store(folder: &Path) -> Store {
    Store::open(&folder.join("shim.db"), Duration::from_secs(60)).unwrap()
}

impl OnDisk {
    fn open(folder: tempfile::TempDir) -> Self {
        let store = store(folder.path());
        let ledger = Ledger::open(&store);
        assert_eq!(ledger.unreadable(), None);
        Self { folder, store, ledger }
    }

    fn stopped(mut self) -> Self {
        self.ledger.keep(&self.store).unwrap();
        drop(self.store);
        Self::open(self.folder)
    }

    /// What stands on the disk at this moment, in another folder: the power went.
    fn torn(self) -> Self {
        self.store.write(Urgency::AtOnce, |_| Ok(())).unwrap();
        let image = tempfile::tempdir().unwrap();
        for file in fs::read_dir(self.folder.path()).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), image.path().join(file.file_name())).unwrap();
        }
        Self::open(image)
    }
}

impl Loop for OnDisk {
    fn hear(&mut self, event: Event, at: Timestamp) -> Option<Entry> {
        let heard = self.ledger.hear(&self.store, event, at);
        if self.ledger.is_due() {
            self.ledger.keep(&self.store).unwrap();
        }
        heard.map(|(entry, written)| {
            written.unwrap();
            entry
        })
    }

    fn audited(&self) -> &Audited {
        self.ledger.audited()
    }
}

#[test]
fn an_engine_that_is_started_anew_at_any_time_decides_the_same() {
    let whole = Year::new(Audited::default(), 7, MIXES[0], true).live(DAYS, |live, _| live);
    let mut random = fastrand::Rng::with_seed(7);
    let night = |live: OnDisk, _: &[Entry]| match random.u8(0..4) {
        0 => live.stopped(),
        1 | 2 => live.torn(),
        _ => live,
    };
    let begun = OnDisk::open(tempfile::tempdir().unwrap());
    let mut anew = Year::new(begun, 7, MIXES[0], true).live(DAYS, night);
    assert_eq!(*anew.live.audited(), whole.live);
    assert_eq!(anew.log, whole.log);
    assert_eq!(anew.went.crashes, whole.went.crashes);
    assert!(whole.went.totals.begun > 3, "{:?}", whole.went.totals);
    anew.live.ledger.keep(&anew.live.store).unwrap();
    assert_eq!(Ledger::play_again(&whole.live, &anew.live.store).unwrap(), whole.live.number);
}

#[test]
fn after_what_was_lost_no_number_is_used_twice() {
    let begun = OnDisk::open(tempfile::tempdir().unwrap());
    let mut live = Year::new(begun, 3, MIXES[0], false).live(2, |live, _| live).live;
    let last = live.audited().number;
    live.ledger.begin_anew(&live.store).unwrap();
    assert_eq!(live.audited().number, last);
    assert!(live.ledger.improvement().newest() >= last);
    let anew = live.audited().clone();
    assert_eq!(*live.torn().audited(), anew);
}
