//! Whole records with what a repair must know of them. Of Claude Code only; other clients' are carried as they are.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::pieces::Item;
use crate::chats::Client;

/// Longest name of a tool that the model's API takes.
const TOOL_NAME_CHARS_MAX: usize = 128;

#[derive(Clone, Debug)]
pub struct Rec<'a> {
    pub item: Item<'a>,
    /// Of Claude Code's records that are part of the conversation's chain.
    pub head: Option<Head>,
}

#[derive(Clone, Debug, Default)]
pub struct Head {
    pub kind: String,
    pub uuid: String,
    pub parent: Option<String>,
    pub sidechain: bool,
    pub is_refusal: bool,
    pub message_id: Option<String>,
    pub is_prompt: bool,
    pub is_summary: bool,
    pub is_boundary: bool,
    pub message_bytes: usize,
    pub calls: Vec<Call>,
    /// Ids of the calls that are answered.
    pub results: Vec<String>,
    /// Words stand before a result.
    pub misordered: bool,
    /// Kinds of the message's parts.
    pub parts: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Call {
    pub id: String,
    pub name_fits: bool,
    pub input_fits: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Raw<'a> {
    #[serde(rename = "type", borrow, default)]
    pub kind: Cow<'a, str>,
    #[serde(borrow)]
    pub uuid: Option<Cow<'a, str>>,
    /// As it is written, `null` too.
    #[serde(borrow, default, deserialize_with = "as_written")]
    pub parent_uuid: Option<&'a RawValue>,
    #[serde(default)]
    pub is_sidechain: bool,
    #[serde(default)]
    pub is_meta: bool,
    #[serde(default)]
    pub is_compact_summary: bool,
    #[serde(default)]
    pub is_api_error_message: bool,
    #[serde(borrow)]
    pub subtype: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub message: Option<&'a RawValue>,
    #[serde(borrow)]
    pub session_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub timestamp: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub cwd: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub version: Option<Cow<'a, str>>,
}

fn as_written<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(value).map(Some)
}

#[derive(Deserialize)]
pub struct Message<'a> {
    #[serde(borrow)]
    pub id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub struct Part<'a> {
    #[serde(rename = "type", borrow, default)]
    pub kind: Cow<'a, str>,
    #[serde(borrow)]
    pub id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub tool_use_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub input: Option<&'a RawValue>,
    #[serde(borrow)]
    pub content: Option<&'a RawValue>,
}

pub fn read<'a>(client: Client, items: Vec<Item<'a>>) -> Vec<Rec<'a>> {
    let is_claude = client == Client::ClaudeCode;
    let record = |item: Item<'a>| Rec { head: if is_claude { head(&item.bytes) } else { None }, item };
    items.into_iter().map(record).collect()
}

impl Rec<'_> {
    /// Another text in this record's place.
    pub fn rewrite(&mut self, bytes: Vec<u8>) {
        self.head = head(&bytes);
        self.item.bytes = Cow::Owned(bytes);
    }

    /// The record's head, where it belongs to the main conversation.
    pub fn main(&self) -> Option<&Head> {
        self.head.as_ref().filter(|head| !head.sidechain)
    }
}

/// The raw parts of a message's content; none where that is a mere text.
pub fn parts(content: Option<&RawValue>) -> Vec<&RawValue> {
    content.and_then(|content| serde_json::from_str(content.get()).ok()).unwrap_or_default()
}

pub fn name_fits(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    !name.is_empty() && name.len() <= TOOL_NAME_CHARS_MAX && name.chars().all(fits)
}

fn head(bytes: &[u8]) -> Option<Head> {
    let raw: Raw<'_> = serde_json::from_slice(bytes).ok()?;
    let parent = raw.parent_uuid.and_then(|parent| serde_json::from_str::<Option<String>>(parent.get()).ok());
    let mut head = Head {
        uuid: raw.uuid?.into_owned(),
        parent: parent.flatten(),
        sidechain: raw.is_sidechain,
        is_refusal: raw.is_api_error_message,
        is_summary: raw.is_compact_summary,
        is_boundary: raw.subtype.as_deref() == Some("compact_boundary"),
        message_bytes: raw.message.map_or(0, |message| message.get().len()),
        kind: raw.kind.into_owned(),
        ..Head::default()
    };
    let message: Option<Message<'_>> = raw.message.and_then(|m| serde_json::from_str(m.get()).ok());
    let Some(message) = message else { return Some(head) };
    head.message_id = message.id.map(Cow::into_owned);
    let parts = parts(message.content);
    let mut spoken = false;
    for part in &parts {
        let Ok(part) = serde_json::from_str::<Part<'_>>(part.get()) else { continue };
        match (&*part.kind, part.id, part.tool_use_id) {
            ("tool_use", Some(id), _) => head.calls.push(Call {
                id: id.into_owned(),
                name_fits: part.name.as_deref().is_some_and(name_fits),
                input_fits: part.input.is_some_and(|input| input.get().starts_with('{')),
            }),
            ("tool_result", _, Some(id)) => {
                head.results.push(id.into_owned());
                head.misordered |= spoken;
            }
            _ => spoken = true,
        }
        head.parts.push(part.kind.into_owned());
    }
    head.is_prompt =
        head.kind == "user" && head.results.is_empty() && !raw.is_meta && !raw.is_compact_summary;
    Some(head)
}

/// `record` with `part`, which is a piece of it, written anew.
pub fn splice(record: &[u8], part: &str, anew: &str) -> Option<Vec<u8>> {
    let from = (part.as_ptr() as usize).checked_sub(record.as_ptr() as usize)?;
    let mut bytes = record.get(..from)?.to_vec();
    bytes.extend_from_slice(anew.as_bytes());
    bytes.extend_from_slice(record.get(from + part.len()..)?);
    Some(bytes)
}
