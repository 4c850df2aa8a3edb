//! What the kill matrices of all clients have in common: the moments, the ways back, and what must be true of a
//! verdict, a receipt and a tool afterwards. Knows no client.

use std::{fs, path::Path, thread, time::Duration};

use serde_json::{Value, json};
use shim_standin::client::{Process, Terminals, wait};

use crate::world::{WAIT, World};

/// Slow once: a client that asks again is answered at once.
pub const SLOW_ANSWER: &str = "@@slow 2000 0.05 1";
/// What the first turn leaves behind in every chat of a matrix.
pub const FIRST_ANSWER: &str = "I shall remember the word BANANA";
/// Lines of a request that a failed test shows: most of the others are the client's own instructions.
const LINES_SHOWN: usize = 30;

/// Where in its second turn a chat is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Moment {
    Answer,
    Tool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum How {
    HeadlessContinue,
    TerminalIdle,
    TerminalContinue,
}

impl How {
    /// What `shim restore` is given.
    pub fn options(self) -> &'static [&'static str] {
        match self {
            Self::HeadlessContinue => &["--headless", "--continue"],
            Self::TerminalIdle => &["--idle"],
            Self::TerminalContinue => &["--continue"],
        }
    }
}

impl World {
    /// The chat's newest crash is of this verdict, by a death that was seen.
    #[track_caller]
    pub fn is_a_seen_crash(&self, chat: &str, kind: &str, in_turn: &str, in_flight: &Value) -> Value {
        let crash = self.wait_for_crash(chat);
        let verdict = (&crash["kind"], &crash["in_turn"], &crash["in_flight"], &crash["seen_live"]);
        assert_eq!(verdict, (&json!(kind), &json!(in_turn), in_flight, &json!(true)), "{crash}");
        assert!(crash["evidence"].as_array().unwrap().len() >= 2, "{crash}");
        assert_eq!(self.chat(chat)["state"], "crashed");
        crash
    }

    /// No crash, an ended chat, and the journal byte for byte.
    #[track_caller]
    pub fn is_a_clean_end(&self, chat: &str) {
        let ended = self.wait_for_state(chat, "ended");
        assert_eq!((&ended["pid"], &ended["open_crash"]), (&Value::Null, &Value::Null), "{ended}");
        assert_eq!(self.crashes_of(chat), Vec::<Value>::new());
        self.wait_until_kept(chat);
    }

    /// The chat came back with so many turns, none lost, and its last message as it was.
    #[track_caller]
    pub fn is_whole(&self, receipt: &Value, turns: &Value) {
        let told = |key: &str| receipt[key].clone();
        assert_eq!(
            (told("ok"), told("refused"), told("turns_before"), told("turns_lost")),
            (json!(true), Value::Null, turns.clone(), json!(0)),
            "{receipt}\n{}",
            self.log()
        );
        let hash = told("last_message_sha256_before");
        assert!(hash.as_str().is_some_and(|hash| hash.len() == 64), "{receipt}");
        assert_eq!(hash, told("last_message_sha256_after"), "{receipt}");
    }

    /// The crash is history, by this restore.
    #[track_caller]
    pub fn is_resolved_by(&self, chat: &str, receipt: &Value) {
        let crash = self.wait_for_crash(chat);
        assert_eq!((&crash["resolved"], &crash["restore"]["id"]), (&json!(true), &receipt["id"]), "{crash}");
    }
}

/// The one process of a receipt.
pub fn pid_of(receipt: &Value) -> u32 {
    u32::try_from(receipt["pid"].as_u64().unwrap()).unwrap()
}

/// The tool ran once, never to its end, and nothing of it is left.
#[track_caller]
pub fn the_tool_ran_once(cwd: &Path, left: &[Process]) {
    assert_eq!(fs::read_to_string(cwd.join("ran.txt")).unwrap(), "x\n");
    assert!(!cwd.join("e.txt").exists(), "the tool was not let run on");
    assert!(left.iter().all(|tool| !tool.args.join(" ").contains("sleep 600")), "{left:?}");
}

/// The one window that is open.
#[track_caller]
pub fn only_window(terminals: &Terminals<'_>) -> String {
    let [window] = &terminals.open()[..] else { panic!("one window: {:?}", terminals.open()) };
    window.clone()
}

#[track_caller]
pub fn shows(terminals: &Terminals<'_>, window: &str, words: &str) {
    wait(WAIT, words, || terminals.screen(window).unwrap_or_default().contains(words).then_some(()))
        .unwrap_or_else(|error| panic!("{error}\n{}", terminals.screen(window).unwrap()));
}

/// Types a line and presses Enter until `came`: a client takes one that comes right behind quick typing for a part of
/// pasted text, and one that comes while it begins for nothing.
#[track_caller]
pub fn says(terminals: &Terminals<'_>, window: &str, line: &str, came: impl Fn() -> bool) {
    terminals.type_text(window, line).unwrap();
    shows(terminals, window, line);
    let taken = (0..10).any(|_| {
        thread::sleep(Duration::from_millis(500));
        terminals.press(window, &["Enter"]).unwrap();
        wait(Duration::from_secs(5), "the line to be taken", || came().then_some(())).is_ok()
    });
    assert!(taken, "{line:?} was not taken:\n{}", terminals.screen(window).unwrap());
}

/// The end of a request, its lines in short.
pub fn end_of(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(LINES_SHOWN)..].iter();
    last.map(|line| line.chars().take(160).collect::<String>() + "\n").collect()
}
