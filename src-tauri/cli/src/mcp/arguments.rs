//! What the tools take. What a model gets wrong is answered with what would be right.

use anyhow::{Context, bail, ensure};
use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// Longest note of a checkpoint, in characters: a paragraph, not a file.
const NOTE_CHARS_MAX: usize = 2000;
pub const CHECKPOINTS_SHOWN: u32 = 20;
const CHECKPOINTS_SHOWN_MAX: u32 = 200;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OneChat {
    /// Only to ask about another chat than the one you are in: its id, or the start of it.
    #[serde(default)]
    #[schemars(with = "String")]
    pub chat: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeCheckpoint {
    /// What is done and what comes next, in a sentence or two. At most 2000 characters.
    #[serde(default)]
    #[schemars(with = "String")]
    pub note: Option<String>,
    /// Only for another chat than the one you are in: its id, or the start of it.
    #[serde(default)]
    #[schemars(with = "String")]
    pub chat: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListCheckpoints {
    /// Only for another chat than the one you are in: its id, or the start of it.
    #[serde(default)]
    #[schemars(with = "String")]
    pub chat: Option<String>,
    /// How many of the newest are shown: 1 to 200, else 20.
    #[serde(default)]
    #[schemars(with = "u32", range(min = 1, max = 200))]
    pub limit: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// What to bring back: a chat's id, the start of it, or a crash's number. check_resume_needed names them.
    pub target: String,
    /// False really restores; true, the default, rehearses and changes nothing.
    #[serde(default)]
    #[schemars(with = "bool", default = "rehearse")]
    pub dry_run: Option<bool>,
    /// Fork the chat from this checkpoint's number under a new id; the original stays as it is. Works for a chat that is
    /// alive, too.
    #[serde(default)]
    #[schemars(with = "i64")]
    pub checkpoint: Option<i64>,
    /// True starts it as a worker without a terminal window; false is the default.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub headless: Option<bool>,
    /// True lets the restored chat go on with the turn that was cut; false, the default, lets it wait for the user.
    #[serde(default, rename = "continue")]
    #[schemars(with = "bool")]
    pub go_on: Option<bool>,
}

fn rehearse() -> bool {
    true
}

/// Reads a tool's arguments. Empty text counts as left out: models fill in what they need not, and write a crash's
/// number as a number.
pub fn read<T: DeserializeOwned + JsonSchema>(tool: &str, mut given: JsonObject) -> anyhow::Result<T> {
    given.retain(|_, value| !value.is_null() && value.as_str().is_none_or(|text| !text.trim().is_empty()));
    for name in ["chat", "target"] {
        if let Some(value) = given.get_mut(name).filter(|value| value.is_number()) {
            *value = Value::String(value.to_string());
        }
    }
    serde_json::from_value(Value::Object(given))
        .with_context(|| format!("{tool} cannot read its arguments; it takes {}", takes::<T>()))
}

/// The arguments there are, with their types.
fn takes<T: JsonSchema>() -> String {
    let schema = super::tools::schema::<T>();
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let fields = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let named = fields.iter().map(|(name, field)| {
        let kind = field.get("type").and_then(Value::as_str).unwrap_or("value");
        let must = if required.iter().any(|needed| needed == name) { "required" } else { "may be left out" };
        format!("`{name}` ({kind}, {must})")
    });
    named.collect::<Vec<_>>().join(", ")
}

impl TakeCheckpoint {
    pub fn check(&self) -> anyhow::Result<()> {
        let length = self.note.as_deref().map_or(0, |note| note.chars().count());
        ensure!(
            length <= NOTE_CHARS_MAX,
            "the note has {length} characters; say it in at most {NOTE_CHARS_MAX}"
        );
        Ok(())
    }
}

impl ListCheckpoints {
    pub fn shown(&self) -> anyhow::Result<usize> {
        let limit = self.limit.unwrap_or(CHECKPOINTS_SHOWN);
        if !(1..=CHECKPOINTS_SHOWN_MAX).contains(&limit) {
            bail!("`limit` is {limit}; it is 1 to {CHECKPOINTS_SHOWN_MAX}");
        }
        Ok(limit as usize)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> JsonObject {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_is_empty_counts_as_left_out() {
        let given = object(json!({"note": "  ", "chat": null}));
        let read: TakeCheckpoint = read("shim_checkpoint", given).unwrap();
        assert!(read.note.is_none() && read.chat.is_none());
        let given = object(json!({"target": 12}));
        assert_eq!(super::read::<Restore>("shim_restore", given).unwrap().target, "12");
    }

    #[test]
    fn a_wrong_argument_is_answered_with_the_right_ones() {
        for (given, words) in [
            (json!({"nte": "x"}), "unknown field `nte`"),
            (json!({"note": 5}), "expected a string"),
            (json!({"note": ["x"]}), "expected a string"),
        ] {
            let error = read::<TakeCheckpoint>("shim_checkpoint", object(given)).unwrap_err();
            let text = format!("{error:#}");
            assert!(text.contains(words) && text.contains("`note` (string, may be left out)"), "{text}");
        }
        let error = read::<Restore>("shim_restore", object(json!({}))).unwrap_err();
        let text = format!("{error:#}");
        assert!(
            text.contains("missing field `target`") && text.contains("`target` (string, required)"),
            "{text}"
        );
    }

    #[test]
    fn bounds_are_kept() {
        for (limit, fits) in
            [(None, true), (Some(1), true), (Some(200), true), (Some(0), false), (Some(201), false)]
        {
            assert_eq!(ListCheckpoints { chat: None, limit }.shown().is_ok(), fits, "{limit:?}");
        }
        for (length, fits) in [(0, true), (2000, true), (2001, false)] {
            let note = Some("ü".repeat(length));
            assert_eq!(TakeCheckpoint { note, chat: None }.check().is_ok(), fits, "{length}");
        }
    }
}
