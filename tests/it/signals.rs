//! What SHIM measures of a real chat: its calls, failures, context and memory, over time, and the risk they tell of.

use serde_json::Value;
use shim_standin::{
    Request,
    client::{Signal, Start, Terminals, send, wait},
};

use crate::world::{WAIT, World, id};

/// Four calls, two of which fail one after the other at the end.
const TURN: &str = "Please\n\
    @@tool Bash {\"command\": \"true\", \"description\": \"a\"}\n\
    @@tool Bash {\"command\": \"true\", \"description\": \"b\"}\n\
    @@tool Bash {\"command\": \"false\", \"description\": \"c\"}\n\
    @@tool Bash {\"command\": \"exit 3\", \"description\": \"d\"}\n\
    @@text done";
/// Memory that Claude Code never gets by with.
const CLIENT_BYTES_MIN: u64 = 50_000_000;

fn signals(world: &World, chat: &str, minutes: &str) -> Value {
    world.json(&["signals", &id(chat), "--minutes", minutes])
}

fn rows(signals: &Value) -> Vec<String> {
    signals["history"].as_array().unwrap().iter().map(|row| row["at"].as_str().unwrap().to_owned()).collect()
}

/// The numbers that go on where they were, whatever SHIM does.
fn counted(signals: &Value) -> [&Value; 6] {
    ["messages", "tool_calls", "tokens", "failure_rate", "failures_in_a_row", "recent_errors"]
        .map(|name| &signals["now"][name])
}

#[test]
fn a_chats_calls_failures_context_and_memory_are_measured_and_kept() {
    let mut world = World::without_shim();
    world.settings("signals.sample_seconds = 1\nrisk.danger.messages = 6\nrisk.danger.context_percent = 2");
    let start = Start::new(world.home.project("measured").unwrap(), TURN);
    let chat = &start.session_id;
    let terminals = Terminals::new(&world.home);
    terminals.start(&start).unwrap();
    // The turn is over before SHIM is there: what the process did so far is counted from the journal.
    let results =
        |request: &Request| serde_json::to_string(request.messages()).unwrap().matches("tool_result").count();
    world.standin.wait_for(WAIT, |request| results(request) >= 4).unwrap();
    world.start_shim();
    world.wait_for_state(chat, "idle");
    let measured = wait(WAIT, "a reading of the chat's process", || {
        Some(signals(&world, chat, "60")).filter(|found| found["now"]["cpu"].is_number())
    });
    let measured = measured.unwrap_or_else(|error| panic!("{error}: {}", signals(&world, chat, "60")));
    let now = &measured["now"];
    assert_eq!((&now["tool_calls"], &now["messages"]), (&4.into(), &6.into()), "{now}");
    assert_eq!((&now["failure_rate"], &now["failures_in_a_row"]), (&0.5.into(), &2.into()), "{now}");
    assert_eq!(now["recent_errors"], serde_json::json!(["tool:Bash", "tool:Bash"]));
    assert_eq!(now["calls_since_checkpoint"], 0, "the turn that ended was a checkpoint");
    assert!(now["rss_bytes"].as_u64().unwrap() > CLIENT_BYTES_MIN, "{now}");
    let context = now["context_used"].as_f64().unwrap();
    assert!((0.02..0.5).contains(&context) && now["tokens"].as_f64().unwrap() > context * 200_000.0, "{now}");
    assert!(now["age_seconds"].as_f64().unwrap() > 0.0 && now["latency_seconds"].is_number(), "{now}");
    assert!(now["client_version"].is_string() && now["memory_pressure"].as_f64().unwrap() > 0.0, "{now}");

    let risk = &world.chat(chat)["risk"];
    assert_eq!((&risk["level"], &risk["source"]), (&"danger".into(), &"zones".into()), "{risk}");
    let signs: Vec<_> = risk["reasons"].as_array().unwrap().iter().map(|reason| &reason["sign"]).collect();
    assert_eq!(signs, ["context", "messages"]);
    let said = world.shim(&["chat", &id(chat)]).stdout;
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("Risk: danger (by rule of thumb, not measured)"), "{said}");
    assert!(said.contains("6 messages since it was started (limit 6)"), "{said}");

    // A window holds its own rows and no others.
    let older = wait(2 * WAIT, "a row that is older than a minute", || {
        let (all, last) = (rows(&signals(&world, chat, "60")), rows(&signals(&world, chat, "1")));
        (!all.is_empty() && all.len() > last.len()).then_some((all, last))
    });
    let (all, last) = older.unwrap();
    assert!(!last.is_empty() && all.ends_with(&last), "{all:?} {last:?}");

    // A new engine goes on where the last one stopped.
    assert!(world.stop_shim().success());
    world.start_shim();
    let again = wait(WAIT, "a reading by the new engine", || {
        Some(signals(&world, chat, "60")).filter(|found| found["now"]["rss_bytes"].is_number())
    });
    let again = again.unwrap();
    assert_eq!(counted(&again), counted(&measured));
    assert!(rows(&again).starts_with(&all), "{again}");

    // Of a process that is gone there is history, and nothing else.
    let pid = u32::try_from(world.chat(chat)["pid"].as_u64().unwrap()).unwrap();
    send(pid, Signal::KILL);
    let gone = wait(WAIT, "the chat to be measured no more", || {
        Some(signals(&world, chat, "60")).filter(|found| found["now"].is_null())
    });
    let gone = gone.unwrap();
    assert_eq!((&gone["risk"], &world.chat(chat)["risk"]), (&Value::Null, &Value::Null));
    assert!(rows(&gone).len() >= all.len());
}
