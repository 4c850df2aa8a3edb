//! Keeps the journal within its size and age. Only chats without a process are dropped, and it is said.

use shim_store::{Dropped, Urgency};

use crate::{
    run::{Watch, now},
    views,
};

impl Watch {
    pub fn retain(&mut self) {
        let settings = &self.home.settings;
        let (keep, bytes_max, at) = (settings.journal_keep, settings.journal_bytes_max, now());
        let Ok((chats, mut total)) =
            self.home.store.read(|store| Ok((store.chats_by_age()?, store.journal_bytes()?)))
        else {
            return;
        };
        for (chat, last_activity, bytes) in chats {
            let why = if at.since(last_activity) > keep {
                format!("silent since {last_activity}, longer than journal.keep_days")
            } else if total > bytes_max {
                "the oldest when the journal grew over journal.max_mib".to_owned()
            } else {
                break;
            };
            if !self.supervisor.live_processes(&chat).is_empty() {
                continue;
            }
            total = total.saturating_sub(bytes);
            let title = self.chats.get(&chat).map_or_else(String::new, |known| views::title(&chat, known));
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
            }
            Err(error) => self.warn(error.to_string()),
        }
    }
}
