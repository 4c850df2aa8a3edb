//! Crashes that look alike: what is the same about them, a name for it, how often and since when. Counts; it
//! never says why.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use ts_rs::TS;

use crate::{chats::Client, clients::shorten, crashes::CrashKind, time::Timestamp};

/// Characters of a message that are kept: enough to tell errors apart.
const MESSAGE_CHARS_MAX: usize = 160;
/// Of an id: 48 bits, so that a few thousand fingerprints do not meet.
const ID_BYTES: usize = 6;
/// Groups given at most, those seen last first.
pub const GROUPS_MAX: usize = 50;
/// Parts of a group given at most, those seen last first.
pub const PARTS_MAX: usize = 20;
const MIB: u64 = 1024 * 1024;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Resident memory of a process at its death, coarse enough to be the same twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts")]
pub enum MemoryClass {
    Below512Mb,
    Below1Gb,
    Below2Gb,
    Below4Gb,
    Above4Gb,
}

impl MemoryClass {
    pub fn of(bytes: u64) -> Self {
        match bytes / MIB {
            0..512 => Self::Below512Mb,
            512..1024 => Self::Below1Gb,
            1024..2048 => Self::Below2Gb,
            2048..4096 => Self::Below4Gb,
            _ => Self::Above4Gb,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Below512Mb => "below 512 MB",
            Self::Below1Gb => "512 MB to 1 GB",
            Self::Below2Gb => "1 to 2 GB",
            Self::Below4Gb => "2 to 4 GB",
            Self::Above4Gb => "above 4 GB",
        }
    }
}

/// What two crashes must share to be told as one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct Traits {
    pub client: Client,
    pub kind: CrashKind,
    pub client_version: Option<String>,
    /// The tool that was in flight, else the last one that was called.
    pub last_tool: Option<String>,
    pub memory: Option<MemoryClass>,
    /// What was said last that sounds like a reason, with what differs from time to time taken out.
    pub message: Option<String>,
}

/// What is noted of a crash beside its verdict, as it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Noted {
    pub client_version: Option<String>,
    pub last_tool: Option<String>,
    /// Resident memory of the client's process at its last reading, in bytes.
    pub memory_bytes: Option<u64>,
    pub message: Option<String>,
}

impl Traits {
    pub fn of(client: Client, kind: CrashKind, noted: Noted) -> Self {
        Self {
            client,
            kind,
            client_version: noted.client_version,
            last_tool: noted.last_tool,
            memory: noted.memory_bytes.map(MemoryClass::of),
            message: noted.message.map(|message| normalise(&message)).filter(|message| !message.is_empty()),
        }
    }

    /// What the sentence about them names: nothing that it does not say may tell one group from another.
    fn headline(&self) -> Self {
        Self { last_tool: None, memory: None, message: None, ..self.clone() }
    }

    /// The same for the same traits, on every machine and in every version of SHIM.
    pub fn id(&self) -> String {
        let parts = [
            self.client.name(),
            self.kind.name(),
            self.client_version.as_deref().unwrap_or_default(),
            self.last_tool.as_deref().unwrap_or_default(),
            self.memory.map_or("", MemoryClass::words),
            self.message.as_deref().unwrap_or_default(),
        ];
        let mut hash = Sha256::new();
        parts.iter().for_each(|part| {
            hash.update(part.as_bytes());
            hash.update([0]);
        });
        hash.finalize().iter().take(ID_BYTES).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Crashes of one client's version and of one kind, which is what its sentence counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct Fingerprint {
    pub id: String,
    pub client: Client,
    pub kind: CrashKind,
    pub client_version: Option<String>,
    pub count: u64,
    #[ts(type = "string")]
    pub first_seen: Timestamp,
    #[ts(type = "string")]
    pub last_seen: Timestamp,
    /// Such as “Claude Code 2.1.329 froze 6 times since Tuesday”.
    pub words: String,
    /// The same crashes by all that they share, those seen last first. Their counts add up to `count`, but where
    /// there are more than [`PARTS_MAX`].
    pub parts: Vec<Part>,
}

/// Crashes that look alike in all traits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts", rename = "FingerprintPart")]
pub struct Part {
    pub id: String,
    pub traits: Traits,
    pub count: u64,
    #[ts(type = "string")]
    pub first_seen: Timestamp,
    #[ts(type = "string")]
    pub last_seen: Timestamp,
    /// What they share beside client and kind, such as “in Bash, 1 to 2 GB of memory”; empty when nothing is known.
    pub shared: String,
}

/// How often, first and last.
#[derive(Clone, Copy)]
struct Seen {
    count: u64,
    first: Timestamp,
    last: Timestamp,
}

impl Seen {
    fn and(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            first: self.first.min(other.first),
            last: self.last.max(other.last),
        }
    }
}

/// Crashes grouped by what they share, the group seen last first. `offset_minutes` is the reader's distance from
/// UTC, by which days are named.
pub fn group(
    crashes: impl IntoIterator<Item = (Traits, Timestamp)>,
    now: Timestamp,
    offset_minutes: i32,
) -> Vec<Fingerprint> {
    let mut alike: HashMap<Traits, Seen> = HashMap::new();
    for (traits, at) in crashes {
        let one = Seen { count: 1, first: at, last: at };
        alike.entry(traits).and_modify(|seen| *seen = seen.and(one)).or_insert(one);
    }
    let mut groups: HashMap<Traits, (Seen, Vec<Part>)> = HashMap::new();
    for (traits, seen) in alike {
        let (all, parts) = groups.entry(traits.headline()).or_insert((Seen { count: 0, ..seen }, Vec::new()));
        *all = all.and(seen);
        parts.push(part(traits, seen));
    }
    let mut all: Vec<_> = groups
        .into_iter()
        .map(|(headline, (seen, mut parts))| {
            parts.sort_by(|a, b| b.last_seen.cmp(&a.last_seen).then_with(|| a.id.cmp(&b.id)));
            parts.truncate(PARTS_MAX);
            Fingerprint {
                id: headline.id(),
                words: sentence(&headline, seen.count, &Day::of(seen.first, now, offset_minutes)),
                client: headline.client,
                kind: headline.kind,
                client_version: headline.client_version,
                count: seen.count,
                first_seen: seen.first,
                last_seen: seen.last,
                parts,
            }
        })
        .collect();
    all.sort_by(|a, b| b.last_seen.cmp(&a.last_seen).then_with(|| a.id.cmp(&b.id)));
    all.truncate(GROUPS_MAX);
    all
}

fn part(traits: Traits, seen: Seen) -> Part {
    Part {
        id: traits.id(),
        shared: shared(&traits),
        traits,
        count: seen.count,
        first_seen: seen.first,
        last_seen: seen.last,
    }
}

/// What a crash of each kind is said to have done.
fn done(kind: CrashKind) -> &'static str {
    match kind {
        CrashKind::Killed => "was killed",
        CrashKind::Exited => "quit in mid-turn",
        CrashKind::Shutdown => "went down with the machine",
        CrashKind::ClientUpdate => "was restarted by an update",
        CrashKind::Hung => "froze",
        CrashKind::OutOfMemory => "ran out of memory",
        CrashKind::IndexLost => "lost a chat from its list",
        CrashKind::Torn => "had a chat's file damaged",
        CrashKind::Poisoned => "had a chat refused by its model",
        CrashKind::CompactionDeadlock => "had a chat too long for its model",
        CrashKind::Deleted => "deleted a chat's file",
    }
}

fn sentence(traits: &Traits, count: u64, since: &Day) -> String {
    let version = traits.client_version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    let (client, done) = (traits.client.title(), done(traits.kind));
    match (count, since) {
        (0 | 1, day) => format!("{client}{version} {done} {}", day.when()),
        (2, Day::Today) => format!("{client}{version} {done} twice today"),
        (2, day) => format!("{client}{version} {done} twice since {}", day.name()),
        (n, Day::Today) => format!("{client}{version} {done} {n} times today"),
        (n, day) => format!("{client}{version} {done} {n} times since {}", day.name()),
    }
}

fn shared(traits: &Traits) -> String {
    let parts = [
        traits.last_tool.as_deref().map(|tool| format!("in {tool}")),
        traits.memory.map(|memory| format!("{} of memory", memory.words())),
        traits.message.as_deref().map(|message| format!("“{message}”")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// A day as people name it.
#[derive(Debug, PartialEq, Eq)]
enum Day {
    Today,
    Yesterday,
    /// Two to six days ago: its weekday, where no other day of that name is nearer.
    Weekday(&'static str),
    /// Such as `14 November`, with the year when it is another one.
    Date(String),
}

impl Day {
    fn of(at: Timestamp, now: Timestamp, offset_minutes: i32) -> Self {
        let local = |at: Timestamp| at.ms().saturating_add(i64::from(offset_minutes) * 60_000);
        let (day, today) = (local(at).div_euclid(DAY_MS), local(now).div_euclid(DAY_MS));
        match today.saturating_sub(day) {
            // A clock that went backwards.
            i64::MIN..=0 => Self::Today,
            1 => Self::Yesterday,
            2..=6 => Self::Weekday(weekday(day)),
            _ => Self::Date(date(local(at), local(now))),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Today => "today".to_owned(),
            Self::Yesterday => "yesterday".to_owned(),
            Self::Weekday(name) => (*name).to_owned(),
            Self::Date(date) => date.clone(),
        }
    }

    fn when(&self) -> String {
        match self {
            Self::Today | Self::Yesterday => self.name(),
            Self::Weekday(_) | Self::Date(_) => format!("on {}", self.name()),
        }
    }
}

/// Of a day counted from 1970-01-01, which was a Thursday.
fn weekday(day: i64) -> &'static str {
    match day.rem_euclid(7) {
        0 => "Thursday",
        1 => "Friday",
        2 => "Saturday",
        3 => "Sunday",
        4 => "Monday",
        5 => "Tuesday",
        _ => "Wednesday",
    }
}

fn date(at_ms: i64, now_ms: i64) -> String {
    let civil =
        |ms: i64| jiff::Timestamp::from_millisecond(ms).map(|at| at.to_zoned(jiff::tz::TimeZone::UTC));
    let (Ok(at), Ok(now)) = (civil(at_ms), civil(now_ms)) else { return "long ago".to_owned() };
    let format = if at.year() == now.year() { "%-d %B" } else { "%-d %B %Y" };
    at.strftime(format).to_string()
}

/// A message without what differs from one time to the next: numbers, ids, paths and addresses.
pub fn normalise(message: &str) -> String {
    let words = message.split_whitespace().map(|word| {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '/' && c != '\\' && c != '~');
        let (before, after) = word.split_once(bare).unwrap_or(("", ""));
        match stands_for(bare) {
            Some(mark) => format!("{before}{mark}{after}"),
            None => word.to_owned(),
        }
    });
    // Several numbers in a row say no more than one.
    let mut kept: Vec<String> = words.collect();
    kept.dedup_by(|a, b| a == "#" && b == "#");
    shorten(&kept.join(" "), MESSAGE_CHARS_MAX)
}

/// What a word that differs each time is written as.
fn stands_for(word: &str) -> Option<&'static str> {
    let is_path = word.len() > 1
        && (word.starts_with('/') || word.starts_with("~/") || word.contains(":\\") || word.contains(":/"));
    let hex = |c: char| c.is_ascii_hexdigit() || c == '-' || c == '_';
    let has_digit = word.chars().any(|c| c.is_ascii_digit());
    let is_id = word.len() >= 8 && has_digit && (word.chars().all(hex) || word.contains('_'));
    let is_number = has_digit && word.chars().all(|c| c.is_ascii_digit() || ".,:%-+x".contains(c));
    let is_amount = has_digit && word.starts_with(|c: char| c.is_ascii_digit());
    match () {
        () if is_path => Some("…"),
        () if is_number || is_amount || is_id => Some("#"),
        () => None,
    }
}

#[cfg(test)]
#[path = "fingerprints_tests.rs"]
mod tests;
