//! The Gemini API as Gemini CLI asks it: the same script, streamed in that wire's own shape.
//! It reads requests only, and answers nothing by itself.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::{
    script::{Directive, Part, part_of},
    stream::{Frame, Piece, slow_words, spoken, tokens},
};

/// What the client itself says for the user begins with one of these.
const CLIENTS_OWN: [&str; 3] =
    ["<session_context>", "[The previous response was interrupted", "<state_snapshot>"];

/// What a path asks of which model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Stream,
    Whole,
    CountTokens,
}

/// Reads `/v1beta/models/MODEL:VERB`.
pub fn asked(path: &str) -> Option<(&str, Ask)> {
    let (model, verb) = path.strip_prefix("/v1beta/models/")?.split_once(':')?;
    let ask = match verb {
        "streamGenerateContent" => Ask::Stream,
        "generateContent" => Ask::Whole,
        "countTokens" => Ask::CountTokens,
        _ => return None,
    };
    Some((model, ask))
}

/// What to answer to this body; `None` when it holds no contents.
pub fn part(body: &Value) -> Option<Part> {
    let (mut prompt, mut results) = (String::new(), 0);
    for content in contents(body)?.iter().filter(|content| content["role"] == "user") {
        for part in content["parts"].as_array().into_iter().flatten() {
            match part["text"].as_str() {
                Some(text) if is_the_users(text) => (prompt, results) = (without_hooks(text), 0),
                Some(_) => {}
                None => results += usize::from(part.get("functionResponse").is_some()),
            }
        }
    }
    Some(part_of(prompt, results))
}

/// What the API is given to go on with.
pub fn contents(body: &Value) -> Option<&[Value]> {
    body["contents"].as_array().map(Vec::as_slice)
}

fn is_the_users(text: &str) -> bool {
    let text = text.trim_start();
    !text.is_empty() && CLIENTS_OWN.iter().all(|own| !text.starts_with(own))
}

/// The client puts what hooks say before the prompt, in the same text.
fn without_hooks(text: &str) -> String {
    match text.split_once("</hook_context>") {
        Some((hook, prompt)) if hook.trim_start().starts_with("<hook_context>") => {
            prompt.trim_start().to_owned()
        }
        _ => text.to_owned(),
    }
}

/// The answer as events. `Error` directives were dealt with before; a `Cut` that stands here is carried out.
pub fn pieces(frame: &Frame, directives: &[Directive]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for directive in spoken(directives) {
        match &directive {
            Directive::Stall(pause) => pieces.push(Piece::Wait(*pause)),
            Directive::Error { .. } | Directive::Limit(_) => {}
            Directive::Cut { .. } => {
                if pieces.is_empty() {
                    pieces.extend(words(frame, &["cut", "in", "mid"], Duration::ZERO));
                }
                pieces.push(Piece::Cut);
                return pieces;
            }
            Directive::Text(text) => {
                pieces.extend(words(frame, &text.split_whitespace().collect::<Vec<_>>(), Duration::ZERO));
            }
            Directive::Slow { words: count, every, .. } => {
                let said = slow_words(*count);
                pieces.extend(words(frame, &said.iter().map(String::as_str).collect::<Vec<_>>(), *every));
            }
            Directive::Think(thought) => {
                pieces.push(Piece::Event(chunk(frame, &json!({"text": thought, "thought": true}), None)));
            }
            Directive::Tool { name, input } | Directive::Also { name, input } => {
                let call = json!({"functionCall": {"name": name, "args": input}});
                pieces.push(Piece::Event(chunk(frame, &call, None)));
            }
        }
    }
    pieces.push(Piece::Event(chunk(frame, &json!({"text": ""}), Some("STOP"))));
    pieces
}

fn words(frame: &Frame, words: &[&str], every: Duration) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (n, word) in words.iter().enumerate() {
        if n > 0 && !every.is_zero() {
            pieces.push(Piece::Wait(every));
        }
        let space = if n > 0 { " " } else { "" };
        pieces.push(Piece::Word(chunk(frame, &json!({"text": format!("{space}{word}")}), None)));
    }
    pieces
}

/// The answer to a question that the client asks for itself, such as for a title: never a script's, and in the
/// shape that it wants. A wrong shape has the client ask again for minutes.
pub fn whole(frame: &Frame, body: &Value) -> Value {
    let config = &body["generationConfig"];
    let schema = config.get("responseJsonSchema").or_else(|| config.get("responseSchema"));
    let text =
        schema.map_or_else(|| "A stand-in's own words".to_owned(), |schema| example(schema).to_string());
    chunk(frame, &json!({"text": text}), Some("STOP"))
}

/// The plainest value that a schema allows.
fn example(schema: &Value) -> Value {
    match schema["type"].as_str().unwrap_or_default().to_ascii_lowercase().as_str() {
        "object" => {
            let properties = schema["properties"].as_object().cloned().unwrap_or_else(Map::new);
            properties.iter().map(|(name, schema)| (name.clone(), example(schema))).collect()
        }
        "array" => json!([]),
        "integer" | "number" => json!(1),
        "boolean" => json!(false),
        _ => schema["enum"].get(0).cloned().unwrap_or_else(|| json!("none")),
    }
}

fn chunk(frame: &Frame, part: &Value, finish: Option<&str>) -> Value {
    let mut candidate = json!({"index": 0, "content": {"role": "model", "parts": [part]}});
    if let Some(reason) = finish {
        candidate.as_object_mut().map(|map| map.insert("finishReason".to_owned(), json!(reason)));
    }
    let asked = tokens(frame.request_bytes);
    json!({
        "candidates": [candidate],
        "usageMetadata": {"promptTokenCount": asked, "candidatesTokenCount": 1, "totalTokenCount": asked + 1},
        "modelVersion": frame.model,
        "responseId": frame.id,
    })
}

/// An error in the real API's shape.
pub fn failure(status: u16, message: &str) -> Value {
    let name = match status {
        400 => "INVALID_ARGUMENT",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        _ => "INTERNAL",
    };
    json!({"error": {"code": status, "message": message, "status": name}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        Frame { id: "x".to_owned(), model: "m".to_owned(), request_bytes: 400 }
    }

    fn user(parts: &[Value]) -> Value {
        json!({"role": "user", "parts": parts})
    }

    #[test]
    fn a_path_says_what_is_asked() {
        for (path, want) in [
            ("/v1beta/models/gemini-2.5-pro:streamGenerateContent", Some(("gemini-2.5-pro", Ask::Stream))),
            ("/v1beta/models/m:generateContent", Some(("m", Ask::Whole))),
            ("/v1beta/models/m:countTokens", Some(("m", Ask::CountTokens))),
            ("/v1beta/models/m:tune", None),
            ("/v1/messages", None),
        ] {
            assert_eq!(asked(path), want, "{path}");
        }
    }

    #[test]
    fn the_newest_prompt_is_the_users_own() {
        let context = json!({"text": "<session_context>\n@@text never\n</session_context>"});
        let result = json!({"functionResponse": {"name": "t", "response": {}}});
        let cut = json!({"text": "[The previous response was interrupted before it completed.]"});
        let hooked = json!({"text": "<hook_context>@@text no</hook_context>\n\nthree"});
        for (contents, prompt, results) in [
            (vec![user(&[context.clone(), json!({"text": "one"})])], "one", 0),
            (
                vec![
                    user(&[json!({"text": "one"})]),
                    json!({"role": "model", "parts": [{"functionCall": {}}]}),
                    user(&[result.clone(), result.clone()]),
                ],
                "one",
                2,
            ),
            (vec![user(&[json!({"text": "one"}), json!({"text": "two"})])], "two", 0),
            (vec![user(&[json!({"text": "one"})]), user(&[cut]), user(&[hooked])], "three", 0),
        ] {
            let part = part(&json!({"contents": contents})).unwrap();
            assert_eq!((part.prompt.as_str(), part.results), (prompt, results));
        }
        assert_eq!(part(&json!({})), None);
    }

    #[test]
    fn pieces_come_in_the_order_of_the_real_api() {
        let directives = [
            Directive::Think("why".to_owned()),
            Directive::Slow { words: 2, every: Duration::from_millis(5), times: None },
            Directive::Tool { name: "read_file".to_owned(), input: json!({"file_path": "x"}) },
        ];
        let said: Vec<_> = pieces(&frame(), &directives)
            .into_iter()
            .map(|piece| match piece {
                Piece::Event(event) | Piece::Word(event) => {
                    event["candidates"][0]["content"]["parts"][0].clone()
                }
                Piece::Wait(pause) => json!(pause.as_millis() as u64),
                Piece::Cut => json!("cut"),
            })
            .collect();
        assert_eq!(
            said,
            [
                json!({"text": "why", "thought": true}),
                json!({"text": "word1"}),
                json!(5),
                json!({"text": " word2"}),
                json!({"functionCall": {"name": "read_file", "args": {"file_path": "x"}}}),
                json!({"text": ""}),
            ]
        );
        let cut = pieces(&frame(), &[Directive::Cut { times: None }]);
        assert_eq!((cut.len(), cut.last()), (4, Some(&Piece::Cut)));
    }

    #[test]
    fn what_the_client_asks_for_itself_has_the_shape_it_wants() {
        let schema = json!({"type": "OBJECT", "properties": {"why": {"type": "STRING"}, "score": {"type": "INTEGER"}}});
        let body = json!({"generationConfig": {"responseJsonSchema": schema}});
        let answer = whole(&frame(), &body);
        let text = answer["candidates"][0]["content"]["parts"][0]["text"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), json!({"why": "none", "score": 1}));
    }
}
