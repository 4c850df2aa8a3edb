//! Versions of clients as labels: bounded in number and form, so that no transcript can make series without end.

use std::collections::{BTreeMap, BTreeSet};

use crate::chats::Client;

/// Versions of one client that are told apart. Clients bring a new one every day or two.
pub const VERSIONS_MAX: usize = 32;
/// Of these so many may be of the past as the engine starts: the rest is left to new ones.
const RECALLED_MAX: usize = 24;
const CHARS_MAX: usize = 40;

pub const OTHER: &str = "other";
pub const UNKNOWN: &str = "unknown";

#[derive(Debug, Default)]
pub struct Versions(BTreeMap<Client, BTreeSet<String>>);

impl Versions {
    /// The label of a version that is met now.
    pub fn label(&mut self, client: Client, version: Option<&str>) -> String {
        self.admitted(client, version, VERSIONS_MAX).unwrap_or_else(|| OTHER.to_owned())
    }

    /// The label of a version out of the past, the newest to be asked for first. `None` beyond the limit: what was
    /// counted under a name and would be counted under another one leaves its series, so that no rate is made up.
    pub fn recalled(&mut self, client: Client, version: Option<&str>) -> Option<String> {
        self.admitted(client, version, RECALLED_MAX)
    }

    fn admitted(&mut self, client: Client, version: Option<&str>, max: usize) -> Option<String> {
        let Some(version) = version else { return Some(UNKNOWN.to_owned()) };
        if !is_plain(version) {
            return Some(OTHER.to_owned());
        }
        let known = self.0.entry(client).or_default();
        if !known.contains(version) {
            if known.len() >= max {
                return None;
            }
            known.insert(version.to_owned());
        }
        Some(version.to_owned())
    }
}

fn is_plain(version: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._+-".contains(&b);
    (1..=CHARS_MAX).contains(&version.len()) && version.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::{RECALLED_MAX, VERSIONS_MAX, Versions};
    use crate::chats::Client::{ClaudeCode, Codex};

    #[test]
    fn versions_are_bounded_in_number_and_form() {
        let mut versions = Versions::default();
        for n in 0..RECALLED_MAX {
            assert_eq!(versions.recalled(ClaudeCode, Some(&format!("2.1.{n}"))), Some(format!("2.1.{n}")));
        }
        assert_eq!(versions.recalled(ClaudeCode, Some("1.0")), None);
        assert_eq!(versions.recalled(ClaudeCode, Some("2.1.3")), Some("2.1.3".to_owned()));
        for n in RECALLED_MAX..VERSIONS_MAX {
            assert_eq!(versions.label(ClaudeCode, Some(&format!("2.1.{n}"))), format!("2.1.{n}"));
        }
        assert_eq!(versions.label(ClaudeCode, Some("2.2")), "other");
        assert_eq!(versions.label(Codex, Some("2.2")), "2.2");
        assert_eq!(versions.label(Codex, None), "unknown");
        for odd in ["", "a b", "1\"} 1\nx", "é", &"9".repeat(41)] {
            assert_eq!(versions.label(Codex, Some(odd)), "other", "{odd:?}");
        }
    }
}
