//! The order of a restore's steps, and what stops it at each of them.

use std::time::Duration;

use serde_json::json;

use super::{
    Comparison, Effect, Event, Findings, Fork, Job, Orphan, OrphanPolicy, Outcome, Refusal, RefusalReason,
    Restore, Step, StepFailed, Then, Transcript,
};
use crate::{
    chats::{ChatId, Client, ProcessKey},
    crashes::{InTurn, ToolCall},
};

const TIMEOUT: Duration = Duration::from_secs(30);

fn job() -> Job {
    Job {
        chat: ChatId::new(Client::ClaudeCode, "c"),
        fork: None,
        then: Then::Idle,
        headless: false,
        dry_run: false,
        start_timeout: TIMEOUT,
        orphans: OrphanPolicy::End,
        in_turn: InTurn::None,
        in_flight: vec![],
    }
}

fn fork() -> Job {
    Job { fork: Some(Fork { chat: ChatId::new(Client::ClaudeCode, "f"), checkpoint: 3 }), ..job() }
}

fn findings() -> Findings {
    Findings {
        live: vec![],
        orphans: vec![],
        cwd: Some("/c".to_owned()),
        cwd_exists: true,
        client: Some("/bin/claude".to_owned()),
        terminal: Some("xterm".to_owned()),
        transcript: Transcript::Same,
        cannot: None,
        adds_to: None,
        unsure: Vec::new(),
    }
}

fn process(pid: u32) -> ProcessKey {
    ProcessKey { pid, start: "1".to_owned() }
}

fn orphan() -> Orphan {
    Orphan { process: process(9), command: "sleep 60".to_owned() }
}

fn compared() -> Comparison {
    let sha256 = Some("ab".to_owned());
    Comparison { turns_after: 5, turns_lost: 0, sha256_before: sha256.clone(), sha256_after: sha256 }
}

/// What the world answers to each effect; the restore goes on until it is finished.
#[derive(Clone)]
struct World {
    findings: Findings,
    left: Vec<Orphan>,
    transcript: Result<String, StepFailed>,
    context: Result<String, StepFailed>,
    meanwhile: Vec<u32>,
    start: Result<String, StepFailed>,
    appears: Result<ProcessKey, String>,
    counted: Vec<u32>,
    comparison: Comparison,
}

impl Default for World {
    fn default() -> Self {
        let went = || Ok("went well".to_owned());
        Self {
            findings: findings(),
            left: vec![],
            transcript: went(),
            context: went(),
            meanwhile: vec![],
            start: went(),
            appears: Ok(process(8)),
            counted: vec![8],
            comparison: compared(),
        }
    }
}

impl World {
    fn finding(findings: Findings) -> Self {
        Self { findings, ..Self::default() }
    }

    /// Names of the effects in their order, and the outcome.
    fn restore(&self, job: Job) -> (Vec<&'static str>, Outcome) {
        let (mut restore, mut effects, mut started) = (Restore::new(job), Vec::new(), false);
        let mut event = Event::Begin;
        for _ in 0..20 {
            let (name, next) = match restore.handle(event) {
                Effect::LookAround => ("look", Event::Found(self.findings.clone())),
                Effect::EndOrphans(orphans) => {
                    assert_eq!(orphans, self.findings.orphans);
                    ("end", Event::OrphansEnded { left: self.left.clone() })
                }
                Effect::PrepareTranscript => ("prepare", Event::TranscriptReady(self.transcript.clone())),
                Effect::WriteContext(_) => ("context", Event::ContextWritten(self.context.clone())),
                Effect::CountProcesses if started => {
                    ("count", Event::Counted { processes: self.counted.clone() })
                }
                Effect::CountProcesses => {
                    ("look again", Event::Counted { processes: self.meanwhile.clone() })
                }
                Effect::StartClient => {
                    started = true;
                    ("start", Event::Started(self.start.clone()))
                }
                Effect::AwaitClient { at_most } => {
                    assert_eq!(at_most, TIMEOUT);
                    let event = self.appears.clone().map_or_else(Event::NotAppeared, Event::Appeared);
                    ("await", event)
                }
                Effect::Compare => ("compare", Event::Compared(self.comparison.clone())),
                Effect::Finish(outcome) => return (effects, outcome),
            };
            effects.push(name);
            event = next;
        }
        panic!("it does not end: {effects:?}");
    }
}

fn steps(outcome: &Outcome) -> Vec<(&str, bool)> {
    outcome.steps.iter().map(|step| (step.step.as_str(), step.ok)).collect()
}

#[test]
fn the_steps_come_in_the_one_order_that_keeps_the_contract() {
    let orphaned = || Findings { orphans: vec![orphan()], ..findings() };
    let missing = || Findings { transcript: Transcript::Missing, ..findings() };
    let differs = || Findings { transcript: Transcript::Differs { at: 12 }, ..findings() };
    let rest = ["context", "look again", "start", "await", "count", "compare"];
    for (name, job, findings, first) in [
        ("plain", job(), findings(), vec!["look"]),
        ("orphans", job(), orphaned(), vec!["look", "end"]),
        ("the file is gone", job(), missing(), vec!["look", "prepare"]),
        ("both", job(), Findings { orphans: vec![orphan()], ..missing() }, vec!["look", "end", "prepare"]),
        ("the file differs", job(), differs(), vec!["look"]),
        ("a fork", fork(), findings(), vec!["look", "prepare"]),
        ("a fork of a gone file", fork(), missing(), vec!["look", "prepare"]),
        ("a fork of a live chat", fork(), Findings { live: vec![7], ..findings() }, vec!["look", "prepare"]),
        (
            "headless",
            Job { headless: true, ..job() },
            Findings { terminal: None, ..findings() },
            vec!["look"],
        ),
    ] {
        let (effects, outcome) = World::finding(findings).restore(job);
        assert_eq!(effects, [first.as_slice(), rest.as_slice()].concat(), "{name}");
        assert!(outcome.ok && outcome.started && outcome.refused.is_none(), "{name}: {outcome:?}");
    }
}

#[test]
fn the_outcome_tells_each_step() {
    let (_, outcome) = World::default().restore(job());
    let step = |step: &str, detail: &str| Step { step: step.to_owned(), ok: true, detail: detail.to_owned() };
    let expected = Outcome {
        ok: true,
        refused: None,
        started: true,
        process: Some(process(8)),
        processes: Some(1),
        comparison: Some(compared()),
        steps: vec![
            step("prove_dead", "no live process stands behind this chat"),
            step("journal", "the journal holds every byte of the client's file"),
            step("orphans", "no tool child was left running"),
            step("context", "went well"),
            step("still_dead", "no process came up meanwhile"),
            step("start", "went well"),
            step("registered", "the client shows the chat under process 8"),
            step("count", "1 process is on this chat: [8]"),
            step("compare", "every complete turn is there, the last message is unchanged"),
        ],
    };
    assert_eq!(outcome, expected);
}

#[test]
fn what_stands_in_the_way_refuses_before_anything_is_changed() {
    use RefusalReason::{
        CheckpointGone, ClientMissing, DirectoryGone, NothingToRestore, OrphansAlive, StillAlive,
        TerminalMissing,
    };
    let refusing = || Job { orphans: OrphanPolicy::Refuse, ..job() };
    for (job, findings, step, reason) in [
        (job(), Findings { live: vec![7, 8], ..findings() }, "prove_dead", StillAlive),
        (job(), Findings { transcript: Transcript::Nothing, ..findings() }, "journal", NothingToRestore),
        (fork(), Findings { transcript: Transcript::Nothing, ..findings() }, "journal", NothingToRestore),
        (
            fork(),
            Findings { transcript: Transcript::CheckpointGone, ..findings() },
            "journal",
            CheckpointGone,
        ),
        (job(), Findings { cwd_exists: false, ..findings() }, "directory", DirectoryGone),
        (job(), Findings { cwd: None, cwd_exists: false, ..findings() }, "directory", DirectoryGone),
        (job(), Findings { client: None, ..findings() }, "client", ClientMissing),
        (job(), Findings { terminal: None, ..findings() }, "terminal", TerminalMissing),
        (refusing(), Findings { orphans: vec![orphan()], ..findings() }, "orphans", OrphansAlive),
    ] {
        for dry_run in [false, true] {
            let (effects, outcome) = World::finding(findings.clone()).restore(Job { dry_run, ..job.clone() });
            assert_eq!(effects, ["look"], "{reason:?}");
            let message = outcome.steps.first().map(|step| step.detail.clone()).unwrap();
            let expected = Outcome {
                ok: false,
                refused: Some(Refusal { reason, message: message.clone() }),
                started: false,
                process: None,
                processes: None,
                comparison: None,
                steps: vec![Step { step: step.to_owned(), ok: false, detail: message }],
            };
            assert_eq!(outcome, expected);
        }
    }
}

#[test]
fn orphans_that_will_not_end_stop_it() {
    let findings = Findings { orphans: vec![orphan()], ..findings() };
    let world = World { findings, left: vec![orphan()], ..World::default() };
    let (effects, outcome) = world.restore(job());
    assert_eq!(effects, ["look", "end"]);
    let expected = "these would not end: 9 (sleep 60); end them, then restore again";
    assert_eq!(
        outcome.refused,
        Some(Refusal { reason: RefusalReason::OrphansAlive, message: expected.to_owned() })
    );
    assert_eq!(
        steps(&outcome),
        [("prove_dead", true), ("journal", true), ("orphans", true), ("end_orphans", false)]
    );
    assert!(!outcome.ok && !outcome.started);
}

#[test]
fn somebody_who_takes_the_chat_up_meanwhile_stops_it() {
    for job in [job(), fork()] {
        let world = World { meanwhile: vec![11], ..World::default() };
        let (effects, outcome) = world.restore(job);
        assert_eq!(effects.last(), Some(&"look again"));
        assert_eq!(outcome.refused.map(|refusal| refusal.reason), Some(RefusalReason::StillAlive));
        assert!(!outcome.ok && !outcome.started);
    }
}

#[test]
fn a_step_that_fails_is_the_last() {
    let failed = || Err(StepFailed("disk full".to_owned()));
    let plain = World::finding(Findings { transcript: Transcript::Missing, ..findings() });
    for (world, effect, step, started) in [
        (World { transcript: failed(), ..plain.clone() }, "prepare", "transcript", false),
        (World { context: failed(), ..plain.clone() }, "context", "context", false),
        (World { start: failed(), ..plain.clone() }, "start", "start", false),
        (World { appears: Err("disk full".to_owned()), ..plain }, "await", "registered", true),
    ] {
        let (effects, outcome) = world.restore(job());
        assert_eq!(effects.last(), Some(&effect));
        let last = Step { step: step.to_owned(), ok: false, detail: "disk full".to_owned() };
        assert_eq!(outcome.steps.last(), Some(&last));
        assert_eq!(
            (outcome.ok, outcome.started, outcome.refused, outcome.comparison),
            (false, started, None, None),
            "{step}"
        );
    }
}

#[test]
fn the_check_afterwards_decides() {
    let lost = || Comparison { turns_lost: 2, ..compared() };
    let changed = || Comparison { sha256_after: None, ..compared() };
    for (counted, comparison, ok, failed) in [
        (vec![8], compared(), true, vec![]),
        (vec![7, 8], compared(), false, vec!["count"]),
        (vec![], compared(), false, vec!["count"]),
        (vec![7], compared(), false, vec!["count"]),
        (vec![8], lost(), false, vec!["compare"]),
        (vec![8], changed(), false, vec!["compare"]),
        (vec![7, 8], changed(), false, vec!["count", "compare"]),
    ] {
        let world = World { counted: counted.clone(), comparison: comparison.clone(), ..World::default() };
        let (_, outcome) = world.restore(job());
        let not_ok: Vec<_> =
            steps(&outcome).into_iter().filter(|(_, ok)| !ok).map(|(step, _)| step).collect();
        assert_eq!((outcome.ok, not_ok), (ok, failed), "{counted:?} {comparison:?}");
        assert_eq!(outcome.processes, u32::try_from(counted.len()).ok());
        assert_eq!(outcome.comparison, Some(comparison));
        assert!(outcome.started && outcome.process == Some(process(8)));
    }
}

#[test]
fn a_dry_run_looks_around_and_changes_nothing() {
    let orphaned = Findings { orphans: vec![orphan()], ..findings() };
    let missing = Findings { transcript: Transcript::Missing, ..findings() };
    let headless = Job { headless: true, ..job() };
    let window = "would start /bin/claude in xterm, in /c";
    for (job, findings, would) in [
        (job(), findings(), vec![("start", window)]),
        (headless, findings(), vec![("start", "would start /bin/claude without a terminal, in /c")]),
        (job(), orphaned, vec![("end_orphans", "would end 9 (sleep 60)"), ("start", window)]),
        (
            job(),
            missing,
            vec![("transcript", "would put the client's file back from the journal"), ("start", window)],
        ),
        (
            fork(),
            findings(),
            vec![
                ("transcript", "would write the fork's transcript; the original stays as it is"),
                ("start", window),
            ],
        ),
    ] {
        let (effects, outcome) = World::finding(findings).restore(Job { dry_run: true, ..job });
        assert_eq!(effects, ["look"]);
        assert_eq!((outcome.ok, outcome.started, &outcome.refused), (true, false, &None));
        let told: Vec<_> =
            outcome.steps.iter().skip(3).map(|step| (step.step.as_str(), step.detail.as_str())).collect();
        assert_eq!(told, would);
    }
}

/// The text that a job leaves for the restored chat.
fn context(job: Job) -> String {
    let mut restore = Restore::new(job);
    restore.handle(Event::Begin);
    let mut effect = restore.handle(Event::Found(findings()));
    if effect == Effect::PrepareTranscript {
        effect = restore.handle(Event::TranscriptReady(Ok(String::new())));
    }
    let Effect::WriteContext(text) = effect else { panic!("{effect:?}") };
    text
}

#[test]
fn the_restored_chat_is_told_what_was_cut() {
    let brought_back = "SHIM restored this chat. This chat's process died and the chat was brought back; every complete message above \
         is as it was.\n";
    let forked = "SHIM restored this chat. This chat is a fork of c, from its checkpoint 3.\n";
    let call = |tool: &str, input| ToolCall { tool: tool.to_owned(), input };
    let in_flight = vec![call("Bash", json!({ "command": "make" })), call("mcp__x__y", json!(null))];
    let tools = "In flight when it died, outcome unknown:\n- Bash {\"command\":\"make\"}\n- mcp__x__y null\nDo not run these \
                 again by yourself. Check first what they did, then ask the user whether to go on or to give them up.";
    let answer = "Your last answer was cut before it was complete; what you had written of it is not above.";
    let between = "It was between turns: nothing was cut.";
    for (job, first, second) in [
        (job(), brought_back, between),
        (Job { in_turn: InTurn::Answer, ..job() }, brought_back, answer),
        (Job { in_turn: InTurn::Tool, in_flight: in_flight.clone(), ..job() }, brought_back, tools),
        (Job { in_turn: InTurn::Tool, in_flight, then: Then::Continue, ..job() }, brought_back, tools),
        (fork(), forked, between),
    ] {
        assert_eq!(context(job), format!("{first}{second}"));
    }
}
