//! What a person is told of, and when: kinds that can be switched off, quiet hours that are summed up when they end,
//! many at once as one, and the same thing at most once a minute. Who shows it, and in which words, is not known here.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{crashes::CrashKind, time::Timestamp};

/// What is told is collected this long after the first of its kind, so that many at once become one, and what came of it
/// at once takes its place.
const COLLECT: Duration = Duration::from_secs(2);
/// More than this many of a kind are told as a number.
const SINGLY_MAX: usize = 3;
/// The same thing is told once in this span.
pub const REPEAT: Duration = Duration::from_secs(60);
/// A crash found later than this is history, not news.
const NEWS: Duration = Duration::from_secs(600);
/// What waits to be told; beyond it only the number is kept.
const WAITING_MAX: usize = 256;
/// Things that are remembered as told; while there is no room, nothing more is.
const TOLD_MAX: usize = 1024;
/// Different things that are kept of quiet hours; beyond it the same one counts twice.
const QUIET_MAX: usize = 1024;
/// Between two looks at what waits, at least.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// What a notice is about. Each has a switch of its own, `notices.<name>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts")]
pub enum NoticeKind {
    /// A chat's process died.
    Crashed,
    /// A chat's process lives and gets nowhere.
    Hung,
    /// A chat's file is damaged, refused, deleted or no longer listed, or its context fills up.
    Ailing,
    /// A chat came back.
    Restored,
    /// What SHIM did not do by itself, or was ended in the middle of.
    HeldBack,
    /// A chat has asked something that nobody answers.
    Waiting,
    /// A usage limit.
    Limit,
    /// Memory runs out.
    Memory,
    /// An app restarts for its update, and its chats with it.
    Update,
    /// A client is about to delete chats.
    Deletion,
}

impl NoticeKind {
    pub const ALL: [Self; 10] = [
        Self::Crashed,
        Self::Hung,
        Self::Ailing,
        Self::Restored,
        Self::HeldBack,
        Self::Waiting,
        Self::Limit,
        Self::Memory,
        Self::Update,
        Self::Deletion,
    ];

    pub fn of_crash(kind: CrashKind) -> Self {
        match kind {
            CrashKind::Killed
            | CrashKind::Exited
            | CrashKind::Shutdown
            | CrashKind::ClientUpdate
            | CrashKind::OutOfMemory => Self::Crashed,
            CrashKind::Hung => Self::Hung,
            CrashKind::IndexLost
            | CrashKind::Torn
            | CrashKind::Poisoned
            | CrashKind::CompactionDeadlock
            | CrashKind::Deleted => Self::Ailing,
        }
    }

    /// What is over when a chat came back.
    fn is_over_once_back(self) -> bool {
        matches!(self, Self::Crashed | Self::Hung | Self::Ailing)
    }
}

/// Whether a crash is still worth a notice: its process was seen alive, or it died a moment ago.
pub fn is_news(seen_live: bool, happened_at: Timestamp, now: Timestamp) -> bool {
    seen_live || now.since(happened_at) <= NEWS
}

/// A minute of the day, 0 to 1439.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    pub const fn new(hour: u16, minute: u16) -> Option<Self> {
        if hour < 24 && minute < 60 { Some(Self(hour * 60 + minute)) } else { None }
    }

    /// Reads `22:00`.
    pub fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.split_once(':')?;
        let number = |digits: &str, at_least: usize| {
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            (plain && (at_least..=2).contains(&digits.len())).then(|| digits.parse().ok())?
        };
        Self::new(number(hour, 1)?, number(minute, 2)?)
    }
}

/// From one minute of the day to another, over midnight where the second is earlier. Two that are the same hold always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietHours {
    pub from: TimeOfDay,
    pub to: TimeOfDay,
}

impl QuietHours {
    fn hold(self, at: TimeOfDay) -> bool {
        if self.from < self.to { (self.from..self.to).contains(&at) } else { at >= self.from || at < self.to }
    }

    /// Until they end, a day at most.
    fn left(self, at: Moment) -> Duration {
        let left = (i64::from(self.to.0) * 60 - at.second_of_day()).rem_euclid(DAY_SECONDS);
        Duration::from_secs(u64::try_from(left).unwrap_or_default())
    }
}

/// What its user wants to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    pub unwanted: BTreeSet<NoticeKind>,
    pub is_quiet_on: bool,
    pub quiet: QuietHours,
}

impl Default for Rules {
    fn default() -> Self {
        // 22:00 to 08:00.
        let quiet = QuietHours { from: TimeOfDay(22 * 60), to: TimeOfDay(8 * 60) };
        Self { unwanted: BTreeSet::new(), is_quiet_on: false, quiet }
    }
}

impl Rules {
    pub fn want(&mut self, kind: NoticeKind, wanted: bool) {
        if wanted {
            self.unwanted.remove(&kind);
        } else {
            self.unwanted.insert(kind);
        }
    }

    fn are_quiet(&self, at: Moment) -> bool {
        self.is_quiet_on && self.quiet.hold(at.time_of_day())
    }
}

/// When it is, and how far the user's clock is ahead of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub now: Timestamp,
    pub offset_seconds: i32,
}

impl Moment {
    fn second_of_day(self) -> i64 {
        let local = self.now.ms().div_euclid(1000).saturating_add(i64::from(self.offset_seconds));
        local.rem_euclid(DAY_SECONDS)
    }

    fn time_of_day(self) -> TimeOfDay {
        TimeOfDay(u16::try_from(self.second_of_day() / 60).unwrap_or_default())
    }
}

/// Something to be told. Of the same kind about the same, the later stands for the earlier.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice<T> {
    pub kind: NoticeKind,
    /// The chat, or whatever else it is about.
    pub about: String,
    /// How many chats it speaks of; 1 where it speaks of none.
    pub number: usize,
    pub what: T,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Event<T> {
    Came(Notice<T>),
    /// Its user knows already, as by the answer to a click.
    Known {
        kind: NoticeKind,
        about: String,
    },
    /// What is wanted changed.
    Rules(Rules),
    /// Time passed.
    Passed,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Effect<T> {
    Show(Notice<T>),
    ShowMany {
        kind: NoticeKind,
        number: usize,
    },
    /// What came in quiet hours, by kind.
    SumUp(BTreeMap<NoticeKind, usize>),
}

/// The machine over all that is told.
#[derive(Debug)]
pub struct Notices<T> {
    rules: Rules,
    waiting: Vec<(Timestamp, Notice<T>)>,
    /// More of a kind than could wait.
    beyond: BTreeMap<NoticeKind, usize>,
    /// When each was told; those older than `REPEAT` are dropped.
    told: HashMap<Told, Timestamp>,
    kept_quiet: KeptQuiet,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Told {
    One(NoticeKind, String),
    Many(NoticeKind),
    Sum,
}

/// What came in quiet hours.
#[derive(Debug, Default)]
struct KeptQuiet {
    seen: BTreeSet<(NoticeKind, String)>,
    numbers: BTreeMap<NoticeKind, usize>,
}

impl<T> Default for Notices<T> {
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            waiting: Vec::new(),
            beyond: BTreeMap::new(),
            told: HashMap::new(),
            kept_quiet: KeptQuiet::default(),
        }
    }
}

impl<T> Notices<T> {
    pub fn handle(&mut self, event: Event<T>, at: Moment) -> Vec<Effect<T>> {
        // A clock that was set back would hold things up until it is as late again.
        self.told.retain(|_, told| *told <= at.now && at.now.since(*told) < REPEAT);
        for (since, _) in &mut self.waiting {
            *since = (*since).min(at.now);
        }
        match event {
            Event::Came(notice) => self.came(notice, at.now),
            Event::Known { kind, about } => self.known(kind, about, at.now),
            Event::Rules(rules) => self.rules = rules,
            Event::Passed => {}
        }
        let unwanted = &self.rules.unwanted;
        self.waiting.retain(|(_, notice)| !unwanted.contains(&notice.kind));
        self.beyond.retain(|kind, _| !unwanted.contains(kind));
        if self.rules.are_quiet(at) {
            self.keep_quiet();
            return Vec::new();
        }
        let mut effects: Vec<_> = self.sum_up(at.now).into_iter().collect();
        for kind in NoticeKind::ALL {
            self.show_due(kind, at.now, &mut effects);
        }
        effects
    }

    /// When `Passed` is to be said at the latest; none while nothing waits.
    pub fn due(&self, at: Moment) -> Option<Timestamp> {
        let one = |notice: &Notice<T>| Told::One(notice.kind, notice.about.clone());
        let waiting = self.waiting.iter().map(|(since, notice)| {
            let of_kind = self.waiting.iter().filter(|(_, other)| other.kind == notice.kind).count();
            let are_many = self.beyond.contains_key(&notice.kind) || of_kind > SINGLY_MAX;
            let many = are_many.then_some(Told::Many(notice.kind));
            let again =
                [Some(one(notice)), many].into_iter().flatten().filter_map(|told| self.again_at(&told));
            again.fold(since.plus(COLLECT), Timestamp::max)
        });
        let kept = (!self.kept_quiet.numbers.is_empty()).then(|| match self.rules.are_quiet(at) {
            true => at.now.plus(self.rules.quiet.left(at)),
            false => self.again_at(&Told::Sum).unwrap_or(at.now),
        });
        let beyond = self.beyond.keys().map(|kind| self.again_at(&Told::Many(*kind)).unwrap_or(at.now));
        // Where it is not known what holds it up, it is looked at again soon.
        waiting.chain(kept).chain(beyond).min().map(|due| due.max(at.now.plus(LOOK_AGAIN)))
    }

    fn again_at(&self, told: &Told) -> Option<Timestamp> {
        self.told.get(told).map(|at| at.plus(REPEAT))
    }

    fn came(&mut self, notice: Notice<T>, now: Timestamp) {
        if notice.kind == NoticeKind::Restored {
            self.waiting.retain(|(_, held)| held.about != notice.about || !held.kind.is_over_once_back());
        }
        let same = |held: &Notice<T>| (held.kind, &held.about) == (notice.kind, &notice.about);
        if let Some((_, held)) = self.waiting.iter_mut().find(|(_, held)| same(held)) {
            *held = notice;
        } else if self.waiting.len() < WAITING_MAX {
            self.waiting.push((now, notice));
        } else {
            *self.beyond.entry(notice.kind).or_default() += notice.number;
        }
    }

    fn known(&mut self, kind: NoticeKind, about: String, now: Timestamp) {
        self.waiting.retain(|(_, held)| (held.kind, &held.about) != (kind, &about));
        if self.told.len() < TOLD_MAX {
            self.told.insert(Told::One(kind, about), now);
        }
    }

    fn keep_quiet(&mut self) {
        for (_, notice) in self.waiting.drain(..) {
            let KeptQuiet { seen, numbers } = &mut self.kept_quiet;
            let full = seen.len() >= QUIET_MAX;
            if full || seen.insert((notice.kind, notice.about)) {
                *numbers.entry(notice.kind).or_default() += notice.number;
            }
        }
        for (kind, number) in std::mem::take(&mut self.beyond) {
            *self.kept_quiet.numbers.entry(kind).or_default() += number;
        }
    }

    fn sum_up(&mut self, now: Timestamp) -> Option<Effect<T>> {
        if self.kept_quiet.numbers.is_empty()
            || self.told.contains_key(&Told::Sum)
            || self.told.len() >= TOLD_MAX
        {
            return None;
        }
        let mut numbers = std::mem::take(&mut self.kept_quiet).numbers;
        numbers.retain(|kind, _| !self.rules.unwanted.contains(kind));
        if numbers.is_empty() {
            return None;
        }
        self.told.insert(Told::Sum, now);
        Some(Effect::SumUp(numbers))
    }

    /// All of a kind that may be told, once the first of them was collected long enough.
    fn show_due(&mut self, kind: NoticeKind, now: Timestamp, effects: &mut Vec<Effect<T>>) {
        let told = &self.told;
        let may = |notice: &Notice<T>| {
            notice.kind == kind && !told.contains_key(&Told::One(kind, notice.about.clone()))
        };
        let beyond = self.beyond.get(&kind).copied().unwrap_or_default();
        let (mut count, mut is_due) = (0, false);
        for (since, _) in self.waiting.iter().filter(|(_, notice)| may(notice)) {
            count += 1;
            is_due |= now.since(*since) >= COLLECT;
        }
        is_due |= count == 0 && beyond > 0;
        // What could not wait is known by its number alone.
        let is_many = beyond > 0 || count > SINGLY_MAX;
        let is_held = is_many && told.contains_key(&Told::Many(kind));
        if !is_due || is_held || told.len() + count >= TOLD_MAX {
            return;
        }
        let (shown, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(_, notice)| may(notice));
        self.waiting = kept;
        self.told.extend(shown.iter().map(|(_, notice)| (Told::One(kind, notice.about.clone()), now)));
        if is_many {
            self.beyond.remove(&kind);
            self.told.insert(Told::Many(kind), now);
            let number = shown.iter().map(|(_, notice)| notice.number).sum::<usize>() + beyond;
            effects.push(Effect::ShowMany { kind, number });
        } else {
            effects.extend(shown.into_iter().map(|(_, notice)| Effect::Show(notice)));
        }
    }
}

#[cfg(test)]
#[path = "notices_tests.rs"]
mod tests;
