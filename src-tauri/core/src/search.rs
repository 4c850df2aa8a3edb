//! What a search looks into: what was said and done in a chat, not its client's own bookkeeping. Knows the records of
//! each client as far as that.

use serde_json::Value;

use crate::{chats::Client, time::Timestamp};

/// A record's share of a conversation.
#[derive(Debug, PartialEq)]
pub struct Said<'a> {
    /// In the client's own word, such as `user` or `gemini`; `tool` for what a tool was given or gave.
    pub who: &'a str,
    pub at: Option<Timestamp>,
    /// Values whose texts were said.
    pub parts: Vec<&'a Value>,
}

/// What a record tells of the conversation; a record of Gemini CLI may hold several messages.
pub fn said(client: Client, record: &Value) -> Vec<Said<'_>> {
    match client {
        Client::ClaudeCode | Client::ClaudeDesktop => claude(record).into_iter().collect(),
        Client::Codex => codex(record).into_iter().collect(),
        Client::Gemini => {
            let set = record.pointer("/$set/messages").and_then(Value::as_array);
            set.into_iter().flatten().chain([record]).filter_map(gemini).collect()
        }
        Client::Opencode => opencode(record).into_iter().collect(),
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

fn timestamp(record: &Value) -> Option<Timestamp> {
    text(record, "timestamp").and_then(Timestamp::parse)
}

fn of<'a>(value: &'a Value, keys: &[&str]) -> Vec<&'a Value> {
    keys.iter().filter_map(|key| value.get(key)).collect()
}

fn claude(record: &Value) -> Option<Said<'_>> {
    // Requests to the api, which hold the same messages again, are kept in the same file.
    let who = text(record, "type").filter(|kind| matches!(*kind, "user" | "assistant"))?;
    let parts = vec![record.get("message")?.get("content")?];
    Some(Said { who, at: timestamp(record), parts })
}

fn codex(record: &Value) -> Option<Said<'_>> {
    let item = record.get("payload").filter(|_| text(record, "type") == Some("response_item"))?;
    let (who, parts) = match text(item, "type")? {
        "message" => (text(item, "role").filter(|role| *role != "developer")?, of(item, &["content"])),
        "reasoning" => ("assistant", of(item, &["summary"])),
        "function_call"
        | "custom_tool_call"
        | "local_shell_call"
        | "function_call_output"
        | "custom_tool_call_output"
        | "web_search_call" => ("tool", of(item, &["name", "arguments", "input", "action", "output"])),
        _ => return None,
    };
    Some(Said { who, at: timestamp(record), parts })
}

fn gemini(message: &Value) -> Option<Said<'_>> {
    let parts = of(message, &["content", "thoughts", "toolCalls"]);
    Some(Said { who: text(message, "type")?, at: timestamp(message), parts })
}

fn opencode(record: &Value) -> Option<Said<'_>> {
    let data = record.get("data").filter(|_| text(record, "table") == Some("part"))?;
    let (who, parts) = match text(data, "type")? {
        "text" | "reasoning" => (text(record, "role").unwrap_or("assistant"), of(data, &["text"])),
        "tool" => ("tool", of(data.get("state")?, &["input", "output", "error"])),
        _ => return None,
    };
    let at = record.get("time_updated").and_then(Value::as_i64).map(Timestamp::from_ms);
    Some(Said { who, at, parts })
}

/// Calls with each text in the value.
pub fn each_text(value: &Value, each: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => each(text),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, each)),
        Value::Object(map) => map.values().for_each(|item| each_text(item, each)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who said a text that holds the word, in the chat that a real client wrote.
    fn who_says(client: Client, chat: &str, word: &str) -> Vec<String> {
        let records: Vec<Value> = chat.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let said = records.iter().flat_map(|record| said(client, record));
        let holds = |said: &Said<'_>| {
            let mut found = false;
            said.parts.iter().for_each(|part| each_text(part, &mut |text| found |= text.contains(word)));
            found && said.at.is_some()
        };
        said.filter(holds).map(|said| said.who.to_owned()).collect()
    }

    #[test]
    fn every_clients_words_and_tools_are_looked_into_and_its_bookkeeping_is_not() {
        let claude = include_str!("../../../tests/data/claude/clean.jsonl");
        let codex = include_str!("../../../tests/data/codex/rollout-ok.jsonl");
        let gemini = include_str!("../../../tests/data/gemini/clean.jsonl");
        let opencode = include_str!("../../../tests/data/opencode/cut-and-put-back.jsonl");
        assert_eq!(who_says(Client::Codex, codex, "hello codex"), ["user"]);
        assert_eq!(who_says(Client::Codex, codex, "musing"), ["user", "assistant"]);
        assert_eq!(who_says(Client::Codex, codex, "hi from codex").first().map(String::as_str), Some("user"));
        assert!(who_says(Client::Codex, codex, "hi from codex").contains(&"tool".to_owned()));
        assert_eq!(who_says(Client::Codex, codex, "account_scoped"), Vec::<String>::new());
        assert_eq!(who_says(Client::Codex, codex, "skills_instructions"), Vec::<String>::new());
        assert_eq!(who_says(Client::Gemini, gemini, "hello gemini"), ["user"]);
        assert!(who_says(Client::Gemini, gemini, "hi gemini").contains(&"gemini".to_owned()));
        assert!(who_says(Client::Opencode, opencode, "hello there").contains(&"user".to_owned()));
        assert_eq!(who_says(Client::Opencode, opencode, "tidy-panda"), Vec::<String>::new());
        assert!(!who_says(Client::ClaudeCode, claude, "hello").is_empty());
        assert_eq!(who_says(Client::ClaudeCode, claude, "11111111-1111-4111"), Vec::<String>::new());
    }
}
