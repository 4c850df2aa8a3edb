//! Files as a disk holds them: what was synced, and what waits and may be lost, sector by sector, in any order.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::trace::Call;

#[derive(Default)]
struct Held {
    /// `None` where there is no such file.
    synced: Option<Vec<u8>>,
    waiting: Vec<Call>,
}

pub struct Disk {
    folder: PathBuf,
    files: BTreeMap<PathBuf, Held>,
    /// Says that it synced, and did not.
    lies: bool,
}

impl Disk {
    pub fn new(folder: &Path, lies: bool) -> Self {
        Self { folder: folder.to_owned(), files: BTreeMap::new(), lies }
    }

    pub fn take(&mut self, call: &Call) {
        match call {
            Call::Sync { .. } if self.lies => {}
            // The folder's own entries: of these only removals are kept apart.
            Call::Sync { path } if *path == self.folder => {
                for held in self.files.values_mut() {
                    if let Some(at) =
                        held.waiting.iter().rposition(|call| matches!(call, Call::Unlink { .. }))
                    {
                        held.synced = None;
                        held.waiting.drain(..=at);
                    }
                }
            }
            Call::Sync { path } => {
                let held = self.files.entry(path.clone()).or_default();
                for call in std::mem::take(&mut held.waiting) {
                    apply(&mut held.synced, &call, |_| true);
                }
            }
            Call::Write { path, .. } | Call::Truncate { path, .. } | Call::Unlink { path } => {
                self.files.entry(path.clone()).or_default().waiting.push(call.clone());
            }
        }
    }

    /// Writes what is left of each file into `folder`.
    pub fn lose_power(self, dice: &mut fastrand::Rng, folder: &Path) {
        let sector = if dice.usize(..2) == 0 { 512 } else { 4096 };
        // From all lost to all kept: each is a way to lose power.
        let kept_of_8 = dice.usize(..9);
        for (path, mut held) in self.files {
            // It is shared memory, made anew by the first who opens the database.
            if path.to_string_lossy().ends_with("-shm") {
                continue;
            }
            for call in std::mem::take(&mut held.waiting) {
                let mut fates: BTreeMap<usize, bool> = BTreeMap::new();
                apply(&mut held.synced, &call, |offset| {
                    *fates.entry(offset / sector).or_insert_with(|| dice.usize(..8) < kept_of_8)
                });
            }
            if let (Some(bytes), Some(name)) = (held.synced, path.file_name()) {
                fs::write(folder.join(name), bytes).unwrap();
            }
        }
    }
}

/// Applies a call to a file, each byte of it where `keeps` says so of its offset.
fn apply(file: &mut Option<Vec<u8>>, call: &Call, mut keeps: impl FnMut(usize) -> bool) {
    match call {
        Call::Write { offset, bytes, .. } => {
            let file = file.get_or_insert_default();
            let from = offset.unwrap_or(file.len());
            for (at, byte) in (from..).zip(bytes) {
                if keeps(at) {
                    if file.len() <= at {
                        file.resize(at + 1, 0);
                    }
                    file[at] = *byte;
                }
            }
        }
        Call::Truncate { length, .. } if keeps(0) => file.get_or_insert_default().resize(*length, 0),
        Call::Unlink { .. } if keeps(0) => *file = None,
        Call::Truncate { .. } | Call::Unlink { .. } | Call::Sync { .. } => {}
    }
}
