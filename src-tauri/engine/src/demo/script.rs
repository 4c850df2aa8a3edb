//! What a client would have written of a chat: its transcript, record by record, in its own form. A call whose
//! result was never written is one that a death cut.

use serde_json::{Value, json};
use shim_core::{chats::Client, time::Timestamp};

use super::week::{Action, Exchange};

/// Versions of the clients whose form this is.
pub fn version(client: Client) -> &'static str {
    match client {
        Client::ClaudeCode => "2.1.329",
        Client::Codex => "0.169.0",
        Client::Gemini => "0.61.0",
        Client::Opencode => "1.18.33",
        Client::ClaudeDesktop => "1.2.0",
    }
}

pub fn model(client: Client) -> &'static str {
    match client {
        Client::ClaudeCode | Client::ClaudeDesktop => "claude-opus-5-5",
        Client::Codex => "gpt-5",
        Client::Gemini => "gemini-2.5-pro",
        Client::Opencode => "claude-opus-5-5",
    }
}

/// The model's context window in tokens.
fn window(client: Client) -> f64 {
    match client {
        Client::Gemini => 1_048_576.0,
        Client::Codex => 258_400.0,
        Client::ClaudeCode | Client::Opencode | Client::ClaudeDesktop => 200_000.0,
    }
}

/// Writes one transcript.
pub struct Script {
    client: Client,
    session: String,
    cwd: String,
    branch: String,
    /// Records so far: they make ids that are never the same twice.
    number: u64,
    context_tokens: u64,
    pub bytes: Vec<u8>,
}

impl Script {
    pub fn new(client: Client, session: &str, cwd: &str, branch: &str) -> Self {
        let (session, cwd, branch) = (session.to_owned(), cwd.to_owned(), branch.to_owned());
        Self { client, session, cwd, branch, number: 0, context_tokens: 0, bytes: Vec::new() }
    }

    fn line(&mut self, record: &Value) {
        self.bytes.extend(record.to_string().into_bytes());
        self.bytes.push(b'\n');
        self.number += 1;
    }

    fn id(&self, of: &str) -> String {
        let session: String = self.session.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
        format!("{of}{session}{:06}", self.number)
    }

    pub fn begin(&mut self, at: Timestamp, title: &str) {
        match self.client {
            Client::Codex => self.line(&json!({
                "timestamp": at, "ordinal": self.number, "type": "session_meta", "payload": {
                    "session_id": self.session, "id": self.session, "timestamp": at, "cwd": self.cwd,
                    "originator": "codex_cli", "cli_version": version(self.client), "source": "cli",
                    "model_provider": "openai", "git": { "branch": self.branch },
                },
            })),
            Client::Gemini => {
                self.line(&json!({
                    "sessionId": self.session, "projectHash": "619eaa1309eccac8", "startTime": at, "lastUpdated": at,
                    "kind": "main",
                }));
                let text = format!(
                    "<session_context>\nThis is the Gemini CLI. We are setting up the context for our chat.\n- **Workspace Directories:**\n  - {}\n</session_context>",
                    self.cwd
                );
                let first = json!({"id": self.id(""), "timestamp": at, "type": "user", "content": [{"text": text}]});
                self.line(&json!({"$set": {"messages": [first], "lastUpdated": at}}));
            }
            Client::Opencode => self.line(&json!({
                "table": "session", "id": self.session, "directory": self.cwd, "title": title, "agent": "build",
                "version": version(self.client), "time_created": at.ms(), "time_updated": at.ms(), "bytes": 0,
            })),
            Client::ClaudeCode | Client::ClaudeDesktop => {
                self.line(&json!({"type": "ai-title", "aiTitle": title, "sessionId": self.session}));
            }
        }
    }

    /// The model's context that its next answer uses, as a share of its window.
    pub fn context(&mut self, share: f64) {
        self.context_tokens = (share.clamp(0.0, 1.0) * window(self.client)) as u64;
    }

    /// A record of Claude Code's, with what all of them have.
    fn claude(&mut self, at: Timestamp, kind: &str, message: &Value, more: &[(&str, Value)]) {
        let mut record = json!({
            "parentUuid": null, "isSidechain": false, "type": kind, "message": message, "uuid": self.id("00-"),
            "timestamp": at, "permissionMode": "acceptEdits", "userType": "external", "cwd": self.cwd,
            "sessionId": self.session, "version": version(self.client), "gitBranch": self.branch,
        });
        if let Some(fields) = record.as_object_mut() {
            fields.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        }
        self.line(&record);
    }

    fn claude_answer(&mut self, at: Timestamp, content: &Value, stop: &str) {
        let message = json!({
            "id": self.id("msg_"), "type": "message", "role": "assistant", "model": model(self.client),
            "content": [content], "stop_reason": stop, "usage": {
                "input_tokens": 12, "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": self.context_tokens, "output_tokens": 220,
            },
        });
        self.claude(at, "assistant", &message, &[]);
    }

    fn codex(&mut self, at: Timestamp, kind: &str, payload: &Value) {
        self.line(&json!({"timestamp": at, "ordinal": self.number, "type": kind, "payload": payload}));
    }

    fn part(&mut self, at: Timestamp, role: &str, message: &str, data: &Value) {
        self.line(&json!({
            "table": "part", "id": self.id("prt_"), "message_id": message, "role": role, "session_id": self.session,
            "time_created": at.ms(), "time_updated": at.ms(), "data": data, "bytes": 100,
        }));
    }

    pub fn ask(&mut self, at: Timestamp, text: &str) {
        match self.client {
            Client::ClaudeCode | Client::ClaudeDesktop => {
                self.claude(at, "user", &json!({"role": "user", "content": text}), &[]);
            }
            Client::Codex => {
                let turn = self.id("turn-");
                self.codex(
                    at,
                    "event_msg",
                    &json!({
                        "type": "task_started", "turn_id": turn, "model_context_window": 258_400,
                    }),
                );
                self.codex(at, "turn_context", &json!({
                    "turn_id": turn, "cwd": self.cwd, "approval_policy": "on-request", "model": model(self.client),
                    "sandbox_policy": {"type": "workspace-write"},
                }));
                let item = self.id("msg_");
                self.codex(at, "response_item", &json!({
                    "type": "message", "id": item, "role": "user", "content": [{"type": "input_text", "text": text}],
                    "internal_chat_message_metadata_passthrough": {"content_item_kinds": ["user.text"]},
                }));
            }
            Client::Gemini => self.line(&json!({
                "id": self.id("u"), "timestamp": at, "type": "user", "content": [{"text": text}],
            })),
            Client::Opencode => {
                let message = self.id("msg_");
                self.part(at, "user", &message, &json!({"type": "text", "text": text}));
            }
        }
    }

    /// The call of a turn; gives its id.
    pub fn call(&mut self, at: Timestamp, turn: &Exchange) -> String {
        let id = self.id("call_");
        let (name, input) = tool(self.client, turn);
        match self.client {
            Client::ClaudeCode | Client::ClaudeDesktop => {
                let content = json!({"type": "tool_use", "id": id, "name": name, "input": input});
                self.claude_answer(at, &content, "tool_use");
            }
            Client::Codex => self.codex(at, "response_item", &json!({
                "type": "function_call", "id": id, "name": name, "arguments": input.to_string(), "call_id": id,
            })),
            // A call stands in the file with its result only.
            Client::Gemini => {}
            Client::Opencode => {
                let state = json!({"status": "running", "input": input, "time": {"start": at.ms()}});
                let message = self.id("msg_");
                let data = json!({"type": "tool", "callID": id, "tool": name, "state": state});
                self.part(at, "assistant", &message, &data);
            }
        }
        id
    }

    pub fn result(&mut self, at: Timestamp, id: &str, turn: &Exchange) {
        let (name, input) = tool(self.client, turn);
        let got = &turn.got;
        match self.client {
            Client::ClaudeCode | Client::ClaudeDesktop => {
                let content =
                    json!([{"tool_use_id": id, "type": "tool_result", "content": got, "is_error": false}]);
                self.claude(at, "user", &json!({"role": "user", "content": content}), &[]);
            }
            Client::Codex => self.codex(at, "response_item", &json!({
                "type": "function_call_output", "call_id": id, "output": format!("Process exited with code 0\nOutput:\n{got}"),
            })),
            Client::Gemini => {
                let given = json!({"functionResponse": {"id": id, "name": name, "response": {"output": got}}});
                let call = json!({"id": id, "name": name, "args": input, "result": [given], "status": "success"});
                self.line(&json!({
                    "id": self.id("g"), "timestamp": at, "type": "gemini", "content": "", "thoughts": [],
                    "tokens": self.gemini_tokens(), "model": model(self.client), "toolCalls": [call],
                }));
                self.line(&json!({"id": self.id("u"), "timestamp": at, "type": "user", "content": [given]}));
            }
            Client::Opencode => {
                let state = json!({"status": "completed", "input": input, "output": got, "time": {"end": at.ms()}});
                let message = self.id("msg_");
                let data = json!({"type": "tool", "callID": id, "tool": name, "state": state});
                self.part(at, "assistant", &message, &data);
            }
        }
    }

    fn gemini_tokens(&self) -> Value {
        json!({"input": self.context_tokens, "output": 220, "cached": 0, "thoughts": 0, "tool": 0})
    }

    /// The answer that ends a turn.
    pub fn say(&mut self, at: Timestamp, text: &str) {
        match self.client {
            Client::ClaudeCode | Client::ClaudeDesktop => {
                self.claude_answer(at, &json!({"type": "text", "text": text}), "end_turn");
            }
            Client::Codex => {
                let item = self.id("msg_");
                self.codex(
                    at,
                    "response_item",
                    &json!({
                        "type": "message", "id": item, "role": "assistant",
                        "content": [{"type": "output_text", "text": text}],
                    }),
                );
                let usage = json!({
                    "input_tokens": self.context_tokens, "cached_input_tokens": 0, "output_tokens": 220,
                    "total_tokens": self.context_tokens + 220,
                });
                let response = self.id("resp_");
                self.codex(at, "token_usage_record", &json!({"response_id": response, "usage": usage}));
                let turn = self.id("turn-");
                self.codex(
                    at,
                    "event_msg",
                    &json!({"type": "task_complete", "turn_id": turn, "last_agent_message": text}),
                );
            }
            Client::Gemini => self.line(&json!({
                "id": self.id("g"), "timestamp": at, "type": "gemini", "content": text, "thoughts": [],
                "tokens": self.gemini_tokens(), "model": model(self.client),
            })),
            Client::Opencode => {
                let message = self.id("msg_");
                let time = json!({"start": at.ms(), "end": at.ms()});
                self.part(at, "assistant", &message, &json!({"type": "text", "text": text, "time": time}));
                self.line(&json!({
                    "table": "message", "id": message, "session_id": self.session, "time_created": at.ms(),
                    "time_updated": at.ms(), "bytes": 300, "data": {
                        "role": "assistant", "time": {"created": at.ms(), "completed": at.ms()}, "finish": "stop",
                        "modelID": model(self.client), "providerID": "anthropic", "agent": "build",
                        "path": {"cwd": self.cwd, "root": "/"},
                        "tokens": {"input": self.context_tokens, "output": 220, "reasoning": 0, "cache": {"read": 0, "write": 0}},
                    },
                }));
            }
        }
    }

    /// A refusal of the model's API; only Claude Code's form is known here.
    pub fn refused(&mut self, at: Timestamp, text: &str) {
        let message = json!({
            "role": "assistant", "model": "<synthetic>", "content": [{"type": "text", "text": text}],
        });
        self.claude(at, "assistant", &message, &[("isApiErrorMessage", json!(true))]);
    }
}

/// A turn's call, in the client's own words.
fn tool(client: Client, turn: &Exchange) -> (&'static str, Value) {
    let what = &turn.what;
    match (client, turn.action) {
        (Client::ClaudeCode | Client::ClaudeDesktop, Action::Run) => ("Bash", json!({"command": what})),
        (Client::ClaudeCode | Client::ClaudeDesktop, Action::Edit) => ("Edit", json!({"file_path": what})),
        (Client::ClaudeCode | Client::ClaudeDesktop, Action::Read) => ("Read", json!({"file_path": what})),
        (Client::Codex, Action::Run) => ("exec_command", json!({"cmd": what})),
        (Client::Codex, Action::Edit) => ("exec_command", json!({"cmd": format!("apply_patch {what}")})),
        (Client::Codex, Action::Read) => ("exec_command", json!({"cmd": format!("sed -n 1,200p {what}")})),
        (Client::Gemini, Action::Run) => ("run_shell_command", json!({"command": what})),
        (Client::Gemini, Action::Edit) => ("replace", json!({"file_path": what})),
        (Client::Gemini, Action::Read) => ("read_file", json!({"file_path": what})),
        (Client::Opencode, Action::Run) => ("bash", json!({"command": what})),
        (Client::Opencode, Action::Edit) => ("edit", json!({"filePath": what})),
        (Client::Opencode, Action::Read) => ("read", json!({"filePath": what})),
    }
}
