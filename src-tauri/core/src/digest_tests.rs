//! Digests of what real clients wrote, and of what no client should write.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Digest, LastMessage, Reader, TODOS_MAX, Turn, sha256};
use crate::{chats::Client, checkpoints::Todo, crashes::ToolCall, prices::Spent, time::Timestamp};

macro_rules! sample {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/data/claude/", $name, ".jsonl")).as_slice()
    };
}

const SAMPLES: [&[u8]; 9] = [
    sample!("clean"),
    sample!("kill9-in-answer"),
    sample!("kill9-in-tool"),
    sample!("term"),
    sample!("hup"),
    sample!("int"),
    sample!("kill9-in-answer-resumed-compacted"),
    sample!("kill9-in-tool-resumed"),
    sample!("denied-killed-resumed"),
];

fn read(bytes: &[u8]) -> Digest {
    let mut reader = Reader::new(Client::ClaudeCode);
    reader.feed(bytes);
    reader.digest
}

/// The digest of these records, one on each line.
fn fold(records: &[Value]) -> Digest {
    read(&lines(records))
}

fn lines(records: &[Value]) -> Vec<u8> {
    records.iter().flat_map(|record| format!("{record}\n").into_bytes()).collect()
}

fn prompt(text: &str) -> Value {
    json!({ "type": "user", "uuid": "p", "timestamp": "2026-11-21T00:00:01.000Z", "message": { "content": text } })
}

/// One line of an answer: `content` is one block.
fn answer(id: &str, stop: Value, content: Value) -> Value {
    let usage = json!({ "input_tokens": 1, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 300,
                        "output_tokens": 4000 });
    let message =
        json!({ "id": id, "model": "m", "content": [content], "stop_reason": stop, "usage": usage });
    json!({ "type": "assistant", "uuid": id, "timestamp": "2026-11-21T00:00:02.000Z", "message": message })
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

fn call(id: &str, tool: &str, input: Value) -> Value {
    answer(id, json!("tool_use"), json!({ "type": "tool_use", "id": id, "name": tool, "input": input }))
}

fn result(id: &str) -> Value {
    let content = json!([{ "type": "tool_result", "tool_use_id": id, "content": "ok" }]);
    json!({ "type": "user", "uuid": "r", "timestamp": "2026-11-21T00:00:03.000Z", "message": { "content": content } })
}

fn todo(text: &str, status: &str) -> Todo {
    Todo { text: text.to_owned(), status: status.to_owned() }
}

fn open(since: &str) -> Turn {
    Turn::Open { since: Timestamp::parse(since) }
}

#[test]
fn real_chats_are_read_as_they_ended() {
    let bash = ToolCall {
        tool: "Bash".to_owned(),
        input: json!({ "command": "echo begin > b.txt; sleep 30; echo end > e.txt", "description": "long" }),
    };
    for (name, bytes, title, turns, turn, tokens, in_flight) in [
        ("clean", sample!("clean"), "please do", 1, Turn::Done, 37_711, vec![]),
        (
            "killed in an answer",
            sample!("kill9-in-answer"),
            "First question about bananas",
            0,
            open("2026-11-21T00:53:14.051Z"),
            12_473,
            vec![],
        ),
        (
            "killed in a tool",
            sample!("kill9-in-tool"),
            "Second question about apples",
            0,
            open("2026-11-21T00:53:18.601Z"),
            12_476,
            vec![bash],
        ),
        ("TERM", sample!("term"), "Question about cherries", 0, open("2026-11-21T00:53:21.712Z"), 0, vec![]),
        ("HUP", sample!("hup"), "Question about cherries", 0, open("2026-11-21T00:53:29.408Z"), 0, vec![]),
        ("INT", sample!("int"), "Question about cherries", 0, Turn::Interrupted, 12_420, vec![]),
        (
            "resumed, compacted",
            sample!("kill9-in-answer-resumed-compacted"),
            "First question about bananas",
            2,
            Turn::Done,
            38_032,
            vec![],
        ),
        (
            "resumed",
            sample!("kill9-in-tool-resumed"),
            "Second question about apples",
            1,
            Turn::Done,
            25_139,
            vec![],
        ),
        (
            "denied, killed, resumed",
            sample!("denied-killed-resumed"),
            "please run perms",
            1,
            Turn::Done,
            28_021,
            vec![],
        ),
    ] {
        let digest = read(bytes);
        assert_eq!(
            (digest.title(), digest.turns, &digest.turn, digest.tokens, digest.in_flight()),
            (Some(title), turns, &turn, tokens, in_flight),
            "{name}"
        );
        assert_eq!((digest.offset, digest.unreadable), (bytes.len() as u64, 0), "{name}");
    }
}

#[test]
fn a_real_chat_is_told_whole() {
    let digest = read(sample!("denied-killed-resumed"));
    let expected = Digest {
        offset: 18_791,
        cwd: Some("/home/u/work/int1".to_owned()),
        branch: Some("HEAD".to_owned()),
        version: Some("2.1.329".to_owned()),
        model: Some("claude-opus-5-5".to_owned()),
        permission_mode: Some("default".to_owned()),
        last_at: Timestamp::parse("2026-11-21T01:05:22.551Z"),
        turns: 1,
        turn: Turn::Done,
        tokens: 28_021,
        // By hand, from the usage of its two answers and the list prices of that day.
        spent: Spent { nano_dollars: 6_348_800, priced_tokens: 28_021 },
        last_message: Some(LastMessage {
            uuid: "bd2b9e01-db47-4523-9ff2-023e0abb8a38".to_owned(),
            sha256: "4b6a17dd5914840652ca8581a902a9c19da7a45506742effe43572f899c99785".to_owned(),
        }),
        title: digest.title.clone(),
        recent: digest.recent.clone(),
        recent_spent: digest.recent_spent.clone(),
        context_tokens: 14_142,
        tally: digest.tally.clone(),
        ..Digest::default()
    };
    assert_eq!(digest, expected);
    let tally = &digest.tally;
    assert_eq!((tally.prompts, tally.messages, tally.calls, tally.failures_in_a_row), (3, 5, 1, 1));
    assert_eq!(
        (tally.recent_errors.as_slice(), tally.latency_seconds()),
        (["tool:Bash".to_owned()].as_slice(), Some(0.459))
    );
}

#[test]
fn a_permission_denied_ends_its_turn() {
    let whole = sample!("denied-killed-resumed");
    let denied = b"[Request interrupted by user for tool use]";
    let at = whole.windows(denied.len()).position(|window| window == denied).unwrap();
    let end = at + whole[at..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let digest = read(&whole[..end]);
    assert_eq!((digest.turn, digest.turns, digest.calls), (Turn::Interrupted, 0, vec![]));
}

#[test]
fn the_turn_follows_the_records() {
    let aborted = {
        let mut record = answer("a", Value::Null, text("half"));
        record["isAbortedMidStream"] = json!(true);
        record
    };
    let gave_up = json!({ "type": "assistant", "uuid": "e", "isApiErrorMessage": true,
        "message": { "model": "<synthetic>", "content": [text("API Error: 529")], "stop_reason": "stop_sequence" } });
    let closed = json!({ "type": "assistant", "uuid": "c",
        "message": { "model": "<synthetic>", "content": [text("No response requested.")] } });
    let meta = json!({ "type": "user", "isMeta": true, "message": { "content": "Continue from where you left off." } });
    let asked = || open("2026-11-21T00:00:01.000Z");
    let answering = || open("2026-11-21T00:00:02.000Z");
    let thinking = json!({ "type": "thinking", "thinking": "…" });
    let done = || answer("a", json!("end_turn"), text("done"));
    for (name, records, turns, turn, calls) in [
        ("nothing", vec![], 0, Turn::None, 0),
        ("asked", vec![prompt("hi")], 0, asked(), 0),
        (
            "thinking is not an answer",
            vec![prompt("hi"), answer("a", json!("end_turn"), thinking)],
            0,
            answering(),
            0,
        ),
        ("answered", vec![prompt("hi"), done()], 1, Turn::Done, 0),
        ("one answer on two lines", vec![prompt("hi"), done(), done()], 1, Turn::Done, 0),
        ("asked again", vec![prompt("hi"), done(), prompt("and?")], 1, asked(), 0),
        (
            "cut at its length",
            vec![prompt("hi"), answer("a", json!("max_tokens"), text("…"))],
            1,
            Turn::Done,
            0,
        ),
        ("in a tool", vec![prompt("hi"), call("t", "Bash", json!({}))], 0, answering(), 1),
        (
            "in two tools",
            vec![prompt("hi"), call("t", "Bash", json!({})), call("u", "Read", json!({}))],
            0,
            answering(),
            2,
        ),
        (
            "behind a tool",
            vec![prompt("hi"), call("t", "Bash", json!({})), result("t")],
            0,
            open("2026-11-21T00:00:03.000Z"),
            0,
        ),
        (
            "the other result",
            vec![prompt("hi"), call("t", "Bash", json!({})), result("u")],
            0,
            open("2026-11-21T00:00:03.000Z"),
            1,
        ),
        ("stopped in mid-stream", vec![prompt("hi"), aborted], 0, Turn::Interrupted, 0),
        ("stopped", vec![prompt("hi"), prompt("[Request interrupted by user]")], 0, Turn::Interrupted, 0),
        ("the API gave up", vec![prompt("hi"), gave_up], 0, Turn::Failed, 0),
        (
            "closed on resume",
            vec![prompt("hi"), call("t", "Bash", json!({})), closed],
            0,
            Turn::Interrupted,
            0,
        ),
        ("continued on resume", vec![prompt("hi"), meta], 0, asked(), 0),
        ("nobody asked", vec![done()], 0, Turn::Done, 0),
    ] {
        let digest = fold(&records);
        assert_eq!((digest.turns, digest.turn, digest.calls.len()), (turns, turn, calls), "{name}");
    }
}

#[test]
fn tokens_of_one_answer_are_counted_once() {
    let mut grown = answer("a", json!("end_turn"), text("x"));
    grown["message"]["usage"]["output_tokens"] = json!(5000);
    let first = || answer("a", json!("tool_use"), text("x"));
    for (records, tokens) in [
        (vec![first()], 4321),
        (vec![first(), first()], 4321),
        (vec![first(), grown], 5321),
        (vec![first(), answer("b", json!("end_turn"), text("y")), first()], 8642),
    ] {
        assert_eq!(fold(&records).tokens, tokens, "{records:?}");
    }
}

#[test]
fn what_has_no_price_is_told_apart() {
    let of = |model: &str| {
        let mut record = answer("a", json!("end_turn"), text("x"));
        record["message"]["model"] = json!(model);
        record["timestamp"] = json!("2026-11-21T01:00:00.000Z");
        record
    };
    // 1 in, 20 into the cache, 300 out of it, 4000 answered.
    let known = fold(&[of("claude-opus-5-5"), of("claude-opus-5-5")]);
    let nano_dollars = 4000 + 20 * 5000 + 300 * 200 + 4000 * 20_000;
    assert_eq!(known.spent, Spent { nano_dollars, priced_tokens: 4321 });
    let unknown = fold(&[of("qwen3-coder")]);
    assert_eq!((unknown.tokens, unknown.spent), (4321, Spent::default()));
}

#[test]
fn the_context_is_a_share_of_the_models_window() {
    let used = |model: &str, input: u64| {
        let mut record = answer("a", json!("end_turn"), text("x"));
        record["message"]["model"] = json!(model);
        record["message"]["usage"] = json!({ "input_tokens": input });
        fold(&[record]).context_used(Client::ClaudeCode)
    };
    assert_eq!(fold(&[prompt("hi")]).context_used(Client::ClaudeCode), None);
    for (model, input, share) in [
        ("m", 50_000, 0.25),
        ("m", 200_000, 1.0),
        ("m", 500_000, 0.5),
        ("m[1m]", 50_000, 0.05),
        ("m", u64::MAX, 1.0),
    ] {
        assert_eq!(used(model, input), Some(share), "{model} {input}");
    }
}

#[test]
fn each_client_has_its_own_windows_and_none_is_made_up() {
    let digest = |model: &str, window: Option<u64>| Digest {
        model: Some(model.to_owned()),
        context_tokens: 150_000,
        context_window: window,
        ..Digest::default()
    };
    for (client, model, told, share) in [
        (Client::ClaudeCode, "claude-opus-5-5", None, Some(0.75)),
        (Client::ClaudeCode, "claude-opus-5-5[1m]", None, Some(0.15)),
        (Client::Gemini, "gemini-2.5-pro", None, Some(150_000.0 / 1_048_576.0)),
        (Client::Gemini, "gemma-4-31b-it", None, Some(150_000.0 / 256_000.0)),
        (Client::Codex, "gpt-5-codex", Some(258_400), Some(150_000.0 / 258_400.0)),
        // The rollout says nothing of a window, or nonsense.
        (Client::Codex, "gpt-5-codex", None, None),
        (Client::Codex, "gpt-5-codex", Some(0), None),
        (Client::Opencode, "anthropic/claude-opus-5-5", None, None),
    ] {
        assert_eq!(digest(model, told).context_used(client), share, "{client:?} {model} {told:?}");
    }
    // A digest that an older version stored knows of no window.
    let stored = serde_json::to_value(digest("m", Some(258_400))).unwrap();
    let mut older = stored.clone();
    older.as_object_mut().unwrap().remove("context_window");
    assert_eq!(serde_json::from_value::<Digest>(stored).unwrap(), digest("m", Some(258_400)));
    assert_eq!(serde_json::from_value::<Digest>(older).unwrap(), digest("m", None));
}

#[test]
fn the_better_title_wins() {
    let by_user = |text: &str| json!({ "type": "custom-title", "customTitle": text });
    let by_model = |text: &str| json!({ "type": "ai-title", "aiTitle": text });
    let summary = |text: &str| json!({ "type": "summary", "summary": text });
    let long = "ä".repeat(100);
    let cut = format!("{}…", "ä".repeat(80));
    let command = prompt("<command-name>/init</command-name>\n<command-message>init</command-message>");
    let caveat = prompt("<local-command-stdout>x</local-command-stdout>");
    for (records, title) in [
        (vec![], None),
        (vec![prompt("first"), prompt("second")], Some("first")),
        (vec![prompt("\n\n  real words \nmore")], Some("real words")),
        (vec![prompt(" "), prompt("second")], Some("second")),
        (vec![prompt(&long)], Some(cut.as_str())),
        (vec![command, prompt("x")], Some("/init")),
        (vec![caveat, prompt("x")], Some("x")),
        (vec![prompt("first"), summary("s")], Some("s")),
        (vec![by_model("m"), summary("s")], Some("m")),
        (vec![by_model("m"), by_model("n")], Some("n")),
        (vec![by_user("mine"), by_model("m"), prompt("p")], Some("mine")),
        (vec![by_user("mine"), by_user("  ")], Some("mine")),
    ] {
        assert_eq!(fold(&records).title(), title, "{records:?}");
    }
}

#[test]
fn the_to_do_list_is_the_clients_own() {
    let write = |todos: Value| call("w", "TodoWrite", json!({ "todos": todos }));
    let create = |subject: &str| call("c", "TaskCreate", json!({ "subject": subject }));
    let update = |id: &str, status: &str| call("u", "TaskUpdate", json!({ "taskId": id, "status": status }));
    let two = || write(json!([{ "content": "a", "status": "completed" }, { "content": "b" }]));
    for (records, todos) in [
        (vec![two()], vec![todo("a", "completed"), todo("b", "")]),
        (vec![two(), write(json!([]))], vec![]),
        (vec![two(), write(json!("nonsense"))], vec![todo("a", "completed"), todo("b", "")]),
        (vec![create("a"), create("b")], vec![todo("a", "pending"), todo("b", "pending")]),
        (vec![create("a"), update("1", "completed")], vec![todo("a", "completed")]),
        (
            vec![create("a"), update("0", "x"), update("2", "x"), update("-1", "x")],
            vec![todo("a", "pending")],
        ),
    ] {
        assert_eq!(fold(&records).todos, todos, "{records:?}");
    }
    let many: Vec<_> = (0..TODOS_MAX + 5).map(|n| create(&n.to_string())).collect();
    assert_eq!(fold(&many).todos.len(), TODOS_MAX);
}

#[test]
fn a_sub_agents_records_are_not_the_chats() {
    let aside = |mut record: Value| {
        record["isSidechain"] = json!(true);
        record
    };
    let main = [prompt("hi"), call("t", "Task", json!({}))];
    let mut both = main.to_vec();
    both.extend([
        aside(prompt("sub")),
        aside(call("s", "Bash", json!({}))),
        aside(answer("z", json!("end_turn"), text("done"))),
    ]);
    let (main, both) = (fold(&main), fold(&both));
    assert_eq!(Digest { offset: 0, ..both }, Digest { offset: 0, ..main });
}

#[test]
fn broken_lines_hide_nothing_else() {
    let (ask, done) = (prompt("hi").to_string(), answer("a", json!("end_turn"), text("x")).to_string());
    let cut = &done[..done.len() / 2];
    for (name, bytes, turns, unreadable, offset_lacks) in [
        ("empty", String::new(), 0, 0, 0),
        ("blank lines", "\n \r\n\t\n".to_owned(), 0, 0, 0),
        ("glued records", format!("{ask}{done}\n"), 1, 0, 0),
        ("a record glued to a cut one", format!("{ask}{cut}\n{done}\n"), 1, 1, 0),
        ("garbage in the middle", format!("{ask}\n%%% not json\n{done}\n"), 1, 1, 0),
        ("a cut line", format!("{ask}\n{cut}\n{done}\n"), 1, 1, 0),
        ("a torn tail", format!("{ask}\n{cut}"), 0, 0, cut.len()),
        ("a NUL tail", format!("{ask}\n{}", "\0".repeat(40)), 0, 0, 40),
        ("a NUL line", format!("{ask}\n{}\n{done}\n", "\0".repeat(40)), 1, 1, 0),
        ("carriage returns", format!("{ask}\r\n{done}\r\n"), 1, 0, 0),
        ("other JSON", format!("{ask}\n[1]\n7\n\"x\"\nnull\n{done}\n"), 1, 4, 0),
        ("an unknown type", format!("{ask}\n{{\"type\":\"new\",\"message\":7}}\n{done}\n"), 1, 0, 0),
        ("no type", format!("{ask}\n{{}}\n{done}\n"), 1, 0, 0),
    ] {
        let digest = read(bytes.as_bytes());
        assert_eq!((digest.turns, digest.unreadable), (turns, unreadable), "{name}");
        assert_eq!(digest.offset, (bytes.len() - offset_lacks) as u64, "{name}");
    }
}

#[test]
fn at_rest_a_record_without_its_line_feed_counts() {
    let (ask, run) = (lines(&[prompt("hi")]), call("t", "Bash", json!({})).to_string());
    for (tail, calls) in [(run.as_str(), 1), (&run[..run.len() - 1], 0), ("", 0), ("\0\0", 0)] {
        let mut reader = Reader::new(Client::ClaudeCode);
        reader.feed(&ask);
        reader.feed(tail.as_bytes());
        let (growing, at_rest) = (reader.digest.clone(), reader.at_rest());
        assert_eq!((growing.calls.len(), at_rest.calls.len()), (0, calls), "{tail}");
        assert_eq!((at_rest.offset, at_rest.unreadable), (growing.offset, 0), "{tail}");
        assert_eq!(reader.digest, growing, "{tail}");
    }
}

#[test]
fn text_that_is_not_utf8_is_one_unreadable_line() {
    let mut bytes = lines(&[prompt("hi")]);
    bytes.extend_from_slice(b"{\"type\":\"user\",\"message\":{\"content\":\"\xff\xfe\"}}\n");
    bytes.extend(lines(&[answer("a", json!("end_turn"), text("x"))]));
    let digest = read(&bytes);
    assert_eq!((digest.turns, digest.unreadable), (1, 1));
}

#[test]
fn the_last_message_is_hashed_as_it_stands() {
    let line = "{\"uuid\":\"u\", \"type\":\"user\", \"message\": { \"content\" : \"h\\u0069\" } }\n";
    let expected = LastMessage { uuid: "u".to_owned(), sha256: sha256("{ \"content\" : \"h\\u0069\" }") };
    assert_eq!(read(line.as_bytes()).last_message, Some(expected));
    assert_eq!(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

#[test]
fn a_comparison_finds_a_message_and_the_ends_of_turns() {
    let last = read(sample!("kill9-in-tool")).last_message.unwrap();
    let mut reader = Reader::comparing(Client::ClaudeCode, Some(&last.uuid));
    assert_eq!(reader.feed(sample!("kill9-in-tool-resumed")), 1);
    assert_eq!(reader.found(), Some(last.sha256.as_str()));
    assert_eq!(reader.turn_ends(), ["fa887714-d217-408e-bc79-5ef695667dbb"]);

    let mut other = Reader::comparing(Client::ClaudeCode, Some("not there"));
    other.feed(sample!("kill9-in-tool-resumed"));
    assert_eq!(other.found(), None);
}

/// Records of any kind, whole and broken, glued and torn.
fn transcript() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "[a-z ]{0,8}".prop_map(|words| lines(&[prompt(&words)])),
        "[a-c]".prop_map(|id| lines(&[call(&id, "TaskCreate", json!({ "subject": id.clone() }))])),
        "[a-c]".prop_map(|id| lines(&[result(&id)])),
        "[a-c]".prop_map(|id| lines(&[answer(&id, json!("end_turn"), text("é…"))])),
        "[a-c]".prop_map(|id| answer(&id, json!("tool_use"), text("glued")).to_string().into_bytes()),
        Just(lines(&[json!({ "type": "system", "subtype": "compact_boundary" })])),
        proptest::collection::vec(any::<u8>(), 0..12),
        Just(b"\n".to_vec()),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn chunked(bytes: &[u8], mut cuts: Vec<usize>) -> (Reader, u64) {
    cuts.extend([0, bytes.len()]);
    cuts.iter_mut().for_each(|cut| *cut = (*cut).min(bytes.len()));
    cuts.sort_unstable();
    let (mut reader, mut turns) = (Reader::new(Client::ClaudeCode), 0);
    for pair in cuts.windows(2) {
        turns += reader.feed(&bytes[pair[0]..pair[1]]);
    }
    (reader, turns)
}

proptest! {
    #[test]
    fn chunks_cut_anywhere_give_the_same_digest(
        bytes in transcript(),
        cuts in proptest::collection::vec(0usize..4000, 0..20),
    ) {
        let (reader, turns) = chunked(&bytes, cuts);
        prop_assert_eq!(&reader.digest, &read(&bytes));
        prop_assert_eq!(turns, reader.digest.turns);
        prop_assert_eq!(reader.digest.offset as usize + reader.tail().len(), bytes.len());
    }

    #[test]
    fn a_stored_digest_goes_on_where_it_stopped(bytes in transcript(), cut in 0usize..4000) {
        let stored = serde_json::to_vec(&read(&bytes[..cut.min(bytes.len())])).unwrap();
        let digest: Digest = serde_json::from_slice(&stored).unwrap();
        let rest = &bytes[digest.offset as usize..];
        let mut reader = Reader::resume(Client::ClaudeCode, digest);
        reader.feed(rest);
        prop_assert_eq!(reader.digest, read(&bytes));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        read(&bytes);
    }

    #[test]
    fn no_change_to_a_real_transcript_makes_it_panic(
        sample in 0..SAMPLES.len(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        end in any::<prop::sample::Index>(),
    ) {
        let mut bytes = SAMPLES[sample].to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(end.index(bytes.len()));
        let digest = read(&bytes);
        prop_assert!(digest.offset as usize <= bytes.len());
    }
}

#[test]
fn real_chats_cut_anywhere_give_the_same_digest() {
    for bytes in SAMPLES {
        let whole = read(bytes);
        for cut in (0..bytes.len()).step_by(97) {
            assert_eq!(chunked(bytes, vec![cut]).0.digest, whole, "cut at {cut}");
        }
    }
}
