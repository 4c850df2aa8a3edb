//! What the stand-in was asked, kept for tests. Secrets are left out.

use serde_json::Value;

/// Headers that carry secrets: never kept.
const SECRET_HEADERS: [&str; 4] = ["x-api-key", "authorization", "proxy-authorization", "cookie"];

#[derive(Clone, Debug)]
pub struct Request {
    /// Counts from 1, in the order of arrival.
    pub number: u64,
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Null when there was none.
    pub body: Value,
    pub answer: Answer,
}

/// How far the answer got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Underway: this many words were sent.
    Sending { words: u64 },
    /// Sent to its end.
    Sent { words: u64 },
    /// The other side went away, or the script cut the connection.
    Broken { words: u64 },
    /// Refused with this status.
    Refused { status: u16 },
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The client's own id of the chat.
    pub fn session_id(&self) -> Option<&str> {
        ["x-claude-code-session-id", "thread-id", "x-session-id"]
            .into_iter()
            .find_map(|name| self.header(name))
    }

    pub fn messages(&self) -> &[Value] {
        self.body.get("messages").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// What the Gemini API is given to go on with. It names no chat: such a request is told by its prompt.
    pub fn contents(&self) -> &[Value] {
        crate::gemini::contents(&self.body).unwrap_or_default()
    }

    /// What the Responses API is given to go on with.
    pub fn items(&self) -> &[Value] {
        self.body.get("input").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Whether the client asks what the chat is about, and not for its next answer.
    pub fn is_for_a_title(&self) -> bool {
        crate::chat_completions::asks_for_a_title(&self.body)
    }

    fn is_chat_completion(&self) -> bool {
        self.path.ends_with("/chat/completions")
    }

    /// The newest thing the user said.
    pub fn prompt(&self) -> String {
        let part = match self.is_chat_completion() {
            true => crate::chat_completions::part(&self.body),
            false => crate::gemini::part(&self.body).or_else(|| crate::responses::part(&self.body)),
        };
        match part {
            Some(part) => part.prompt,
            None => crate::script::part(self.messages()).prompt,
        }
    }

    /// All text of all messages, in order: prompts, answers, tool calls and their results, system notes.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.messages().iter().for_each(|message| collect_text(&message["content"], &mut text));
        self.contents().iter().for_each(|content| collect_text(&content["parts"], &mut text));
        for call in self.messages().iter().filter_map(|message| message["tool_calls"].as_array()).flatten() {
            collect_text(&call["function"], &mut text);
        }
        self.items().iter().for_each(|item| collect_text(item, &mut text));
        text
    }
}

fn collect_text(content: &Value, text: &mut String) {
    match content {
        Value::String(words) => {
            text.push_str(words);
            text.push('\n');
        }
        Value::Array(blocks) => blocks.iter().for_each(|block| collect_text(block, text)),
        Value::Object(block) => {
            for key in ["text", "thinking", "content", "arguments", "output"] {
                block.get(key).into_iter().for_each(|content| collect_text(content, text));
            }
            for key in ["input", "functionCall", "functionResponse"] {
                if let Some(input) = block.get(key) {
                    collect_text(&Value::String(input.to_string()), text);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

pub(crate) fn kept_headers(headers: &axum::http::HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .filter(|(name, _)| !SECRET_HEADERS.contains(&name.as_str()))
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect()
}
