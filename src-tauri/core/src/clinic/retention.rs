//! When clients delete chats by themselves: what their settings say, and which chats are due.

use std::time::Duration;

use serde_json::Value;

use crate::{chats::Client, time::Timestamp};

const DAY: u64 = 24 * 60 * 60;
/// Days that Claude Code keeps a transcript after it was last written, where its settings do not say.
const CLAUDE_CODE_DAYS: u64 = 30;
/// The same for Gemini CLI, whose deletion is on where its settings do not say otherwise.
const GEMINI_DAYS: u64 = 30;
/// Longest time that is believed.
const DAYS_MAX: u64 = 36_500;

/// How long a client keeps a chat's file after it was last written; `None` when it deletes none.
/// `settings` is the text of its own settings file, as far as there is one.
pub fn kept_for(client: Client, settings: Option<&str>) -> Option<Duration> {
    let settings: Value = settings.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let days = match client {
        Client::ClaudeCode => {
            settings.get("cleanupPeriodDays").and_then(Value::as_u64).unwrap_or(CLAUDE_CODE_DAYS)
        }
        Client::Gemini => {
            let retention = settings.pointer("/general/sessionRetention");
            if retention.and_then(|r| r.get("enabled")).and_then(Value::as_bool) == Some(false) {
                return None;
            }
            let age = retention.and_then(|r| r.get("maxAge")).and_then(Value::as_str);
            match age {
                Some(age) => gemini_days(age)?,
                None => GEMINI_DAYS,
            }
        }
        Client::Codex | Client::Opencode | Client::ClaudeDesktop => return None,
    };
    Some(Duration::from_secs(days.min(DAYS_MAX) * DAY))
}

/// `30d`, `2w`, `24h`, `1m` (a month).
fn gemini_days(age: &str) -> Option<u64> {
    let (number, unit) = age.trim().split_at_checked(age.trim().len().checked_sub(1)?)?;
    let number: u64 = number.parse().ok()?;
    match unit {
        "h" => Some(number.div_ceil(24)),
        "d" => Some(number),
        "w" => number.checked_mul(7),
        "m" => number.checked_mul(30),
        _ => None,
    }
}

/// When a client will delete a file that was last written at `modified`.
pub fn deleted_at(modified: Timestamp, kept_for: Duration) -> Timestamp {
    let after = i64::try_from(kept_for.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_ms(modified.ms().saturating_add(after))
}

/// Why a file is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// Its time was up: the client deleted it.
    ByRetention,
    /// It was younger: its user may have.
    ByUserMaybe,
}

/// Judges a file that is gone by how old it was when it was last seen to be gone.
pub fn judge(modified: Timestamp, kept_for: Option<Duration>, now: Timestamp) -> Gone {
    match kept_for {
        Some(kept_for) if now >= deleted_at(modified, kept_for) => Gone::ByRetention,
        _ => Gone::ByUserMaybe,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{DAY, Gone, judge, kept_for};
    use crate::{chats::Client, time::Timestamp};

    #[test]
    fn clients_settings_say_how_long_chats_are_kept() {
        let days = |days: u64| Some(Duration::from_secs(days * DAY));
        for (client, settings, expected) in [
            (Client::ClaudeCode, None, days(30)),
            (Client::ClaudeCode, Some("{}"), days(30)),
            (Client::ClaudeCode, Some("no json"), days(30)),
            (Client::ClaudeCode, Some(r#"{"cleanupPeriodDays": 7}"#), days(7)),
            (Client::ClaudeCode, Some(r#"{"cleanupPeriodDays": 99999999}"#), days(36_500)),
            (Client::Gemini, None, days(30)),
            (Client::Gemini, Some(r#"{"general":{"sessionRetention":{"enabled":false}}}"#), None),
            (
                Client::Gemini,
                Some(r#"{"general":{"sessionRetention":{"enabled":true,"maxAge":"2w"}}}"#),
                days(14),
            ),
            (Client::Codex, None, None),
            (Client::Opencode, None, None),
        ] {
            assert_eq!(kept_for(client, settings), expected, "{client:?} {settings:?}");
        }
    }

    #[test]
    fn only_a_file_whose_time_was_up_was_deleted_by_its_client() {
        let at = |days: i64| Timestamp::from_ms(days * 24 * 60 * 60 * 1000);
        let month = Some(Duration::from_secs(30 * DAY));
        assert_eq!(judge(at(0), month, at(31)), Gone::ByRetention);
        assert_eq!(judge(at(0), month, at(29)), Gone::ByUserMaybe);
        assert_eq!(judge(at(0), None, at(400)), Gone::ByUserMaybe);
    }
}
