//! What the stand-in answers: directives in the newest prompt, one a line, played one after another over the
//! tool loop of that turn. Reads requests only; the same request always gives the same part of the script.
//!
//! `@@text WORDS` · `@@think WORDS` · `@@slow N SECONDS [TIMES]` (N words, SECONDS apart) · `@@stall SECONDS` (silence) ·
//! `@@tool NAME {json}` · `@@also NAME {json}` (a further call in the same answer) ·
//! `@@limit [SECONDS]` (the usage limit is reached, and ends in so long) · `@@error STATUS [TIMES]` · `@@cut [TIMES]` (the connection drops in mid-answer). With TIMES, only that many tries
//! of the same request are slow, fail or are cut.

use std::time::Duration;

use serde_json::Value;

/// Longest pause that a directive may ask for; a slip of the pen must not hold a test for days.
const PAUSE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Most words that `@@slow` streams.
const SLOW_WORDS_MAX: u32 = 100_000;
/// Characters of the prompt that an echo repeats.
const ECHO_CHARS_MAX: usize = 200;
/// What the client says for the user when it goes on with a turn that was cut.
const GO_ON: &str = "Continue from where you left off.";

#[derive(Clone, Debug, PartialEq)]
pub enum Directive {
    Text(String),
    Think(String),
    /// So slow in the first `times` tries, or in all.
    Slow {
        words: u32,
        every: Duration,
        times: Option<u32>,
    },
    Stall(Duration),
    Tool {
        name: String,
        input: Value,
    },
    /// A further tool call in the answer of the `Tool` before it.
    Also {
        name: String,
        input: Value,
    },
    /// The request fails with this status: the first `times` tries, or all.
    Error {
        status: u16,
        times: Option<u32>,
    },
    /// The usage limit is reached. It ends in so long, where that is said.
    Limit(Option<Duration>),
    /// The connection drops in mid-answer: in the first `times` tries, or all.
    Cut {
        times: Option<u32>,
    },
}

/// The part of a script that one request is answered with.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The newest prompt, whole.
    pub prompt: String,
    /// Tool results since that prompt.
    pub results: usize,
    pub directives: Vec<Directive>,
}

/// What to answer to these messages.
pub fn part(messages: &[Value]) -> Part {
    let (prompt, results) = newest_prompt(messages);
    part_of(prompt, results)
}

/// What to answer to a prompt that so many tool results came after, whatever the wire.
pub fn part_of(prompt: String, results: usize) -> Part {
    let directives = parse(&prompt);
    let directives =
        if directives.is_empty() { vec![echo(&prompt, results)] } else { after(directives, results) };
    Part { prompt, results, directives }
}

/// The newest thing the user said, and how many tool results came after it. The client's own words (reminders,
/// notices of an interruption) are none of the user's.
fn newest_prompt(messages: &[Value]) -> (String, usize) {
    let mut prompt = String::new();
    let mut results = 0;
    for message in messages.iter().filter(|m| m["role"] == "user") {
        match &message["content"] {
            Value::String(text) if is_the_users(text) => (prompt, results) = (text.clone(), 0),
            Value::Array(blocks) => {
                for block in blocks {
                    match (block["type"].as_str(), block["text"].as_str()) {
                        (Some("tool_result"), _) => results += 1,
                        (Some("text"), Some(text)) if is_the_users(text) => {
                            (prompt, results) = (text.to_owned(), 0)
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    (prompt, results)
}

fn is_the_users(text: &str) -> bool {
    let text = text.trim_start();
    !text.is_empty()
        && !text.starts_with("<system-reminder>")
        && !text.starts_with("[Request interrupted by user")
}

/// The directives of a prompt, in their order. A line that cannot be read becomes an answer that says so.
fn parse(prompt: &str) -> Vec<Directive> {
    prompt
        .lines()
        .filter_map(|line| line.trim().strip_prefix("@@"))
        .map(|line| {
            directive(line).unwrap_or_else(|| {
                Directive::Text(format!(
                    "The stand-in cannot read `@@{line}`. It knows: text WORDS, think WORDS, slow N SECONDS [TIMES], \
                     stall SECONDS, tool NAME {{json}}, also NAME {{json}}, limit [SECONDS], error STATUS [TIMES], cut [TIMES]."
                ))
            })
        })
        .collect()
}

fn directive(line: &str) -> Option<Directive> {
    let (verb, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let mut words = rest.split_whitespace();
    Some(match verb {
        "text" if !rest.is_empty() => Directive::Text(rest.to_owned()),
        "think" if !rest.is_empty() => Directive::Think(rest.to_owned()),
        "slow" => Directive::Slow {
            words: words.next()?.parse::<u32>().ok()?.clamp(1, SLOW_WORDS_MAX),
            every: seconds(words.next()?)?,
            times: times(words.next())?,
        },
        "stall" => Directive::Stall(seconds(words.next()?)?),
        "tool" => {
            let (name, input) = call(rest)?;
            Directive::Tool { name, input }
        }
        "also" => {
            let (name, input) = call(rest)?;
            Directive::Also { name, input }
        }
        "error" => Directive::Error {
            status: words.next()?.parse().ok().filter(|status| (400..600).contains(status))?,
            times: times(words.next())?,
        },
        "limit" => Directive::Limit(match words.next() {
            Some(word) => Some(seconds(word)?),
            None => None,
        }),
        "cut" => Directive::Cut { times: times(words.next())? },
        _ => return None,
    })
}

fn call(text: &str) -> Option<(String, Value)> {
    let (name, input) = text.split_once(char::is_whitespace)?;
    let input: Value = serde_json::from_str(input.trim()).ok()?;
    input.is_object().then(|| (name.to_owned(), input))
}

fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok().map(|pause| pause.min(PAUSE_MAX))
}

fn times(word: Option<&str>) -> Option<Option<u32>> {
    word.map(|word| word.parse().ok()).map_or(Some(None), |times| times.map(Some))
}

/// The directives of the answer that follows `results` tool results: up to its tool calls, or to the end.
fn after(directives: Vec<Directive>, results: usize) -> Vec<Directive> {
    let mut calls = 0;
    let mut part = Vec::new();
    for directive in directives {
        let is_call = matches!(directive, Directive::Tool { .. } | Directive::Also { .. });
        let has_call = part.iter().any(|d| matches!(d, Directive::Tool { .. } | Directive::Also { .. }));
        if has_call && !matches!(directive, Directive::Also { .. }) {
            break;
        }
        if calls >= results {
            part.push(directive);
        }
        calls += usize::from(is_call);
    }
    part
}

fn echo(prompt: &str, results: usize) -> Directive {
    let said: String = prompt.chars().take(ECHO_CHARS_MAX).collect();
    Directive::Text(match (prompt.trim(), results) {
        (GO_ON, _) => "Going on from where the answer was cut.".to_owned(),
        ("", _) => "The stand-in heard nothing.".to_owned(),
        (_, 0) => format!("You said: {said}"),
        (_, n) => format!("You said: {said} ({n} tool results came since)"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn user(blocks: &[Value]) -> Value {
        json!({"role": "user", "content": blocks})
    }

    fn text(text: &str) -> Value {
        json!({"type": "text", "text": text})
    }

    fn result() -> Value {
        json!({"type": "tool_result", "tool_use_id": "t", "content": "done"})
    }

    fn bash(command: &str) -> Directive {
        Directive::Tool { name: "Bash".to_owned(), input: json!({"command": command}) }
    }

    #[test]
    fn each_directive_is_read() {
        let ms = Duration::from_millis;
        for (line, want) in [
            ("@@text two words", Directive::Text("two words".to_owned())),
            ("  @@think deep", Directive::Think("deep".to_owned())),
            ("@@slow 3 0.25", Directive::Slow { words: 3, every: ms(250), times: None }),
            ("@@slow 3 1 2", Directive::Slow { words: 3, every: ms(1000), times: Some(2) }),
            ("@@stall 2", Directive::Stall(ms(2000))),
            (r#"@@tool Bash {"command": "ls"}"#, bash("ls")),
            (r#"@@also Read {}"#, Directive::Also { name: "Read".to_owned(), input: json!({}) }),
            ("@@error 529", Directive::Error { status: 529, times: None }),
            ("@@error 429 2", Directive::Error { status: 429, times: Some(2) }),
            ("@@limit", Directive::Limit(None)),
            ("@@limit 60", Directive::Limit(Some(ms(60_000)))),
            ("@@cut", Directive::Cut { times: None }),
            ("@@cut 1", Directive::Cut { times: Some(1) }),
        ] {
            assert_eq!(parse(line), [want], "{line}");
        }
    }

    #[test]
    fn a_line_that_cannot_be_read_is_answered_with_what_is_known() {
        for line in [
            "@@",
            "@@tool Bash",
            "@@tool Bash [1]",
            "@@slow",
            "@@slow 3 -1",
            "@@error 200",
            "@@cut x",
            "@@limit soon",
            "@@dance",
        ] {
            let [Directive::Text(answer)] = &parse(line)[..] else { panic!("{line}") };
            assert!(answer.contains(&format!("`{line}`")), "{answer}");
        }
    }

    #[test]
    fn each_tool_result_moves_the_script_on() {
        let script = "do\n@@text first\n@@tool Bash {\"command\":\"a\"}\n@@also Bash {\"command\":\"b\"}\n@@tool Bash {\"command\":\"c\"}\n@@text last";
        let also = Directive::Also { name: "Bash".to_owned(), input: json!({"command": "b"}) };
        let say = |words: &str| Directive::Text(words.to_owned());
        for (results, want) in [
            (0, vec![say("first"), bash("a"), also]),
            (2, vec![bash("c")]),
            (3, vec![say("last")]),
            (4, vec![]),
        ] {
            let mut messages = vec![user(&[text(script)])];
            messages.extend(
                (0..results).map(|_| user(&[result(), text("<system-reminder>\nx\n</system-reminder>")])),
            );
            assert_eq!(part(&messages).directives, want, "{results}");
        }
    }

    #[test]
    fn the_newest_prompt_is_the_users_own() {
        let reminder = text("<system-reminder>@@text never</system-reminder>");
        for (messages, prompt, results) in [
            (vec![json!({"role": "user", "content": "hello"})], "hello", 0),
            (vec![user(&[reminder.clone(), text("hello"), reminder.clone()])], "hello", 0),
            (
                vec![
                    user(&[text("one"), reminder.clone()]),
                    json!({"role": "system", "content": "SessionStart hook additional context: @@text no"}),
                    json!({"role": "assistant", "content": [text("@@text no")]}),
                    user(&[result(), result()]),
                ],
                "one",
                2,
            ),
            (vec![user(&[text("one")]), user(&[result(), text(GO_ON), reminder])], GO_ON, 0),
            (vec![user(&[text("one"), text("[Request interrupted by user]")])], "one", 0),
            (vec![], "", 0),
        ] {
            let part = part(&messages);
            assert_eq!((part.prompt.as_str(), part.results), (prompt, results));
        }
    }

    #[test]
    fn a_turn_that_goes_on_does_not_play_the_script_again() {
        let part = part(&[user(&[text("@@slow 100 1")]), user(&[text(GO_ON)])]);
        assert_eq!(part.directives, [Directive::Text("Going on from where the answer was cut.".to_owned())]);
    }
}
