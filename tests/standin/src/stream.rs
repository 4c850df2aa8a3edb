//! An answer in the wire's own shape: as server-sent events with their pauses, or as one message.

use std::time::Duration;

use serde_json::{Value, json};

use crate::script::Directive;

/// Characters of a tool's input that one event carries.
const INPUT_CHARS_PER_EVENT: usize = 24;
/// Bytes of a request that count as one token.
const BYTES_PER_TOKEN: u64 = 4;

/// What the answer's frame says.
pub struct Frame {
    /// Unique for ever: clients store it, and a stand-in started again must not repeat it.
    pub id: String,
    pub model: String,
    pub request_bytes: u64,
}

/// One thing to do while an answer is streamed.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    Event(Value),
    /// An event that carries a word of the answer.
    Word(Value),
    Wait(Duration),
    /// Drop the connection.
    Cut,
}

/// The answer as events. `Error` directives were dealt with before; a `Cut` that stands here is carried out.
pub fn pieces(frame: &Frame, directives: &[Directive]) -> Vec<Piece> {
    let mut pieces = vec![
        Piece::Event(json!({"type": "message_start", "message": message(frame, vec![], None, 1)})),
        Piece::Event(json!({"type": "ping"})),
    ];
    let mut index = 0;
    for directive in spoken(directives) {
        match &directive {
            Directive::Stall(pause) => pieces.push(Piece::Wait(*pause)),
            Directive::Cut { .. } => {
                if index == 0 {
                    pieces.extend(text_block(index, &["cut", "in", "mid"], Duration::ZERO));
                }
                pieces.push(Piece::Cut);
                return pieces;
            }
            Directive::Error { .. } | Directive::Limit(_) => {}
            Directive::Text(text) => {
                pieces.extend(text_block(
                    index,
                    &text.split_whitespace().collect::<Vec<_>>(),
                    Duration::ZERO,
                ));
                index += 1;
            }
            Directive::Slow { words, every, .. } => {
                let words = slow_words(*words);
                pieces.extend(text_block(
                    index,
                    &words.iter().map(String::as_str).collect::<Vec<_>>(),
                    *every,
                ));
                index += 1;
            }
            Directive::Think(_) | Directive::Tool { .. } | Directive::Also { .. } => {
                pieces.extend(whole_block(index, &block(frame, index, &directive)));
                index += 1;
            }
        }
    }
    let words = pieces.iter().filter(|piece| matches!(piece, Piece::Word(_))).count() as u64;
    pieces.push(Piece::Event(json!({
        "type": "message_delta",
        "delta": {"stop_reason": stop_reason(directives), "stop_sequence": null},
        "usage": usage(frame, words),
    })));
    pieces.push(Piece::Event(json!({"type": "message_stop"})));
    pieces
}

/// The answer as one message, and how long it takes.
pub fn whole(frame: &Frame, directives: &[Directive]) -> (Value, Duration) {
    let mut blocks = Vec::new();
    let mut pause = Duration::ZERO;
    for directive in spoken(directives) {
        match &directive {
            Directive::Stall(stall) => pause += *stall,
            Directive::Cut { .. } | Directive::Error { .. } | Directive::Limit(_) => {}
            Directive::Slow { words, every, .. } => {
                pause += every.saturating_mul(*words);
                blocks.push(block(frame, blocks.len(), &directive));
            }
            Directive::Text(_) | Directive::Think(_) | Directive::Tool { .. } | Directive::Also { .. } => {
                blocks.push(block(frame, blocks.len(), &directive));
            }
        }
    }
    let words =
        blocks.iter().filter_map(|block| block["text"].as_str()).flat_map(str::split_whitespace).count();
    (message(frame, blocks, Some(stop_reason(directives)), words as u64), pause)
}

/// The directives, with a word added where the answer would be empty.
pub fn spoken(directives: &[Directive]) -> Vec<Directive> {
    let silent = directives.iter().all(|directive| match directive {
        Directive::Think(_) | Directive::Stall(_) | Directive::Error { .. } | Directive::Limit(_) => true,
        Directive::Text(_)
        | Directive::Slow { .. }
        | Directive::Tool { .. }
        | Directive::Also { .. }
        | Directive::Cut { .. } => false,
    });
    let done = silent.then(|| Directive::Text("Done.".to_owned()));
    directives.iter().cloned().chain(done).collect()
}

fn block(frame: &Frame, index: usize, directive: &Directive) -> Value {
    match directive {
        Directive::Think(thought) => {
            json!({"type": "thinking", "thinking": thought, "signature": "c3RhbmQtaW4gc2lnbmF0dXJl"})
        }
        Directive::Tool { name, input } | Directive::Also { name, input } => {
            json!({"type": "tool_use", "id": format!("toolu_{}_{index}", frame.id), "name": name, "input": input})
        }
        Directive::Text(text) => json!({"type": "text", "text": text}),
        Directive::Slow { words, .. } => json!({"type": "text", "text": slow_words(*words).join(" ")}),
        Directive::Stall(_) | Directive::Error { .. } | Directive::Limit(_) | Directive::Cut { .. } => {
            Value::Null
        }
    }
}

/// The words of a slow answer: each can be told from the others.
pub fn slow_words(count: u32) -> Vec<String> {
    (1..=count).map(|n| format!("word{n}")).collect()
}

fn text_block(index: usize, words: &[&str], every: Duration) -> Vec<Piece> {
    let mut pieces = vec![start(index, json!({"type": "text", "text": ""}))];
    for (n, word) in words.iter().enumerate() {
        if n > 0 && !every.is_zero() {
            pieces.push(Piece::Wait(every));
        }
        let space = if n > 0 { " " } else { "" };
        pieces
            .push(Piece::Word(delta(index, json!({"type": "text_delta", "text": format!("{space}{word}")}))));
    }
    pieces.push(stop(index));
    pieces
}

/// A thinking block or a tool call.
fn whole_block(index: usize, block: &Value) -> Vec<Piece> {
    let mut pieces = Vec::new();
    if block["type"] == "thinking" {
        pieces.push(start(index, json!({"type": "thinking", "thinking": "", "signature": ""})));
        let thought = json!({"type": "thinking_delta", "thinking": block["thinking"]});
        let signature = json!({"type": "signature_delta", "signature": block["signature"]});
        pieces.extend([thought, signature].map(|part| Piece::Event(delta(index, part))));
    } else {
        let (id, name) = (&block["id"], &block["name"]);
        pieces.push(start(index, json!({"type": "tool_use", "id": id, "name": name, "input": {}})));
        let input: Vec<char> = block["input"].to_string().chars().collect();
        pieces.extend(input.chunks(INPUT_CHARS_PER_EVENT).map(|chunk| {
            let part: String = chunk.iter().collect();
            Piece::Event(delta(index, json!({"type": "input_json_delta", "partial_json": part})))
        }));
    }
    pieces.push(stop(index));
    pieces
}

fn start(index: usize, block: Value) -> Piece {
    Piece::Event(json!({"type": "content_block_start", "index": index, "content_block": block}))
}

fn delta(index: usize, delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn stop(index: usize) -> Piece {
    Piece::Event(json!({"type": "content_block_stop", "index": index}))
}

fn message(frame: &Frame, content: Vec<Value>, stop_reason: Option<&str>, words: u64) -> Value {
    json!({
        "id": format!("msg_{}", frame.id),
        "type": "message",
        "role": "assistant",
        "model": frame.model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": null,
        "usage": usage(frame, words),
    })
}

fn usage(frame: &Frame, words: u64) -> Value {
    json!({
        "input_tokens": tokens(frame.request_bytes),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": words.max(1),
        "service_tier": "standard",
    })
}

/// A guess at the tokens of a request.
pub fn tokens(bytes: u64) -> u64 {
    bytes / BYTES_PER_TOKEN
}

fn stop_reason(directives: &[Directive]) -> &'static str {
    let calls = directives.iter().any(|d| matches!(d, Directive::Tool { .. } | Directive::Also { .. }));
    if calls { "tool_use" } else { "end_turn" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        Frame { id: "x".to_owned(), model: "m".to_owned(), request_bytes: 400 }
    }

    fn kinds(directives: &[Directive]) -> Vec<String> {
        pieces(&frame(), directives)
            .into_iter()
            .map(|piece| match piece {
                Piece::Event(event) => event["type"].as_str().unwrap().to_owned(),
                Piece::Word(event) => event["delta"]["text"].as_str().unwrap().to_owned(),
                Piece::Wait(pause) => format!("{} ms", pause.as_millis()),
                Piece::Cut => "cut".to_owned(),
            })
            .collect()
    }

    #[test]
    fn events_come_in_the_order_of_the_real_api() {
        let slow = Directive::Slow { words: 2, every: Duration::from_millis(5), times: None };
        let tool =
            Directive::Tool { name: "Bash".to_owned(), input: json!({"command": "echo 1 > some-file"}) };
        let (begin, end) = (["message_start", "ping"], ["message_delta", "message_stop"]);
        let block = |inner: &[&'static str]| {
            [&["content_block_start"][..], inner, &["content_block_stop"][..]].concat()
        };
        for (directives, middle) in [
            (vec![Directive::Text("a b".to_owned())], block(&["a", " b"])),
            (vec![slow], block(&["word1", "5 ms", " word2"])),
            (vec![tool], block(&["content_block_delta", "content_block_delta"])),
            (
                vec![Directive::Think("why".to_owned())],
                [block(&["content_block_delta", "content_block_delta"]), block(&["Done."])].concat(),
            ),
            (vec![], block(&["Done."])),
        ] {
            assert_eq!(kinds(&directives), [&begin[..], &middle[..], &end[..]].concat(), "{directives:?}");
        }
        let cut = [Directive::Text("a".to_owned()), Directive::Cut { times: None }];
        assert_eq!(kinds(&cut), [&begin[..], &block(&["a"])[..], &["cut"][..]].concat());
    }

    #[test]
    fn a_tools_input_comes_whole_in_parts() {
        let input = json!({"command": "echo \"ä\" >> file.txt; true", "timeout": 5});
        let tool = Directive::Tool { name: "Bash".to_owned(), input: input.clone() };
        let joined: String = pieces(&frame(), &[tool])
            .iter()
            .filter_map(|piece| match piece {
                Piece::Event(event) => event["delta"]["partial_json"].as_str().map(str::to_owned),
                _ => None,
            })
            .collect();
        assert_eq!(serde_json::from_str::<Value>(&joined).unwrap(), input);
    }

    #[test]
    fn the_whole_message_says_what_the_stream_says() {
        let directives = [
            Directive::Slow { words: 2, every: Duration::from_secs(1), times: None },
            Directive::Tool { name: "Read".to_owned(), input: json!({}) },
        ];
        let (message, pause) = whole(&frame(), &directives);
        assert_eq!(pause, Duration::from_secs(2));
        assert_eq!(message["stop_reason"], "tool_use");
        assert_eq!(
            message["content"],
            json!([
                {"type": "text", "text": "word1 word2"},
                {"type": "tool_use", "id": "toolu_x_1", "name": "Read", "input": {}},
            ])
        );
        assert_eq!(message["usage"]["input_tokens"], 100);
    }
}
