//! The tools as a client lists them: names, what they are for in words a model understands, schemas, hints.

use std::{borrow::Cow, sync::Arc};

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use schemars::{
    JsonSchema, Schema,
    generate::SchemaSettings,
    transform::{RecursiveTransform, Transform},
};
use serde_json::Value;

use super::{answers, arguments};

/// Told to the model once, when the client connects. Clients cut this at 2,000 characters.
pub const INSTRUCTIONS: &str = "\
SHIM keeps this chat alive. It keeps a byte-exact copy, notices when the chat's program dies, and brings the chat back.

When to call what:
- check_resume_needed: once at the start of a conversation, and whenever the history looks cut (a tool call without a \
result, an interruption, a resumed session). It says whether this chat died, what was in flight and what is open. Never \
repeat a tool call that was in flight before you looked whether it took effect.
- shim_checkpoint: before risky or long work, and when a state is reached that is worth coming back to. Say in `note` \
what is done and what comes next.
- shim_get_crash_risk: before you begin something long. It gives what is known, never a guess.
- shim_list_checkpoints: to find the point a chat can be forked from.
- shim_restore: only when the user wants a dead chat back or a fork from a checkpoint. It rehearses unless dry_run is \
false. The chat you are in is alive and cannot be restored.

SHIM finds out by itself which chat calls; give `chat` only to ask about another one. When a tool says that SHIM's \
engine does not run, tell the user once and go on with your work: the chat itself is not affected.";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    CheckResumeNeeded,
    GetCrashRisk,
    Checkpoint,
    ListCheckpoints,
    Restore,
}

impl Name {
    pub const ALL: [Self; 5] =
        [Self::CheckResumeNeeded, Self::GetCrashRisk, Self::Checkpoint, Self::ListCheckpoints, Self::Restore];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::CheckResumeNeeded => "check_resume_needed",
            Self::GetCrashRisk => "shim_get_crash_risk",
            Self::Checkpoint => "shim_checkpoint",
            Self::ListCheckpoints => "shim_list_checkpoints",
            Self::Restore => "shim_restore",
        }
    }

    pub fn read(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    fn title(self) -> &'static str {
        match self {
            Self::CheckResumeNeeded => "Was this chat interrupted?",
            Self::GetCrashRisk => "Crash risk of a chat",
            Self::Checkpoint => "Take a checkpoint",
            Self::ListCheckpoints => "List checkpoints",
            Self::Restore => "Restore a chat",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::CheckResumeNeeded => {
                "Says whether this chat died and was brought back, which tool calls were in flight when it died (their \
                 outcome is unknown: look before you repeat any), how far it was, its open to-dos, and which other \
                 chats of the same directory died. Call it once at the start of a conversation and whenever the \
                 history looks cut. Changes nothing."
            }
            Self::GetCrashRisk => {
                "Gives what is known about how close a chat is to trouble: a level (safe, warning, danger) with the \
                 signals that lie beyond their limits (context, messages, age, tool calls since a checkpoint, \
                 failures), and the crashes of this chat and of its client so far. `probability` is null as long as \
                 none was learned on this machine; it is never invented. Changes nothing."
            }
            Self::Checkpoint => {
                "Takes a named point of this chat that a later restore may fork from: position in the kept transcript, \
                 turns, tokens, to-do list, git head. Durable when it returns. Call it before risky or long work and \
                 say in `note` what is done and what comes next."
            }
            Self::ListCheckpoints => {
                "Lists a chat's checkpoints, the newest first, with number, time, turns, note and git head. The number \
                 is what shim_restore forks from. Changes nothing."
            }
            Self::Restore => {
                "Brings back a chat that died, or forks one from a checkpoint, and gives the receipt: what was done and \
                 proved. Rehearses and changes nothing unless `dry_run` is false; set that only after the user agreed. \
                 A chat that is alive, such as the one you are in, is refused. It starts the chat in a new terminal \
                 window (or without one), in its own directory with its own permission mode, and may end processes \
                 that the dead chat's tool call left running."
            }
        }
    }

    fn hints(self) -> ToolAnnotations {
        let hints = ToolAnnotations::with_title(self.title()).open_world(false);
        match self {
            Self::CheckResumeNeeded | Self::GetCrashRisk | Self::ListCheckpoints => {
                hints.read_only(true).destructive(false).idempotent(true)
            }
            Self::Checkpoint => hints.read_only(false).destructive(false).idempotent(false),
            Self::Restore => hints.read_only(false).destructive(true).idempotent(false),
        }
    }

    fn tool(self) -> Tool {
        let (input, output) = match self {
            Self::CheckResumeNeeded => (schema::<arguments::OneChat>(), schema::<answers::ResumeCheck>()),
            Self::GetCrashRisk => (schema::<arguments::OneChat>(), schema::<answers::CrashRisk>()),
            Self::Checkpoint => (schema::<arguments::TakeCheckpoint>(), schema::<answers::CheckpointTaken>()),
            Self::ListCheckpoints => {
                (schema::<arguments::ListCheckpoints>(), schema::<answers::Checkpoints>())
            }
            Self::Restore => (schema::<arguments::Restore>(), schema::<answers::Restored>()),
        };
        Tool::new(self.as_str(), Cow::Borrowed(self.about()), input)
            .with_title(self.title())
            .with_raw_output_schema(output)
            .with_annotations(self.hints())
    }
}

pub fn all() -> Vec<Tool> {
    Name::ALL.into_iter().map(Name::tool).collect()
}

/// A plain schema: no references, no formats of Rust's own and no default that is null, which some clients do not take.
pub fn schema<T: JsonSchema>() -> Arc<JsonObject> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    RecursiveTransform(|part: &mut Schema| {
        part.remove("format");
        if part.get("default").is_some_and(Value::is_null) {
            part.remove("default");
        }
    })
    .transform(&mut schema);
    schema.remove("title");
    let mut object = schema.as_object().cloned().unwrap_or_default();
    object.entry("properties").or_insert_with(|| serde_json::json!({}));
    Arc::new(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_says_what_it_is_for_and_what_it_takes_and_gives() {
        for tool in all() {
            let whole = serde_json::to_string(&tool).unwrap();
            for word in ["$ref", "$defs", "\"format\"", "uint"] {
                assert!(!whole.contains(word), "{word} in {whole}");
            }
            let fields = |schema: &JsonObject| schema["properties"].as_object().unwrap().clone();
            let output = tool.output_schema.as_ref().unwrap();
            assert_eq!((&tool.input_schema["type"], &output["type"]), (&"object".into(), &"object".into()));
            assert_eq!(tool.input_schema["additionalProperties"], false);
            for (name, field) in fields(&tool.input_schema).into_iter().chain(fields(output)) {
                assert!(field["description"].is_string(), "{}: {name} is not described: {field}", tool.name);
            }
            for (name, field) in fields(&tool.input_schema) {
                assert!(field["type"].is_string(), "{}: {name} has no plain type: {field}", tool.name);
            }
        }
        assert!(INSTRUCTIONS.len() < 2000, "{}", INSTRUCTIONS.len());
    }

    #[test]
    fn what_changes_something_is_not_called_read_only() {
        let hints = |name: Name| {
            let hints = name.tool().annotations.unwrap();
            (hints.read_only_hint.unwrap(), hints.destructive_hint.unwrap(), hints.idempotent_hint.unwrap())
        };
        assert_eq!(hints(Name::CheckResumeNeeded), (true, false, true));
        assert_eq!(hints(Name::GetCrashRisk), (true, false, true));
        assert_eq!(hints(Name::ListCheckpoints), (true, false, true));
        assert_eq!(hints(Name::Checkpoint), (false, false, false));
        assert_eq!(hints(Name::Restore), (false, true, false));
    }
}
