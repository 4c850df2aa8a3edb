//! The OpenAI Responses API, streamed, as Codex asks it: the same script, in that wire's own shape.
//! It reads requests only, and answers nothing by itself.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    script::{Directive, Part, part_of},
    stream::{Frame, Piece, slow_words, spoken, tokens},
};

/// What the client itself says for the user begins with one of these.
const CLIENTS_OWN: [&str; 6] = [
    "<environment_context>",
    "<subagent_notification>",
    "<turn_aborted>",
    "<user_instructions>",
    "# AGENTS.md instructions",
    "<skill>",
];

/// What to answer to this body; `None` when it holds no input.
pub fn part(body: &Value) -> Option<Part> {
    let (mut prompt, mut results) = (String::new(), 0);
    for item in body["input"].as_array()? {
        match (item["type"].as_str(), item["role"].as_str()) {
            (Some("message") | None, Some("user")) => {
                let texts =
                    item["content"].as_array().into_iter().flatten().filter_map(|c| c["text"].as_str());
                let users: Vec<_> = texts.filter(|text| is_the_users(text)).collect();
                if !users.is_empty() {
                    (prompt, results) = (users.join("\n"), 0);
                }
            }
            (Some("function_call_output" | "custom_tool_call_output"), _) => results += 1,
            _ => {}
        }
    }
    Some(part_of(prompt, results))
}

fn is_the_users(text: &str) -> bool {
    let text = text.trim_start();
    !text.is_empty() && CLIENTS_OWN.iter().all(|own| !text.starts_with(own))
}

/// The answer as events. `Error` directives were dealt with before; a `Cut` that stands here is carried out.
pub fn pieces(frame: &Frame, body: &Value, directives: &[Directive]) -> Vec<Piece> {
    let response = |status: &str, usage: Value| {
        let id = format!("resp_{}", frame.id);
        json!({"id": id, "object": "response", "status": status, "model": frame.model, "output": [], "usage": usage})
    };
    let created = json!({"type": "response.created", "response": response("in_progress", Value::Null)});
    let mut pieces = vec![Piece::Event(created)];
    let mut index = 0;
    for directive in spoken(directives) {
        match &directive {
            Directive::Stall(pause) => pieces.push(Piece::Wait(*pause)),
            Directive::Error { .. } | Directive::Limit(_) => {}
            Directive::Cut { .. } => {
                if index == 0 {
                    pieces.extend(begun_message(frame, index, &["cut", "in", "mid"], Duration::ZERO));
                }
                pieces.push(Piece::Cut);
                return pieces;
            }
            Directive::Text(text) => {
                let words: Vec<_> = text.split_whitespace().collect();
                pieces.extend(message(frame, index, &words, Duration::ZERO));
                index += 1;
            }
            Directive::Slow { words, every, .. } => {
                let words = slow_words(*words);
                let words: Vec<_> = words.iter().map(String::as_str).collect();
                pieces.extend(message(frame, index, &words, *every));
                index += 1;
            }
            Directive::Think(thought) => {
                let summary = json!([{"type": "summary_text", "text": thought}]);
                let item = json!({"type": "reasoning", "id": format!("rs_{}_{index}", frame.id), "summary": summary,
                    "encrypted_content": "c3RhbmQtaW4="});
                pieces.extend([added(index, &item), done(index, &item)]);
                index += 1;
            }
            Directive::Tool { name, input } | Directive::Also { name, input } => {
                let item = call(frame, index, body, name, input);
                pieces.extend([added(index, &item), done(index, &item)]);
                index += 1;
            }
        }
    }
    let words = pieces.iter().filter(|piece| matches!(piece, Piece::Word(_))).count() as u64;
    let completed = response("completed", usage(frame, words.max(1)));
    pieces.push(Piece::Event(json!({"type": "response.completed", "response": completed})));
    pieces
}

fn message(frame: &Frame, index: usize, words: &[&str], every: Duration) -> Vec<Piece> {
    let mut pieces = begun_message(frame, index, words, every);
    pieces.push(done(index, &message_item(frame, index, "completed", &words.join(" "))));
    pieces
}

fn begun_message(frame: &Frame, index: usize, words: &[&str], every: Duration) -> Vec<Piece> {
    let mut pieces = vec![added(index, &message_item(frame, index, "in_progress", ""))];
    for (n, word) in words.iter().enumerate() {
        if n > 0 && !every.is_zero() {
            pieces.push(Piece::Wait(every));
        }
        let space = if n > 0 { " " } else { "" };
        pieces.push(Piece::Word(json!({"type": "response.output_text.delta", "output_index": index,
            "content_index": 0, "item_id": message_id(frame, index), "delta": format!("{space}{word}")})));
    }
    pieces
}

fn message_id(frame: &Frame, index: usize) -> String {
    format!("msg_{}_{index}", frame.id)
}

fn message_item(frame: &Frame, index: usize, status: &str, text: &str) -> Value {
    let content = if text.is_empty() {
        json!([])
    } else {
        json!([{"type": "output_text", "text": text, "annotations": []}])
    };
    json!({"type": "message", "id": message_id(frame, index), "role": "assistant", "status": status,
        "content": content})
}

/// A tool of an MCP server is offered inside its server's namespace, and called so.
fn call(frame: &Frame, index: usize, body: &Value, name: &str, input: &Value) -> Value {
    let tools = body["tools"].as_array().into_iter().flatten();
    let spaces = tools.filter(|tool| tool["type"] == "namespace").filter_map(|tool| tool["name"].as_str());
    let within = spaces.filter_map(|space| Some((space, name.strip_prefix(space)?))).next();
    let mut item = json!({"type": "function_call", "id": format!("fc_{}_{index}", frame.id),
        "call_id": format!("call_{}_{index}", frame.id), "name": name, "arguments": input.to_string(),
        "status": "completed"});
    if let (Some((space, tool)), Some(fields)) = (within, item.as_object_mut()) {
        fields.insert("namespace".to_owned(), json!(space));
        fields.insert("name".to_owned(), json!(tool.trim_start_matches("__")));
    }
    item
}

fn added(index: usize, item: &Value) -> Piece {
    Piece::Event(json!({"type": "response.output_item.added", "output_index": index, "item": item}))
}

fn done(index: usize, item: &Value) -> Piece {
    Piece::Event(json!({"type": "response.output_item.done", "output_index": index, "item": item}))
}

fn usage(frame: &Frame, words: u64) -> Value {
    let input = tokens(frame.request_bytes);
    json!({
        "input_tokens": input,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": words,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": input + words,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(role: &str, text: &str) -> Value {
        json!({"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]})
    }

    #[test]
    fn the_newest_prompt_is_the_users_own() {
        let output = json!({"type": "function_call_output", "call_id": "c", "output": "done"});
        let own = said("user", "<environment_context>\n@@text no</environment_context>");
        for (input, prompt, results) in [
            (vec![own.clone(), said("user", "hello")], "hello", 0),
            (vec![said("user", "one"), said("developer", "@@text no"), output.clone(), own], "one", 1),
            (vec![said("user", "one"), output, said("user", "two")], "two", 0),
            (vec![], "", 0),
        ] {
            let part = part(&json!({"input": input})).unwrap();
            assert_eq!((part.prompt.as_str(), part.results), (prompt, results));
        }
        assert!(part(&json!({"input": "text"})).is_none());
    }

    #[test]
    fn events_come_in_the_order_of_the_real_api() {
        let frame = Frame { id: "x".to_owned(), model: "m".to_owned(), request_bytes: 400 };
        let tools = json!({"tools": [{"type": "function", "name": "exec_command"}, {"type": "namespace", "name": "mcp__shim"}]});
        let directives = [
            Directive::Text("a b".to_owned()),
            Directive::Tool { name: "exec_command".to_owned(), input: json!({"cmd": "ls"}) },
            Directive::Also { name: "mcp__shim__status".to_owned(), input: json!({}) },
        ];
        let events: Vec<_> = pieces(&frame, &tools, &directives)
            .into_iter()
            .filter_map(|piece| match piece {
                Piece::Event(event) | Piece::Word(event) => Some(event),
                Piece::Wait(_) | Piece::Cut => None,
            })
            .collect();
        let kinds: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
        let (added, done) = ("response.output_item.added", "response.output_item.done");
        let delta = "response.output_text.delta";
        assert_eq!(
            kinds,
            ["response.created", added, delta, delta, done, added, done, added, done, "response.completed"]
        );
        assert_eq!(events[6]["item"]["arguments"], r#"{"cmd":"ls"}"#);
        assert_eq!(
            (&events[8]["item"]["namespace"], &events[8]["item"]["name"]),
            (&json!("mcp__shim"), &json!("status"))
        );
        assert_eq!(events[9]["response"]["usage"]["total_tokens"], 102);
        let cut = pieces(&frame, &tools, &[Directive::Cut { times: None }]);
        assert_eq!(cut.last(), Some(&Piece::Cut));
    }
}
