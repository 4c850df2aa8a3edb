//! Transcripts as Claude Code 2.1.329 writes them, made up: every type of record, in the order and sizes
//! seen in real ones, with texts that compress as well.

use serde_json::{Value, json};

/// Words that texts are made of, with the skew that real texts have: early ones come often.
const WORDS: [&str; 64] = [
    "the",
    "to",
    "a",
    "of",
    "and",
    "in",
    "is",
    "for",
    "file",
    "that",
    "fn",
    "let",
    "self",
    "return",
    "if",
    "with",
    "error",
    "test",
    "this",
    "value",
    "match",
    "Some",
    "None",
    "Ok",
    "path",
    "when",
    "line",
    "not",
    "so",
    "be",
    "struct",
    "impl",
    "pub",
    "mut",
    "async",
    "await",
    "config",
    "index",
    "state",
    "chat",
    "restore",
    "engine",
    "because",
    "should",
    "change",
    "result",
    "string",
    "number",
    "first",
    "again",
    "module",
    "import",
    "const",
    "function",
    "request",
    "response",
    "timeout",
    "journal",
    "transcript",
    "checkpoint",
    "offset",
    "compress",
    "durable",
    "evidence",
];

/// Phrases that a chat comes back to. With these the transcripts compress 4 to 5 times at zlib's first
/// level, as long transcripts of the real client do.
const PHRASES_MAX: u64 = 100;
/// Milliseconds between records.
const STEP_MS: u64 = 730;

pub struct Records {
    random: Random,
    session: String,
    cwd: String,
    parent: Value,
    at_ms: u64,
    open_call: Option<String>,
    phrases: Vec<String>,
}

impl Records {
    pub fn new(seed: u64, session: &str, cwd: &str) -> Self {
        Self {
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            session: session.to_owned(),
            cwd: cwd.to_owned(),
            parent: Value::Null,
            at_ms: 0,
            open_call: None,
            phrases: Vec::new(),
        }
    }

    /// The start of a chat: settings, the first prompt, what the client attaches, a finished answer.
    pub fn opening(&mut self) -> String {
        let mut out = String::new();
        for kind in ["mode", "permission-mode"] {
            line(&mut out, &json!({ "type": kind, kind: "default", "sessionId": self.session }));
        }
        self.prompt(&mut out);
        for kind in
            ["environment", "model", "skill_listing", "agent_listing_delta", "session_context", "date"]
        {
            let content = self.text(400);
            let record = json!({ "attachment": { "type": kind, "content": content } });
            self.chained(&mut out, "attachment", record);
        }
        self.request(&mut out);
        self.answer(&mut out, None);
        out
    }

    /// One step of a turn: a tool call and its result, or the end of the turn and the next prompt.
    pub fn step(&mut self) -> String {
        let mut out = String::new();
        if self.random.below(5) == 0 {
            self.answer(&mut out, None);
            self.prompt(&mut out);
        }
        self.request(&mut out);
        let name = self.random.pick(&["Read", "Bash", "Edit", "Grep"]).unwrap_or("Bash");
        self.answer(&mut out, Some(name));
        self.result(&mut out);
        out
    }

    /// A whole chat of at least this many bytes.
    pub fn chat(&mut self, bytes: usize) -> String {
        let mut out = self.opening();
        while out.len() < bytes {
            out.push_str(&self.step());
        }
        out
    }

    fn prompt(&mut self, out: &mut String) {
        let text = self.text(300);
        let (session, at) = (self.session.clone(), self.now());
        for operation in ["enqueue", "dequeue"] {
            line(
                out,
                &json!({ "type": "queue-operation", "operation": operation, "timestamp": at, "sessionId": session, "content": text }),
            );
        }
        let record = json!({ "promptId": self.random.uuid(), "permissionMode": "default", "message": { "role": "user", "content": text } });
        self.chained(out, "user", record);
        line(
            out,
            &json!({ "type": "last-prompt", "lastPrompt": text, "leafUuid": self.parent, "sessionId": session }),
        );
    }

    fn request(&mut self, out: &mut String) {
        let (hash, text, at) = (self.random.hex(64), self.text(700), self.now());
        let session = &self.session;
        line(
            out,
            &json!({ "type": "api-request-blob", "sessionId": session, "hash": hash, "message": { "role": "user", "content": text } }),
        );
        line(
            out,
            &json!({ "type": "api-request", "sessionId": session, "timestamp": at, "version": "2.1.329", "shapeHash": hash, "tail": [hash], "params": { "model": "claude-opus-5-5", "max_tokens": 128_000 } }),
        );
        line(out, &json!({ "type": "tools-used", "tools": ["Read", "Bash"], "sessionId": session }));
    }

    /// A thinking block, a text and perhaps a call, each a record of its own with the same usage.
    fn answer(&mut self, out: &mut String, call: Option<&str>) {
        let (id, request) = (format!("msg_{}", self.random.hex(24)), format!("req_{}", self.random.hex(24)));
        let usage = json!({
            "input_tokens": self.random.below(50), "cache_creation_input_tokens": self.random.below(4000),
            "cache_read_input_tokens": 20_000 + self.random.below(90_000), "output_tokens": self.random.below(900),
            "service_tier": "standard", "server_tool_use": { "web_search_requests": 0, "web_fetch_requests": 0 },
        });
        let (thinking, text) = (self.text(600), self.text(500));
        let mut blocks = vec![
            json!({ "type": "thinking", "thinking": thinking, "signature": self.random.hex(400) }),
            json!({ "type": "text", "text": text }),
        ];
        if let Some(name) = call {
            let call = format!("toolu_{}", self.random.hex(24));
            blocks.push(json!({ "type": "tool_use", "id": call, "name": name, "input": { "command": self.text(120) } }));
            self.open_call = Some(call);
        }
        let reason = if call.is_some() { "tool_use" } else { "end_turn" };
        for (index, block) in blocks.into_iter().enumerate() {
            let message = json!({ "id": id, "type": "message", "role": "assistant", "model": "claude-opus-5-5", "content": [block], "stop_reason": reason, "usage": usage });
            let record = json!({ "message": message, "apiBlockIndex": index, "requestId": request, "requestedModel": "claude-opus-5-5" });
            self.chained(out, "assistant", record);
        }
    }

    /// What a tool gave back: mostly little, at times a whole file. It stands in the record twice.
    fn result(&mut self, out: &mut String) {
        let length = if self.random.below(6) == 0 { 9000 } else { 200 + self.random.below(1500) };
        let text = self.text(length);
        let call = self.open_call.take();
        let record = json!({
            "message": { "role": "user", "content": [{ "tool_use_id": call, "type": "tool_result", "content": text }] },
            "toolUseResult": { "stdout": text, "stderr": "", "interrupted": false, "isImage": false },
            "sourceToolAssistantUUID": self.parent,
        });
        self.chained(out, "user", record);
    }

    fn chained(&mut self, out: &mut String, kind: &str, mut record: Value) {
        let uuid = self.random.uuid();
        let common = json!({
            "type": kind, "parentUuid": self.parent, "uuid": uuid, "timestamp": self.now(), "isSidechain": false,
            "userType": "external", "entrypoint": "cli", "cwd": self.cwd, "sessionId": self.session,
            "version": "2.1.329", "gitBranch": "main",
        });
        if let (Value::Object(record), Value::Object(common)) = (&mut record, common) {
            record.extend(common);
        }
        line(out, &record);
        self.parent = Value::String(uuid);
    }

    fn now(&mut self) -> String {
        self.at_ms += STEP_MS;
        // The benchmark's own calendar begins here; nothing depends on the date.
        shim_core::time::Timestamp::from_ms(1_795_222_000_000 + i64::try_from(self.at_ms).unwrap_or(0))
            .to_string()
    }

    /// At least this many bytes: phrases said before, as chats go on about the same files, and new ones.
    fn text(&mut self, length: u64) -> String {
        let mut text = String::new();
        while (text.len() as u64) < length {
            let slot = usize::try_from(self.random.below(PHRASES_MAX)).unwrap_or(0);
            match self.phrases.get(slot) {
                Some(known) if self.random.below(2) == 0 => text.push_str(known),
                known => {
                    let forgotten = known.is_some();
                    let phrase = self.phrase();
                    text.push_str(&phrase);
                    if let Some(place) = self.phrases.get_mut(slot).filter(|_| forgotten) {
                        *place = phrase;
                    } else {
                        self.phrases.push(phrase);
                    }
                }
            }
        }
        text
    }

    /// Words, numbers and names, about eighty bytes.
    fn phrase(&mut self) -> String {
        let mut phrase = String::new();
        while phrase.len() < 80 {
            match self.random.below(12) {
                0 => phrase.push_str(&self.random.hex(6)),
                1 => phrase.push_str(&self.random.below(10_000).to_string()),
                2 => phrase.push_str("();\n    "),
                _ => {
                    // A draw from the first so many: early words come often.
                    let most = 1 + self.random.below(WORDS.len() as u64);
                    let words = WORDS.get(..usize::try_from(most).unwrap_or(1)).unwrap_or(&WORDS);
                    phrase.push_str(self.random.pick(words).unwrap_or("the"));
                }
            }
            phrase.push(' ');
        }
        phrase
    }
}

fn line(out: &mut String, record: &Value) {
    out.push_str(&record.to_string());
    out.push('\n');
}

/// Marsaglia's xorshift64: the same transcripts on every machine.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// 0 to `limit` - 1.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> Option<&'a str> {
        let index = self.below(of.len().max(1) as u64);
        of.get(usize::try_from(index).ok()?).copied()
    }

    fn hex(&mut self, digits: usize) -> String {
        let mut hex = String::new();
        while hex.len() < digits {
            hex.push_str(&format!("{:016x}", self.next()));
        }
        hex.truncate(digits);
        hex
    }

    fn uuid(&mut self) -> String {
        uuid::Uuid::from_u64_pair(self.next(), self.next()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use shim_core::digest::{Reader, Turn};

    use super::Records;

    #[test]
    fn made_up_transcripts_read_like_real_ones() {
        let text = Records::new(7, "11111111-1111-4111-8111-111111111111", "/home/user/p").chat(2_000_000);
        let mut reader = Reader::new(shim_core::chats::Client::ClaudeCode);
        reader.feed(text.as_bytes());
        assert_eq!(reader.digest.unreadable, 0);
        assert_eq!(reader.digest.offset, text.len() as u64);
        assert!(reader.digest.turns > 20, "{} turns", reader.digest.turns);
        assert!(reader.digest.tokens > 1_000_000);
        assert_eq!(reader.digest.in_flight(), []);
        assert!(matches!(reader.digest.turn, Turn::Open { .. }));
    }

    #[test]
    fn a_step_is_of_the_size_that_clients_append() {
        let mut records = Records::new(3, "s", "/p");
        for _ in 0..100 {
            let bytes = records.step().len();
            assert!((1_000..=40_000).contains(&bytes), "{bytes}");
        }
    }
}
