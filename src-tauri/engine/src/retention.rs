//! Keeps the journal within its size and age, and the data folder free of what restores left. Only chats
//! that have ended are dropped, and it is said.

use std::{fs, path::Path, time::Duration};

use shim_api::{events::Event, home::ENGINE_LOG_FILE};
use shim_core::{chats::ChatState, time::Timestamp};
use shim_store::{Dropped, Urgency};

use crate::{
    run::{Watch, now},
    views,
};

/// Files of restores and workers are removed this long after they were last written.
const LEFTOVERS_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const FOLDERS_OF_LEFTOVERS: [&str; 4] =
    ["restores", "workers", crate::hooks::CONTEXTS_FOLDER, crate::snapshots::FOLDER];
/// A worker's output and the engine's own log are cut to nothing beyond this.
const OUTPUT_BYTES_MAX: u64 = 4 * 1024 * 1024;

impl Watch {
    /// Removes what old restores left, keeps workers' outputs small, and has old snapshots let go of.
    pub fn tidy_up(&self) {
        if !self.embedded {
            self.checkpoints.snapshots.tidy();
        }
        let log = self.home.path.join(ENGINE_LOG_FILE);
        if log.exists()
            && let Err(error) = keep_short(&log)
        {
            tracing::warn!("{} could not be cut short: {error}", log.display());
        }
        for name in FOLDERS_OF_LEFTOVERS {
            let entries =
                fs::read_dir(self.home.path.join(name)).into_iter().flatten().filter_map(Result::ok);
            for path in entries.map(|entry| entry.path()) {
                // git may be at work on what is there, and a part of it would be taken for the whole.
                let cut = name != crate::snapshots::FOLDER;
                if let Err(error) = tidy(&path, cut) {
                    tracing::warn!("{} could not be tidied up: {error}", path.display());
                }
            }
        }
    }

    pub fn retain(&mut self) {
        let settings = &self.home.settings();
        let (keep, bytes_max, at) = (settings.journal_keep, settings.journal_bytes_max, now());
        self.prune_signals(at);
        let mut total = self.home.store.bytes_on_disk();
        // Of a chat without a time nothing was read yet: it may be the youngest of all.
        let settled = self.chats.iter().filter(|(id, chat)| {
            let is_read = !self.backlog.iter().any(|waiting| waiting.chat == **id);
            is_read
                && chat.last_activity > Timestamp::default()
                && self.supervisor.state(id) == ChatState::Ended
        });
        let mut oldest: Vec<_> = settled.map(|(id, chat)| (chat.last_activity, id.clone())).collect();
        oldest.sort();
        for (last_activity, chat) in oldest {
            let why = if at.since(last_activity) > keep {
                format!("silent since {last_activity}, longer than journal.keep_days")
            } else if total > bytes_max {
                "the oldest when the journal grew over journal.max_mib".to_owned()
            } else {
                break;
            };
            let bytes = self.home.store.read(|store| store.chat_bytes(&chat)).unwrap_or(0);
            total = total.saturating_sub(bytes);
            let title = self
                .chats
                .get(&chat)
                .map_or_else(String::new, |known| views::title(&chat, known, &self.home.settings()));
            self.drop_chat(Dropped { at, chat, title, bytes, why });
        }
    }

    fn drop_chat(&mut self, dropped: Dropped) {
        let (chat, title, bytes, why) =
            (dropped.chat.clone(), dropped.title.clone(), dropped.bytes, dropped.why.clone());
        match self.home.store.write(Urgency::AtOnce, move |store| store.drop_chat(&dropped)) {
            Ok(()) => {
                self.warn(format!("dropped the journal of “{title}” ({chat}, {bytes} bytes): {why}"));
                self.files.retain(|_, tracked| tracked.chat() != &chat);
                self.chats.remove(&chat);
                self.handle.tell(Event::JournalDropped { chat, bytes });
            }
            Err(error) => self.warn(error.to_string()),
        }
    }
}

fn tidy(path: &Path, cut: bool) -> std::io::Result<()> {
    let meta = fs::metadata(path)?;
    match meta.modified()?.elapsed() {
        Ok(age) if age > LEFTOVERS_KEPT => fs::remove_file(path),
        Ok(_) | Err(_) if cut => keep_short(path),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn keep_short(path: &Path) -> std::io::Result<()> {
    let meta = fs::metadata(path)?;
    if meta.is_file() && meta.len() > OUTPUT_BYTES_MAX {
        fs::File::options().write(true).open(path)?.set_len(0)?;
    }
    Ok(())
}
