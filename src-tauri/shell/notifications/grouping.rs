//! Which crashes are told, and which together. No IO and no clock: both times come in.

use std::{
    collections::HashMap,
    mem,
    time::{Duration, Instant},
};

use shim_api::crashes::Crash;
use shim_core::{chats::ChatId, crashes::CrashKind, time::Timestamp};

/// Crashes are collected this long after the first, so that many at once become one notification.
const COLLECT: Duration = Duration::from_secs(2);
/// More than this many are told as a number.
const SINGLY_MAX: usize = 3;
/// A crash found later than this is history, not news.
const NEWS: Duration = Duration::from_secs(600);
/// The same chat with the same kind is told once in this span.
const REPEAT: Duration = Duration::from_secs(60);

#[derive(Debug, PartialEq)]
pub enum Notice {
    One(Box<Crash>),
    Many(usize),
}

#[derive(Debug, Default)]
pub struct Grouping {
    collected: Vec<Crash>,
    due: Option<Instant>,
    /// When each was told; entries older than `REPEAT` are dropped.
    told: HashMap<(ChatId, CrashKind), Instant>,
}

impl Grouping {
    /// When `take_due` has something to give; none while nothing was collected.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    pub fn crash(&mut self, crash: Crash, now: Timestamp, instant: Instant) {
        let news = crash.seen_live || now.since(crash.happened_at) <= NEWS;
        self.told.retain(|_, told| instant.saturating_duration_since(*told) < REPEAT);
        let key = (crash.chat.clone(), crash.kind);
        if crash.resolved || !news || self.told.contains_key(&key) {
            return;
        }
        self.told.insert(key, instant);
        self.collected.push(crash);
        self.due.get_or_insert(instant + COLLECT);
    }

    pub fn take_due(&mut self, instant: Instant) -> Vec<Notice> {
        if self.due.is_none_or(|due| instant < due) {
            return Vec::new();
        }
        self.due = None;
        let crashes = mem::take(&mut self.collected);
        if crashes.len() > SINGLY_MAX {
            return vec![Notice::Many(crashes.len())];
        }
        crashes.into_iter().map(|crash| Notice::One(Box::new(crash))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::crash;

    const NOW: Timestamp = Timestamp::from_ms(1_000_000_000);

    fn fresh(number: i64) -> Crash {
        crash(number, "x", NOW)
    }

    fn told(crashes: &[Crash]) -> Vec<Notice> {
        let start = Instant::now();
        let mut grouping = Grouping::default();
        for crash in crashes {
            grouping.crash(crash.clone(), NOW, start);
        }
        assert_eq!(grouping.take_due(start + COLLECT - Duration::from_millis(1)), Vec::new());
        grouping.take_due(start + COLLECT)
    }

    #[test]
    fn up_to_three_are_told_singly_and_more_as_a_number() {
        let one = |number| Notice::One(Box::new(fresh(number)));
        assert_eq!(told(&[fresh(1)]), vec![one(1)]);
        assert_eq!(told(&[fresh(1), fresh(2), fresh(3)]), vec![one(1), one(2), one(3)]);
        assert_eq!(told(&[fresh(1), fresh(2), fresh(3), fresh(4)]), vec![Notice::Many(4)]);
    }

    #[test]
    fn only_news_is_told() {
        let happened = |minutes: i64, seen_live| Crash {
            happened_at: Timestamp::from_ms(NOW.ms() - minutes * 60_000),
            seen_live,
            ..fresh(1)
        };
        for (crash, is_told) in [
            (happened(60, true), true),
            (happened(10, false), true),
            (happened(11, false), false),
            (Crash { resolved: true, ..fresh(1) }, false),
        ] {
            assert_eq!(told(std::slice::from_ref(&crash)).len(), usize::from(is_told), "{crash:?}");
        }
    }

    #[test]
    fn a_chat_that_keeps_dying_is_told_once_a_minute() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut grouping = Grouping::default();
        let mut count = 0;
        for second in 0..120 {
            if second % 10 == 0 {
                grouping.crash(fresh(1), NOW, after(second));
            }
            count += grouping.take_due(after(second)).len();
        }
        assert_eq!(count, 2);
        grouping.crash(Crash { kind: CrashKind::Exited, ..fresh(1) }, NOW, after(122));
        assert_eq!(grouping.take_due(after(124)).len(), 1);
    }
}
