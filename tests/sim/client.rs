//! Claude Code as it was measured: what it writes, and when, in each moment of a chat.

use serde_json::{Value, json};

use crate::world::{Client, Doing, Role, Told, World};

/// Who starts a client, and how.
pub struct Start {
    pub by_shim: bool,
    /// Takes an old chat up, and ends at once when there is none.
    pub resumes: bool,
    pub told: Option<Told>,
    pub continues: bool,
    pub foreign: bool,
    /// When it registers, in milliseconds from its start; `None` when it never does.
    pub registers_in: Option<u64>,
}

impl Start {
    /// A client that a user starts registers at once.
    pub fn by_user(resumes: bool) -> Self {
        Self { by_shim: false, resumes, told: None, continues: false, foreign: false, registers_in: Some(0) }
    }
}

impl World {
    /// Starts a client on a chat, new or old.
    pub fn start_client(&mut self, chat: &str, start: Start) -> u32 {
        let client = Client {
            chat: chat.to_owned(),
            by_shim: start.by_shim,
            doing: Doing::Prompt,
            registers_at: start.registers_in.map(|ms| self.passed_ms + ms),
            registered: false,
            told: start.told,
            continues: start.continues,
            foreign: start.foreign,
            crowded: false,
            since: self.passed_ms,
        };
        let pid = self.start(Role::Client(client)).pid;
        if start.resumes && last_message(self.transcript(chat)).is_none() {
            self.note("no conversation found", chat);
            self.end(pid);
        }
        self.crowd(chat);
        self.appear(pid);
        pid
    }

    /// The client does the next thing that it would do.
    pub fn live_on(&mut self, pid: u32) {
        self.appear(pid);
        let Some(client) = self.client(pid).cloned().filter(|client| client.registered) else { return };
        match client.doing {
            Doing::Prompt if client.continues => self.go_on(pid, &client),
            Doing::Prompt => self.ask(pid, &client),
            Doing::Answering => self.answer(pid, &client),
            Doing::Asking { call } => self.permit(pid, &client.chat, call),
            Doing::Tool { .. } if !self.dice.one_in(3) => {}
            Doing::Tool { child, .. } => {
                self.end(child);
                self.write_result(&client.chat, "ok");
                self.set(pid, Doing::Answering);
            }
            Doing::Finishing => {
                self.register(pid, Some("idle"));
                self.set(pid, Doing::Prompt);
            }
        }
    }

    /// Shows itself in the registry, when it is time.
    fn appear(&mut self, pid: u32) {
        let now = self.passed_ms;
        let Some(client) = self.client_mut(pid) else { return };
        if client.registered || client.registers_at.is_none_or(|at| at > now) {
            return;
        }
        client.registered = true;
        let chat = client.chat.clone();
        self.appeared_ms.insert(chat, now);
        let status = if self.dice.one_in(4) { None } else { Some("idle") };
        self.register(pid, status);
    }

    fn set(&mut self, pid: u32, doing: Doing) {
        if let Some(client) = self.client_mut(pid) {
            client.doing = doing;
        }
    }

    fn ask(&mut self, pid: u32, client: &Client) {
        self.register(pid, Some("busy"));
        let cut = self.close_calls(&client.chat);
        if is_cut(self.transcript(&client.chat)) {
            let closed = json!({ "model": "<synthetic>", "content": [text("No response requested.")] });
            self.write(&client.chat, "assistant", closed);
        }
        let words = format!("question {}", self.number());
        self.write(&client.chat, "user", json!({ "content": words }));
        self.begin_turn(pid, client, cut);
    }

    /// Takes the cut turn up again, as `CLAUDE_CODE_RESUME_INTERRUPTED_TURN` has it.
    fn go_on(&mut self, pid: u32, client: &Client) {
        if let Some(client) = self.client_mut(pid) {
            client.continues = false;
        }
        if is_cut(self.transcript(&client.chat)) {
            self.register(pid, Some("busy"));
            let cut = self.close_calls(&client.chat);
            self.begin_turn(pid, client, cut);
        }
    }

    /// Gives calls that were cut a stopgap of a result. Returns their commands.
    fn close_calls(&mut self, chat: &str) -> Vec<String> {
        let open = open_calls(self.transcript(chat));
        if !open.is_empty() {
            self.write_result(chat, "[Tool call interrupted]");
        }
        open.into_iter().map(|(_, command)| command).collect()
    }

    /// The model may run again what was cut, unless it was told not to.
    fn begin_turn(&mut self, pid: u32, client: &Client, cut: Vec<String>) {
        self.set(pid, Doing::Answering);
        let Some(told) = self.client_mut(pid).and_then(|client| client.told.take()) else { return };
        // What another wrote meanwhile, SHIM could not tell of.
        if client.crowded || told.tampered != self.times_tampered(&client.chat) {
            return;
        }
        let warned =
            |call: &String| told.text.contains("Do not run these again") && told.text.contains(call.as_str());
        if let Some(call) = cut.into_iter().find(|call| !warned(call)) {
            self.note("tool run again", format_args!("{call} in {}", client.chat));
            self.call(pid, &client.chat, call, true);
        }
    }

    fn answer(&mut self, pid: u32, client: &Client) {
        match self.dice.below(10) {
            0..=2 => self.write_block(&client.chat, Value::Null, text("so far")),
            3..=5 => {
                let call = format!("make {};", self.number());
                let asks = self.dice.one_in(4);
                self.call(pid, &client.chat, call, !asks);
            }
            6 => self.interrupt(pid, &client.chat),
            _ => {
                self.write_block(&client.chat, json!("end_turn"), text("done"));
                self.set(pid, Doing::Finishing);
            }
        }
    }

    fn call(&mut self, pid: u32, chat: &str, call: String, permitted: bool) {
        let id = format!("t{}", self.number());
        let block = json!({ "type": "tool_use", "id": id, "name": "Bash", "input": { "command": call } });
        self.write_block(chat, json!("tool_use"), block);
        if permitted {
            return self.run(pid, chat, call);
        }
        self.register(pid, Some("waiting"));
        self.set(pid, Doing::Asking { call });
    }

    fn permit(&mut self, pid: u32, chat: &str, call: String) {
        self.register(pid, Some("busy"));
        if self.dice.one_in(3) {
            self.write_result(chat, "rejected");
            self.interrupt(pid, chat);
        } else {
            self.run(pid, chat, call);
        }
    }

    fn run(&mut self, pid: u32, chat: &str, call: String) {
        *self.runs.entry(call.clone()).or_default() += 1;
        let child = self.start(Role::Tool { chat: chat.to_owned() }).pid;
        self.set(pid, Doing::Tool { call, child });
    }

    fn interrupt(&mut self, pid: u32, chat: &str) {
        self.write(chat, "user", json!({ "content": [text("[Request interrupted by user]")] }));
        self.set(pid, Doing::Finishing);
    }

    /// TERM or HUP: an orderly end, in the middle of a turn or between two.
    pub fn terminate(&mut self, pid: u32) {
        let Some(client) = self.client(pid).cloned() else { return };
        if let Doing::Tool { child, .. } = client.doing {
            self.end(child);
            self.write_result(&client.chat, "Exit code 137");
        }
        let clean = matches!(client.doing, Doing::Prompt | Doing::Finishing);
        self.client_ends(pid, clean, false);
    }

    /// INT, or the user stops the turn and leaves: what was said so far is kept.
    pub fn stop(&mut self, pid: u32) {
        let Some(client) = self.client(pid).cloned() else { return };
        match client.doing {
            Doing::Tool { child, .. } => {
                self.end(child);
                self.write_result(&client.chat, "stopped");
            }
            Doing::Asking { .. } => self.write_result(&client.chat, "stopped"),
            Doing::Prompt | Doing::Answering | Doing::Finishing => {}
        }
        if !matches!(client.doing, Doing::Prompt | Doing::Finishing) {
            self.interrupt(pid, &client.chat);
        }
        self.client_ends(pid, true, false);
    }

    /// The machine takes the process away while it writes.
    pub fn kill_while_writing(&mut self, pid: u32) {
        let Some(client) = self.client(pid).cloned() else { return };
        if client.registered && client.doing == Doing::Answering {
            let record = json!({ "type": "assistant", "uuid": "torn", "message": { "content": [text("never whole")] } }).to_string();
            let cut = 1 + self.dice.below(record.len() - 1);
            self.append_bytes(&client.chat, &record.as_bytes()[..cut]);
        }
        self.kill(pid);
    }

    fn transcript(&self, chat: &str) -> &[u8] {
        self.files.get(chat).map_or(&[], |file| file.bytes.as_slice())
    }

    fn write(&mut self, chat: &str, kind: &str, message: Value) {
        let uuid = format!("u{}-", self.number());
        self.append(chat, json!({ "type": kind, "uuid": uuid, "message": message }));
    }

    fn write_block(&mut self, chat: &str, stop: Value, block: Value) {
        let id = format!("m{}", self.number());
        self.write(
            chat,
            "assistant",
            json!({ "id": id, "model": "m", "stop_reason": stop, "content": [block] }),
        );
    }

    /// A result for every call that has none.
    fn write_result(&mut self, chat: &str, says: &str) {
        let open = open_calls(self.transcript(chat));
        let results =
            open.iter().map(|(id, _)| json!({ "type": "tool_result", "tool_use_id": id, "content": says }));
        let results: Vec<_> = results.collect();
        self.write(chat, "user", json!({ "content": results }));
    }
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

/// The messages that the client finds: of two records glued on one line, only the first.
fn messages(transcript: &[u8]) -> impl Iterator<Item = Value> {
    let lines = transcript.split(|byte| *byte == b'\n');
    let records =
        lines.filter_map(|line| serde_json::Deserializer::from_slice(line).into_iter::<Value>().next()?.ok());
    records
        .filter(|record| matches!(record["type"].as_str(), Some("user" | "assistant")))
        .map(|mut record| record["message"].take())
}

fn last_message(transcript: &[u8]) -> Option<Value> {
    messages(transcript).last()
}

/// Whether the last turn is not at its end.
fn is_cut(transcript: &[u8]) -> bool {
    let Some(last) = last_message(transcript) else { return false };
    let ended = last["stop_reason"] == "end_turn" || last["model"] == "<synthetic>";
    !ended && !last.to_string().contains("[Request interrupted by user]")
}

/// Calls of the last turn that have no result, by id and command, as the client finds them when it resumes.
fn open_calls(transcript: &[u8]) -> Vec<(String, String)> {
    let mut open = Vec::new();
    for message in messages(transcript) {
        let blocks = message["content"].as_array().cloned().unwrap_or_default();
        let answers = |block: &Value, id: &str| block["tool_use_id"] == id;
        match blocks.first().and_then(|block| block["type"].as_str()) {
            Some("tool_result") => {
                open.retain(|(id, _): &(String, String)| !blocks.iter().any(|block| answers(block, id)));
            }
            Some("tool_use") => {
                let of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                open.extend(blocks.iter().map(|block| (of(&block["id"]), of(&block["input"]["command"]))));
            }
            _ if message["stop_reason"].is_null() && message["id"].is_string() => {}
            // A question or the end of an answer: what was open before is history.
            _ => open.clear(),
        }
    }
    open
}
