//! One row for each way a client was seen to end (`kill` matrix of Claude Code 2.1.329), and for those that only
//! look like an end.

use serde_json::json;

use super::{
    CrashKind, Death, Evidence, ExitStatus, Gone, InTurn, LastWords, Leave, MemoryAtDeath, RegistryStatus,
    ToolCall, Verdict, verdict,
};
use crate::{
    chats::{Client, ProcessKey},
    digest::{Digest, Reader},
    time::Timestamp,
};

/// A chat's transcript, in one word each.
#[derive(Clone, Copy, Debug)]
enum Words {
    Asked,
    CallsBash,
    BashSays137,
    Answers,
    Stops,
    IsStopped,
    GivesUp,
}

use Words::{Answers, Asked, BashSays137, CallsBash, GivesUp, IsStopped, Stops};

fn transcript(words: &[Words]) -> Digest {
    let mut reader = Reader::new(Client::ClaudeCode);
    for (second, word) in words.iter().enumerate() {
        let at = Timestamp::from_ms(1_000 * second as i64).to_string();
        let assistant = |stop: Option<&str>, content| json!({ "type": "assistant", "timestamp": at, "message": { "id": at, "stop_reason": stop, "content": [content] } });
        let text = |text: &str| json!({ "type": "text", "text": text });
        let user = |content| json!({ "type": "user", "timestamp": at, "message": { "content": content } });
        let record = match word {
            Asked => user(json!("hi")),
            CallsBash => assistant(
                Some("tool_use"),
                json!({ "type": "tool_use", "id": "t", "name": "Bash", "input": { "command": "make" } }),
            ),
            BashSays137 => user(
                json!([{ "type": "tool_result", "tool_use_id": "t", "content": "Exit code 137", "is_error": true }]),
            ),
            Answers => assistant(Some("end_turn"), text("done")),
            Stops => {
                let mut record = assistant(None, text("hal"));
                record["isAbortedMidStream"] = json!(true);
                record
            }
            IsStopped => user(json!("[Request interrupted by user]")),
            GivesUp => {
                let mut record = assistant(Some("stop_sequence"), text("API Error"));
                record["isApiErrorMessage"] = json!(true);
                record
            }
        };
        reader.feed(format!("{record}\n").as_bytes());
    }
    reader.digest
}

/// `updated` in seconds, on the clock of the transcript.
fn words(status: &str, left_behind: bool, updated: Option<i64>) -> LastWords {
    let leave = if left_behind { Leave::LeftBehind } else { Leave::Orderly };
    LastWords {
        status: RegistryStatus::from_name(status),
        updated_at: updated.map(|second| Timestamp::from_ms(1_000 * second)),
        leave,
    }
}

/// Kind and place of the crash and the tools in flight; `None` for a clean end.
type Told = Option<(CrashKind, InTurn, Vec<String>)>;

fn judge(transcript_words: &[Words], last_words: LastWords, gone: Gone) -> Told {
    let process = ProcessKey { pid: 7, start: "1".to_owned() };
    let digest = transcript(transcript_words);
    match verdict(&Death {
        process: &process,
        gone,
        last_words: &last_words,
        digest: &digest,
        memory: None,
        host_updating: false,
    }) {
        Verdict::CleanEnd => None,
        Verdict::Crash { kind, in_turn, in_flight, evidence } => {
            assert_eq!(evidence.len(), 3);
            Some((kind, in_turn, in_flight.into_iter().map(|call| call.tool).collect()))
        }
    }
}

const KILLED: Gone = Gone::Exited(Some(ExitStatus::Signal(9)));

fn exited(code: i32) -> Gone {
    Gone::Exited(Some(ExitStatus::Code(code)))
}

fn crash(kind: CrashKind, in_turn: InTurn, tools: &[&str]) -> Told {
    Some((kind, in_turn, tools.iter().map(|tool| (*tool).to_owned()).collect()))
}

#[test]
fn each_row_of_the_kill_matrix_is_told() {
    use {
        CrashKind::{Exited, Killed},
        InTurn::{Answer, None as Between, Tool},
    };
    let left = |status| words(status, true, Some(0));
    let taken = |status| words(status, false, Some(0));
    for (name, transcript, last_words, gone, expected) in [
        ("-9 while text streams", vec![Asked], left("busy"), KILLED, crash(Killed, Answer, &[])),
        (
            "-9 behind a tool",
            vec![Asked, CallsBash, BashSays137],
            left("busy"),
            KILLED,
            crash(Killed, Answer, &[]),
        ),
        (
            "-9 while a tool runs",
            vec![Asked, CallsBash],
            left("busy"),
            KILLED,
            crash(Killed, Tool, &["Bash"]),
        ),
        (
            "-9 while a permission waits",
            vec![Asked, CallsBash],
            left("waiting"),
            KILLED,
            crash(Killed, Tool, &["Bash"]),
        ),
        (
            "-9 before the prompt is written",
            vec![Asked, Answers],
            left("busy"),
            KILLED,
            crash(Killed, Answer, &[]),
        ),
        ("-9 at the prompt", vec![Asked, Answers], left("idle"), KILLED, crash(Killed, Between, &[])),
        ("-9 before anything was asked", vec![], left("idle"), KILLED, crash(Killed, Between, &[])),
        (
            "-9 at the prompt after a cut turn",
            vec![Asked, CallsBash],
            left("idle"),
            KILLED,
            crash(Killed, Between, &[]),
        ),
        ("TERM while text streams", vec![Asked], taken("busy"), exited(143), crash(Exited, Answer, &[])),
        (
            "TERM while a tool runs",
            vec![Asked, CallsBash, BashSays137],
            taken("busy"),
            exited(143),
            crash(Exited, Answer, &[]),
        ),
        ("TERM at the prompt", vec![Asked, Answers], taken("idle"), exited(143), None),
        ("INT while text streams", vec![Asked, Stops, IsStopped], taken("busy"), exited(0), None),
        ("HUP while text streams", vec![Asked], taken("busy"), exited(129), crash(Exited, Answer, &[])),
        (
            "parent dead, session runs to its end",
            vec![Asked, Answers],
            taken("busy"),
            Gone::Exited(None),
            None,
        ),
        ("API exhausted", vec![Asked, GivesUp], taken("busy"), exited(1), None),
        ("a normal exit", vec![Asked, Answers], taken("busy"), exited(0), None),
        ("an exit before anything was asked", vec![], taken(""), exited(0), None),
    ] {
        assert_eq!(judge(&transcript, last_words, gone), expected, "{name}");
    }
}

#[test]
fn a_death_that_nobody_saw_is_told_from_what_it_left() {
    use {
        CrashKind::{Exited, Killed, Shutdown},
        InTurn::{Answer, None as Between, Tool},
    };
    for (name, transcript, last_words, gone, expected) in [
        ("no such process", vec![Asked], words("busy", true, None), Gone::Absent, crash(Killed, Answer, &[])),
        (
            "its pid was given to another",
            vec![Asked, CallsBash],
            words("busy", true, None),
            Gone::PidReused,
            crash(Killed, Tool, &["Bash"]),
        ),
        (
            "the machine went down in a tool",
            vec![Asked, CallsBash],
            words("busy", true, None),
            Gone::BeforeBoot,
            crash(Shutdown, Tool, &["Bash"]),
        ),
        (
            "the machine went down at the prompt",
            vec![Asked, Answers],
            words("idle", true, None),
            Gone::BeforeBoot,
            crash(Shutdown, Between, &[]),
        ),
        (
            "the system took it along at the prompt, and it took its leave",
            vec![Asked, Answers],
            words("idle", false, None),
            Gone::WithTheSystem,
            crash(Shutdown, Between, &[]),
        ),
        (
            "the system took it along in a tool",
            vec![Asked, CallsBash],
            words("busy", false, None),
            Gone::WithTheSystem,
            crash(Shutdown, Tool, &["Bash"]),
        ),
        (
            "it took its leave",
            vec![Asked],
            words("busy", false, None),
            Gone::Absent,
            crash(Exited, Answer, &[]),
        ),
    ] {
        assert_eq!(judge(&transcript, last_words, gone), expected, "{name}");
    }
}

/// A registry file that was left behind says `busy` for ever; what a later process wrote tells that it is over.
#[test]
fn a_turn_that_somebody_finished_later_was_not_cut() {
    for (transcript, updated, in_turn, tools) in [
        (vec![Asked, Answers], Some(-60), InTurn::None, vec![]),
        (vec![Asked, Answers], Some(-57), InTurn::Answer, vec![]),
        (vec![Asked, Answers], None, InTurn::Answer, vec![]),
        (vec![Asked, CallsBash], Some(-60), InTurn::Tool, vec!["Bash"]),
    ] {
        let told = judge(&transcript, words("busy", true, updated), Gone::Absent);
        assert_eq!(told, crash(CrashKind::Killed, in_turn, &tools), "{transcript:?} {updated:?}");
    }
}

/// Resuming writes nothing until the user asks something, so the turn that was cut before looks open still.
#[test]
fn closing_a_chat_at_its_prompt_is_no_crash_even_after_a_cut_turn() {
    let answered = crash(CrashKind::Exited, InTurn::Answer, &[]);
    for (name, status, updated, expected) in [
        ("idle after the cut turn", "idle", Some(1), None),
        ("idle, and when is not known", "idle", None, None),
        ("it never said what it did", "", Some(1), None),
        ("it never said what it did, nor when", "", None, answered.clone()),
        ("idle was said before the turn began", "idle", Some(-1), answered.clone()),
        ("busy", "busy", Some(1), answered.clone()),
        ("waiting", "waiting", Some(1), answered),
    ] {
        assert_eq!(judge(&[Asked], words(status, false, updated), exited(0)), expected, "{name}");
    }
}

#[test]
fn the_evidence_is_what_was_seen() {
    let process = ProcessKey { pid: 7, start: "1".to_owned() };
    let digest = transcript(&[Asked, CallsBash]);
    let last_words = words("busy", true, None);
    let evidence = [
        ("process", "process 7 was ended by signal 9"),
        ("registry", "the client left its registry file behind, status busy"),
        ("transcript", "tool call without a result: Bash"),
    ]
    .map(|(source, says)| Evidence { source: source.to_owned(), says: says.to_owned() });
    let expected = Verdict::Crash {
        kind: CrashKind::Killed,
        in_turn: InTurn::Tool,
        in_flight: vec![ToolCall { tool: "Bash".to_owned(), input: json!({ "command": "make" }) }],
        evidence: evidence.to_vec(),
    };
    let death = Death {
        process: &process,
        gone: KILLED,
        last_words: &last_words,
        digest: &digest,
        memory: None,
        host_updating: false,
    };
    assert_eq!(verdict(&death), expected);
}

#[test]
fn names_are_read_as_they_are_written() {
    for kind in CrashKind::ALL {
        assert_eq!(CrashKind::from_name(kind.name()), Some(kind));
    }
    for in_turn in [InTurn::None, InTurn::Answer, InTurn::Tool] {
        assert_eq!(InTurn::from_name(in_turn.name()), Some(in_turn));
    }
    for (name, status) in [
        ("busy", RegistryStatus::Busy),
        ("shell", RegistryStatus::Busy),
        ("waiting", RegistryStatus::Waiting),
        ("idle", RegistryStatus::Idle),
        ("dreaming", RegistryStatus::Other("dreaming".to_owned())),
    ] {
        assert_eq!(RegistryStatus::from_name(name), status);
    }
}

#[test]
fn memory_that_ran_out_is_told_only_where_something_says_so() {
    const GIB: u64 = 1 << 30;
    let words = |leave| LastWords { status: RegistryStatus::Busy, updated_at: None, leave };
    let kind = |gone, leave, memory| {
        let (process, digest, last_words) =
            (ProcessKey { pid: 7, start: "1".to_owned() }, transcript(&[Asked]), words(leave));
        let death = Death {
            process: &process,
            gone,
            last_words: &last_words,
            digest: &digest,
            memory,
            host_updating: false,
        };
        match verdict(&death) {
            Verdict::Crash { kind, evidence, .. } => {
                let said = evidence.iter().any(|evidence| evidence.source == "memory");
                assert_eq!(said, kind == CrashKind::OutOfMemory);
                Some(kind)
            }
            Verdict::CleanEnd => None,
        }
    };
    let held = |rss, heap, ended_by_system, was_largest| {
        Some(MemoryAtDeath { rss_bytes: rss, heap_bytes: heap, ended_by_system, was_largest, named: None })
    };
    let named = |memory: Option<MemoryAtDeath>, named| memory.map(|memory| MemoryAtDeath { named, ..memory });
    let signal = |number| Gone::Exited(Some(ExitStatus::Signal(number)));
    let code = |number| Gone::Exited(Some(ExitStatus::Code(number)));
    let unknown = Gone::Exited(None);
    let (killed, oom) = (CrashKind::Killed, CrashKind::OutOfMemory);
    for (gone, leave, memory, expected) in [
        (unknown, Leave::LeftBehind, None, killed),
        (unknown, Leave::LeftBehind, held(GIB, None, 0, true), killed),
        (unknown, Leave::LeftBehind, held(GIB, None, 1, true), oom),
        (unknown, Leave::Unsaid, held(GIB, None, 1, true), oom),
        (signal(9), Leave::LeftBehind, held(GIB, None, 1, true), oom),
        (code(137), Leave::LeftBehind, held(GIB, None, 1, true), oom),
        (unknown, Leave::LeftBehind, held(GIB, None, 1, false), killed),
        (unknown, Leave::LeftBehind, named(held(GIB, None, 1, true), Some(false)), killed),
        (unknown, Leave::LeftBehind, named(held(0, None, 1, false), Some(true)), oom),
        (signal(15), Leave::LeftBehind, named(held(GIB, None, 1, true), Some(true)), killed),
        (signal(15), Leave::LeftBehind, held(GIB, None, 1, true), killed),
        (unknown, Leave::Orderly, held(GIB, None, 1, true), CrashKind::Exited),
        (Gone::BeforeBoot, Leave::LeftBehind, held(GIB, None, 1, true), CrashKind::Shutdown),
        (unknown, Leave::LeftBehind, held(GIB, Some(4 * GIB), 0, true), killed),
        (unknown, Leave::LeftBehind, held(4 * GIB, Some(4 * GIB), 0, true), oom),
        (signal(6), Leave::LeftBehind, held(GIB, Some(4 * GIB), 0, true), killed),
        (signal(6), Leave::LeftBehind, held(3 * GIB + 1, Some(4 * GIB), 0, true), oom),
        (code(134), Leave::LeftBehind, held(3 * GIB + 1, Some(4 * GIB), 0, true), oom),
        (unknown, Leave::LeftBehind, held(3 * GIB + 1, Some(4 * GIB), 0, true), killed),
        (code(1), Leave::LeftBehind, held(4 * GIB, Some(4 * GIB), 0, true), killed),
    ] {
        assert_eq!(kind(gone, leave, memory), Some(expected), "{gone:?} {leave:?} {memory:?}");
    }
}
