//! What the tray shows, as plain data: drawn from the engine's answers by a pure function.

use std::{cmp::Reverse, time::Duration};

use shim_api::{
    chats::Chat,
    crashes::Crash,
    fleet::{FleetView, ItemState, State},
    status::Status,
};
use shim_core::{
    chats::{ChatId, ChatState},
    crashes::{CrashKind, InTurn},
    fleet::OFFERED_FROM,
    time::Timestamp,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrayView {
    /// No engine answers; `why` in words for a person.
    Down { why: String },
    Up {
        /// A recorded week is shown, and nothing of this machine.
        demo: bool,
        /// A newer version that can be installed.
        update: Option<String>,
        watching: Watching,
        /// Crashes that a restore would mend, newest first.
        crashes: Vec<CrashLine>,
        /// Chats with a process behind them, those that wait for the user first.
        live: Vec<ChatLine>,
        fleet: FleetLine,
    },
}

/// Many chats at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FleetLine {
    #[default]
    None,
    Offered {
        chats: usize,
    },
    UnderWay {
        back: usize,
        of: usize,
        /// Memory is short.
        waits: bool,
    },
}

impl FleetLine {
    pub fn of(view: &FleetView) -> Self {
        match &view.fleet {
            Some(fleet) if fleet.goes_on() => {
                let back = fleet.items.iter().filter(|item| matches!(item.state, ItemState::Restored { .. }));
                let waits = matches!(fleet.state, State::WaitingForMemory { .. });
                Self::UnderWay { back: back.count(), of: fleet.items.len(), waits }
            }
            _ if view.offer.len() >= OFFERED_FROM => Self::Offered { chats: view.offer.len() },
            _ => Self::None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watching {
    On,
    Paused { left: Duration },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashLine {
    pub number: i64,
    pub title: String,
    pub kind: CrashKind,
    pub in_turn: InTurn,
    pub age: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatLine {
    pub id: ChatId,
    pub title: String,
    pub state: ChatState,
}

pub fn view(
    status: &Status,
    chats: Vec<Chat>,
    crashes: Vec<Crash>,
    fleet: FleetLine,
    update: Option<String>,
    now: Timestamp,
) -> TrayView {
    let watching = match status.engine.paused_until {
        Some(until) if until > now => Watching::Paused { left: until.since(now) },
        Some(_) | None => Watching::On,
    };
    TrayView::Up {
        demo: status.engine.demo,
        update,
        watching,
        crashes: crash_lines(crashes, now),
        live: chat_lines(chats),
        fleet,
    }
}

fn crash_lines(crashes: Vec<Crash>, now: Timestamp) -> Vec<CrashLine> {
    let mut open: Vec<_> = crashes.into_iter().filter(|crash| !crash.resolved).collect();
    open.sort_by_key(|crash| Reverse((crash.happened_at, crash.id)));
    open.into_iter()
        .map(|crash| CrashLine {
            number: crash.id,
            title: crash.title,
            kind: crash.kind,
            in_turn: crash.in_turn,
            age: now.since(crash.happened_at),
        })
        .collect()
}

fn chat_lines(chats: Vec<Chat>) -> Vec<ChatLine> {
    let mut live: Vec<_> = chats.into_iter().filter(|chat| chat.state.is_live()).collect();
    live.sort_by_key(|chat| (urgency(chat.state), Reverse(chat.last_activity)));
    live.into_iter().map(|chat| ChatLine { id: chat.id, title: chat.title, state: chat.state }).collect()
}

/// Smaller is shown first.
fn urgency(state: ChatState) -> u8 {
    match state {
        ChatState::Waiting => 0,
        ChatState::Hung => 1,
        ChatState::Working => 2,
        ChatState::Idle => 3,
        ChatState::Crashed | ChatState::Ended | ChatState::Unknown => 4,
    }
}

#[cfg(test)]
mod tests {
    use shim_core::chats::Client;

    use super::*;
    use crate::samples::{chat, crash, status};

    const NOW: Timestamp = Timestamp::from_ms(1_000_000_000);

    #[test]
    fn shows_open_crashes_newest_first_and_live_chats_most_urgent_first() {
        let minutes_ago = |minutes: i64| Timestamp::from_ms(NOW.ms() - minutes * 60_000);
        let crashes = vec![
            crash(1, "old", minutes_ago(90)),
            Crash { resolved: true, ..crash(2, "mended", minutes_ago(1)) },
            crash(3, "new", minutes_ago(2)),
        ];
        let chats = vec![
            chat("a", ChatState::Idle, minutes_ago(1)),
            chat("b", ChatState::Working, minutes_ago(9)),
            chat("c", ChatState::Crashed, minutes_ago(2)),
            chat("d", ChatState::Working, minutes_ago(0)),
            chat("e", ChatState::Waiting, minutes_ago(5)),
            chat("f", ChatState::Ended, minutes_ago(5)),
        ];
        let line = |number, title: &str, minutes: u64| CrashLine {
            number,
            title: title.to_owned(),
            kind: CrashKind::Killed,
            in_turn: InTurn::Answer,
            age: Duration::from_secs(60 * minutes),
        };
        let live = |id: &str, state| ChatLine {
            id: ChatId::new(Client::ClaudeCode, id),
            title: format!("title of {id}"),
            state,
        };
        assert_eq!(
            view(&status(None), chats, crashes, FleetLine::None, None, NOW),
            TrayView::Up {
                demo: false,
                update: None,
                watching: Watching::On,
                crashes: vec![line(3, "new", 2), line(1, "old", 90)],
                live: vec![
                    live("e", ChatState::Waiting),
                    live("d", ChatState::Working),
                    live("b", ChatState::Working),
                    live("a", ChatState::Idle),
                ],
                fleet: FleetLine::None,
            }
        );
    }

    #[test]
    fn a_pause_that_ran_out_is_no_pause() {
        let an_hour = Duration::from_secs(3600);
        for (until, watching) in [
            (None, Watching::On),
            (Some(NOW), Watching::On),
            (Some(NOW.plus(an_hour)), Watching::Paused { left: an_hour }),
        ] {
            let fleet = FleetLine::Offered { chats: 3 };
            let expected = TrayView::Up {
                demo: false,
                update: None,
                watching,
                crashes: Vec::new(),
                live: Vec::new(),
                fleet,
            };
            assert_eq!(view(&status(until), Vec::new(), Vec::new(), fleet, None, NOW), expected);
        }
    }
}
