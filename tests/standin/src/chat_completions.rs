//! OpenAI chat completions, streamed, as opencode asks them: the same script, in that wire's own shape.
//! It reads requests only, and answers nothing by itself.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    script::{Directive, Part, part_of},
    stream::{Frame, Piece, slow_words, spoken, tokens},
};

/// How the client's own request for a title begins, and what it is answered.
const TITLE_REQUEST: &str = "You are a title generator";
const TITLE: &str = "A title by the stand-in";
/// Characters of a tool's input that one event carries.
const INPUT_CHARS_PER_EVENT: usize = 24;

/// What to answer to this body; `None` when it holds no messages.
pub fn part(body: &Value) -> Option<Part> {
    let (mut prompt, mut results) = (String::new(), 0);
    for message in body["messages"].as_array()? {
        match message["role"].as_str() {
            Some("user") => {
                let text = text_of(&message["content"]);
                if !text.trim().is_empty() {
                    (prompt, results) = (text, 0);
                }
            }
            Some("tool") => results += 1,
            _ => {}
        }
    }
    if asks_for_a_title(body) {
        return Some(Part { prompt, results, directives: vec![Directive::Text(TITLE.to_owned())] });
    }
    Some(part_of(prompt, results))
}

/// Whether the client asks what a chat is about, and not for its next answer.
pub fn asks_for_a_title(body: &Value) -> bool {
    let first = body["messages"].as_array().and_then(|messages| messages.first());
    first.is_some_and(|message| text_of(&message["content"]).starts_with(TITLE_REQUEST))
}

fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            blocks.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

/// The answer as events. `Error` directives were dealt with before; a `Cut` that stands here is carried out.
pub fn pieces(frame: &Frame, directives: &[Directive]) -> Vec<Piece> {
    let mut pieces = vec![Piece::Event(chunk(frame, &json!({"role": "assistant", "content": ""}), None))];
    let mut calls = 0;
    for directive in spoken(directives) {
        match &directive {
            Directive::Stall(pause) => pieces.push(Piece::Wait(*pause)),
            Directive::Error { .. } | Directive::Limit(_) => {}
            Directive::Cut { .. } => {
                if pieces.len() == 1 {
                    pieces.extend(words(frame, &["cut", "in", "mid"], Duration::ZERO));
                }
                pieces.push(Piece::Cut);
                return pieces;
            }
            Directive::Text(text) => {
                let said: Vec<_> = text.split_whitespace().collect();
                pieces.extend(words(frame, &said, Duration::ZERO));
            }
            Directive::Slow { words: count, every, .. } => {
                let said = slow_words(*count);
                let said: Vec<_> = said.iter().map(String::as_str).collect();
                pieces.extend(words(frame, &said, *every));
            }
            Directive::Think(thought) => {
                pieces.push(Piece::Event(chunk(frame, &json!({"reasoning_content": thought}), None)));
            }
            Directive::Tool { name, input } | Directive::Also { name, input } => {
                pieces.extend(call(frame, calls, name, input));
                calls += 1;
            }
        }
    }
    let said = pieces.iter().filter(|piece| matches!(piece, Piece::Word(_))).count() as u64;
    let finish = if calls > 0 { "tool_calls" } else { "stop" };
    pieces.push(Piece::Event(chunk(frame, &json!({}), Some(finish))));
    pieces.push(Piece::Event(usage(frame, said)));
    pieces.push(Piece::Event(Value::from("[DONE]")));
    pieces
}

fn chunk(frame: &Frame, delta: &Value, finish: Option<&str>) -> Value {
    json!({
        "id": format!("chatcmpl-{}", frame.id), "object": "chat.completion.chunk", "created": 1, "model": frame.model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    })
}

fn usage(frame: &Frame, said: u64) -> Value {
    let (asked, said) = (tokens(frame.request_bytes), said.max(1));
    json!({
        "id": format!("chatcmpl-{}", frame.id), "object": "chat.completion.chunk", "created": 1, "model": frame.model,
        "choices": [],
        "usage": {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said},
    })
}

fn words(frame: &Frame, said: &[&str], every: Duration) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (n, word) in said.iter().enumerate() {
        if n > 0 && !every.is_zero() {
            pieces.push(Piece::Wait(every));
        }
        let space = if n > 0 { " " } else { "" };
        pieces.push(Piece::Word(chunk(frame, &json!({"content": format!("{space}{word}")}), None)));
    }
    pieces
}

fn call(frame: &Frame, index: usize, name: &str, input: &Value) -> Vec<Piece> {
    let id = format!("call_{}_{index}", frame.id);
    let begun =
        json!({"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}});
    let mut pieces = vec![Piece::Event(chunk(frame, &json!({"tool_calls": [begun]}), None))];
    let text: Vec<char> = input.to_string().chars().collect();
    pieces.extend(text.chunks(INPUT_CHARS_PER_EVENT).map(|part| {
        let part: String = part.iter().collect();
        let more = json!({"index": index, "function": {"arguments": part}});
        Piece::Event(chunk(frame, &json!({"tool_calls": [more]}), None))
    }));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(messages: &Value) -> Value {
        json!({"model": "m", "stream": true, "messages": messages})
    }

    #[test]
    fn the_script_moves_on_with_each_tool_result() {
        let script = "do\n@@tool bash {\"command\": \"a\"}\n@@text last";
        let asked =
            json!([{"role": "system", "content": "You are a coder"}, {"role": "user", "content": script}]);
        let Directive::Tool { name, .. } = &part(&body(&asked)).unwrap().directives[0] else { panic!() };
        assert_eq!(name, "bash");
        let mut after = asked.as_array().unwrap().clone();
        after.push(json!({"role": "assistant", "content": "", "tool_calls": []}));
        after.push(json!({"role": "tool", "tool_call_id": "c", "content": "done"}));
        let part = part(&body(&Value::from(after))).unwrap();
        assert_eq!((part.results, part.directives), (1, vec![Directive::Text("last".to_owned())]));
        assert!(super::part(&json!({})).is_none());
    }

    #[test]
    fn a_request_for_a_title_is_told_apart_and_plays_no_script() {
        let asked = json!([
            {"role": "system", "content": "You are a title generator. You output ONLY a thread title."},
            {"role": "user", "content": [{"type": "text", "text": "@@slow 5 1"}]},
        ]);
        assert!(asks_for_a_title(&body(&asked)));
        assert_eq!(part(&body(&asked)).unwrap().directives, [Directive::Text(TITLE.to_owned())]);
    }

    #[test]
    fn events_come_as_the_real_api_sends_them() {
        let frame = Frame { id: "x".to_owned(), model: "m".to_owned(), request_bytes: 400 };
        let input = json!({"command": "echo \"ä\" >> some-file.txt; true"});
        let directives = [
            Directive::Think("why".to_owned()),
            Directive::Slow { words: 2, every: Duration::from_millis(5), times: None },
            Directive::Tool { name: "bash".to_owned(), input: input.clone() },
        ];
        let pieces = pieces(&frame, &directives);
        let events: Vec<&Value> = pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Event(event) | Piece::Word(event) => Some(event),
                Piece::Wait(_) | Piece::Cut => None,
            })
            .collect();
        let text: String =
            events.iter().filter_map(|e| e["choices"][0]["delta"]["content"].as_str()).collect();
        let arguments: String = events
            .iter()
            .filter_map(|e| e["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].as_str())
            .collect();
        assert_eq!(text, "word1 word2");
        assert_eq!(serde_json::from_str::<Value>(&arguments).unwrap(), input);
        assert_eq!(events[events.len() - 3]["choices"][0]["finish_reason"], "tool_calls");
        assert_eq!(events[events.len() - 2]["usage"]["prompt_tokens"], 100);
        assert_eq!(events[events.len() - 1], "[DONE]");
        assert_eq!(super::pieces(&frame, &[Directive::Cut { times: None }]).last(), Some(&Piece::Cut));
    }
}
