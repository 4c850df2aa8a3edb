//! The recorded week: who chatted about what, when, and what befell the chats. Times are minutes before its end.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::Deserialize;
use shim_core::{
    chats::{ChatState, Client},
    crashes::CrashKind,
};

/// Most turns of one chat: what there is to say in it.
pub const TURNS_MAX: usize = 16;

#[derive(Deserialize)]
pub struct Week {
    topics: BTreeMap<String, Topic>,
    follow_ups: Vec<Exchange>,
    pub chats: Vec<Recorded>,
}

#[derive(Deserialize)]
pub struct Topic {
    pub title: String,
    pub branch: String,
    exchanges: Vec<Exchange>,
}

/// One turn: what is asked, the tool call that is made, what it gave, and the answer.
#[derive(Deserialize)]
pub struct Exchange {
    pub ask: String,
    #[serde(rename = "do")]
    pub action: Action,
    /// The command, or the file.
    pub what: String,
    pub got: String,
    pub say: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Run,
    Edit,
    Read,
}

/// A chat of the week.
#[derive(Deserialize)]
pub struct Recorded {
    pub client: Client,
    pub project: String,
    topic: String,
    pub began: u32,
    pub ended: u32,
    pub turns: usize,
    pub state: ChatState,
    /// Share of the model's context at the end, 0 to 1.
    pub context: f64,
    /// Resident memory of its process at the end, in MB.
    pub memory: u64,
    pub crashes: Vec<Befell>,
    /// Of a checkpoint that the user took.
    pub note: Option<String>,
    pub name: Option<String>,
}

#[derive(Deserialize)]
pub struct Befell {
    /// The turn that it cut.
    pub turn: usize,
    pub kind: CrashKind,
    pub restored: Restored,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restored {
    /// Brought back.
    Ok,
    /// It was tried, and refused.
    Refused,
    None,
}

pub fn week() -> anyhow::Result<Week> {
    serde_json::from_str(include_str!("week.json")).context("the recorded week cannot be read")
}

impl Week {
    /// What is said in a chat, turn by turn; of the app itself nothing is.
    pub fn said(&self, chat: &Recorded) -> (Option<&Topic>, Vec<&Exchange>) {
        let topic = self.topics.get(&chat.topic);
        let own = topic.map(|topic| topic.exchanges.as_slice()).unwrap_or_default();
        (topic, own.iter().chain(&self.follow_ups).take(chat.turns.min(TURNS_MAX)).collect())
    }
}
