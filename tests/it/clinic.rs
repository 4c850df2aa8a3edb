//! Ailing chats: what the clinic makes of them is opened by the real client, and the API, which holds every
//! request to its rules, takes it.

mod chance;
mod deleted;
mod full;
mod other_clients;
mod refused;
mod torn;

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use shim_standin::{
    Request,
    client::{Headless, Start, wait},
    rules::Rules,
};

use crate::world::{WAIT, World, id};

pub const STRICT: Rules = Rules { well_formed: true, bytes_max: None };

/// A chat of three turns that the real client wrote: a text, two tools at once, one tool.
pub struct Sample {
    pub cwd: PathBuf,
    pub session_id: String,
    pub lines: Vec<String>,
}

impl Sample {
    pub fn play(world: &World) -> Self {
        let cwd = world.home.project("p").unwrap();
        let session_id = world.finished_chat(&cwd, "@@text ALPHA is the first answer");
        let tools = "@@tool Bash {\"command\": \"echo out-1\"}\n@@also Bash {\"command\": \"echo out-2\"}\n@@text BETA";
        for prompt in [tools, "@@tool Bash {\"command\": \"echo out-3\"}\n@@text GAMMA"] {
            let status = go_on(world, &cwd, &session_id, prompt).1;
            assert!(status, "{prompt}");
        }
        let text = fs::read_to_string(world.home.transcript(&session_id).unwrap()).unwrap();
        Self { cwd, session_id, lines: text.lines().map(str::to_owned).collect() }
    }

    /// Number of the line of a record of this type whose message holds these words.
    pub fn line(&self, kind: &str, words: &str) -> usize {
        let found = self.lines.iter().position(|line| {
            let record: Value = serde_json::from_str(line).unwrap();
            record["type"] == kind && record["message"]["content"].to_string().contains(words)
        });
        found.unwrap_or_else(|| panic!("no {kind} record says {words}"))
    }

    pub fn bytes(&self, lines: std::ops::Range<usize>) -> Vec<u8> {
        self.lines[lines].iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect()
    }

    pub fn whole(&self) -> Vec<u8> {
        self.bytes(0..self.lines.len())
    }

    /// With line `at` as `instead` makes it.
    pub fn with(&self, at: usize, instead: impl FnOnce(&str) -> Vec<u8>) -> Vec<u8> {
        let damaged = instead(&self.lines[at]);
        [self.bytes(0..at), damaged, self.bytes(at + 1..self.lines.len())].concat()
    }

    /// Puts these bytes where the client keeps the chats of this directory, as a chat of their own. Gives its id.
    pub fn plant(&self, world: &World, bytes: &[u8]) -> (String, PathBuf) {
        let session_id = Start::new(&self.cwd, "").session_id;
        let original = world.home.transcript(&self.session_id).unwrap();
        let path = original.with_file_name(format!("{session_id}.jsonl"));
        fs::write(&path, renamed(bytes, &self.session_id, &session_id)).unwrap();
        (session_id, path)
    }
}

pub fn renamed(bytes: &[u8], old: &str, new: &str) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let (mut bytes, old) = (bytes.to_vec(), old.as_bytes());
    while let Some(at) = bytes.windows(old.len()).position(|window| window == old) {
        bytes[at..at + old.len()].copy_from_slice(new.as_bytes());
    }
    bytes
}

/// The real client goes on with a chat. Gives its newest request, and whether it was answered.
pub fn go_on(
    world: &World,
    cwd: &std::path::Path,
    session_id: &str,
    prompt: &str,
) -> (Option<Request>, bool) {
    let asked = world.asked();
    let mut start = Start::new(cwd, prompt);
    start.session_id = session_id.to_owned();
    start.resume = true;
    let mut chat = Headless::start(&world.home, &start).unwrap();
    let status = chat.wait_for_exit(WAIT).unwrap();
    let newest = world.standin.requests_of(session_id).into_iter().rfind(|request| request.number > asked);
    (newest, status.success())
}

/// What the model is told that it said itself.
pub fn said(request: &Request) -> String {
    let own = request.messages().iter().filter(|message| message["role"] == "assistant");
    own.map(|message| message["content"].to_string()).collect()
}

#[track_caller]
pub fn wait_until_known(world: &World, session_id: &str) {
    wait(WAIT, "the chat to be listed", || (world.chat(session_id) != Value::Null).then_some(())).unwrap();
    wait(WAIT, "the chat to be journaled", || {
        (world.export(session_id, &[]) == world.transcript(session_id)).then_some(())
    })
    .unwrap();
}

/// Asks for a repaired copy and gives the client's own id of it.
#[track_caller]
pub fn repaired(world: &World, session_id: &str) -> String {
    let report = world.json(&["repair", &id(session_id)]);
    assert_eq!(report["ok"], json!(true), "{report}");
    report["copy"].as_str().unwrap().split_once(':').unwrap().1.to_owned()
}
