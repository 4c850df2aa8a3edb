//! Ending what stands behind a chat, on purpose: asked first, given time, then by force with all that it
//! started, and proved gone. A machine without IO; who may ask for it is decided elsewhere.

use std::time::Duration;

use crate::{
    clients::shorten,
    restore::{Orphan, Step, StepFailed},
};

/// Characters shown of a command that is ended.
const COMMAND_CHARS_MAX: usize = 60;
/// Processes named in a step; a client with many tools has dozens.
const NAMED_MAX: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// How long the client may take to end by itself, once it was asked.
    pub grace: Duration,
    pub dry_run: bool,
}

/// What an effect came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Begin,
    /// The client's own processes that live, and all that they started, parents first.
    Found {
        clients: Vec<Orphan>,
        below: Vec<Orphan>,
    },
    /// SHIM itself runs below the client: ending it would end this.
    RunsBelow,
    /// It cannot be told what else is there.
    Unlooked(String),
    Noted(Result<(), StepFailed>),
    /// The clients that did not end in time.
    Asked {
        left: Vec<Orphan>,
    },
    /// Those that would not end even so.
    Forced {
        left: Vec<Orphan>,
    },
    /// The processes that stand behind the chat at the end.
    Confirmed {
        live: Vec<u32>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    LookAround,
    /// Put on record what is about to be ended.
    Note(String),
    /// Ask the clients to end, and wait so long.
    Ask {
        clients: Vec<Orphan>,
        grace: Duration,
    },
    /// End `clients` by force at once, and what was below them with the usual short grace.
    Force {
        clients: Vec<Orphan>,
        below: Vec<Orphan>,
    },
    /// Look whether the chat is free.
    Confirm,
    Finish(Stopped),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    pub ok: bool,
    /// What was ended, or would be.
    pub pids: Vec<u32>,
    pub steps: Vec<Step>,
}

/// The steps of one ending.
#[derive(Clone, Debug)]
pub struct Stop {
    job: Job,
    clients: Vec<Orphan>,
    below: Vec<Orphan>,
    /// Clients that were asked in vain.
    forced: Vec<u32>,
    steps: Vec<Step>,
}

impl Stop {
    pub fn new(job: Job) -> Self {
        Self { job, clients: Vec::new(), below: Vec::new(), forced: Vec::new(), steps: Vec::new() }
    }

    /// Takes what the last effect came to and says what is next.
    pub fn handle(&mut self, event: Event) -> Effect {
        match event {
            Event::Begin => Effect::LookAround,
            Event::RunsBelow => {
                let why =
                    "SHIM itself was started by this chat and would end with it: ask from another terminal";
                self.step("ask_to_end", false, why.to_owned());
                self.finish(false)
            }
            Event::Unlooked(why) => {
                self.step("ask_to_end", false, format!("nothing was ended: {why}"));
                self.finish(false)
            }
            Event::Found { clients, below } => self.found(clients, below),
            Event::Noted(Err(StepFailed(why))) => {
                self.step("ask_to_end", false, format!("nothing was ended: {why}"));
                self.finish(false)
            }
            Event::Noted(Ok(())) => Effect::Ask { clients: self.clients.clone(), grace: self.job.grace },
            Event::Asked { left } => self.asked(left),
            Event::Forced { left } if left.is_empty() => {
                if !self.forced.is_empty() {
                    let detail = format!("{:?} ended by force, with all that was started there", self.forced);
                    self.step("force", true, detail);
                }
                Effect::Confirm
            }
            Event::Forced { left } => {
                self.step("force", false, format!("these would not end, even by force: {}", names(&left)));
                self.finish(false)
            }
            Event::Confirmed { live } if live.is_empty() => {
                self.step("confirm_dead", true, "nothing of it is left".to_owned());
                self.finish(true)
            }
            Event::Confirmed { live } => {
                self.step(
                    "confirm_dead",
                    false,
                    format!("{live:?} stands behind this chat: look at it, then try again"),
                );
                self.finish(false)
            }
        }
    }

    fn found(&mut self, clients: Vec<Orphan>, below: Vec<Orphan>) -> Effect {
        (self.clients, self.below) = (clients, below);
        if self.clients.is_empty() {
            return Effect::Confirm;
        }
        let grace = self.job.grace.as_secs();
        let with = if self.below.is_empty() {
            String::new()
        } else {
            format!("; with it what it started: {}", names(&self.below))
        };
        let what = format!("{}{with}", names(&self.clients));
        if self.job.dry_run {
            self.step(
                "ask_to_end",
                true,
                format!("would ask to end, wait {grace} s, then end by force: {what}"),
            );
            return self.finish(true);
        }
        Effect::Note(format!("about to end {what}"))
    }

    fn asked(&mut self, left: Vec<Orphan>) -> Effect {
        let grace = self.job.grace.as_secs();
        self.forced = pids(&left);
        let detail = if left.is_empty() {
            format!("{:?} ended when asked", pids(&self.clients))
        } else {
            format!("{:?} did not end within {grace} s of being asked", self.forced)
        };
        self.step("ask_to_end", true, detail);
        Effect::Force { clients: left, below: self.below.clone() }
    }

    fn step(&mut self, step: &str, ok: bool, detail: String) {
        self.steps.push(Step { step: step.to_owned(), ok, detail });
    }

    fn finish(&mut self, ok: bool) -> Effect {
        let pids = pids(&self.clients).into_iter().chain(pids(&self.below)).collect();
        Effect::Finish(Stopped { ok, pids, steps: std::mem::take(&mut self.steps) })
    }
}

fn pids(processes: &[Orphan]) -> Vec<u32> {
    processes.iter().map(|orphan| orphan.process.pid).collect()
}

fn names(processes: &[Orphan]) -> String {
    let shown = processes.iter().take(NAMED_MAX);
    let mut names: Vec<_> =
        shown.map(|o| format!("{} ({})", o.process.pid, shorten(&o.command, COMMAND_CHARS_MAX))).collect();
    let more = processes.len().saturating_sub(NAMED_MAX);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chats::ProcessKey;

    fn process(pid: u32) -> Orphan {
        Orphan { process: ProcessKey { pid, start: "1".to_owned() }, command: format!("p{pid}") }
    }

    /// Names of the effects in their order, and the outcome, in a world where so many ignore being asked and forced.
    fn play(
        dry_run: bool,
        ignores_asking: bool,
        ignores_force: bool,
        comes_back: bool,
    ) -> (Vec<&'static str>, Stopped) {
        let mut machine = Stop::new(Job { grace: Duration::from_secs(5), dry_run });
        let (clients, below) = (vec![process(1)], vec![process(2), process(3)]);
        let (mut names, mut event) = (Vec::new(), Event::Begin);
        loop {
            let (name, next) = match machine.handle(event) {
                Effect::LookAround => {
                    ("look", Event::Found { clients: clients.clone(), below: below.clone() })
                }
                Effect::Note(_) => ("note", Event::Noted(Ok(()))),
                Effect::Ask { clients, grace } => {
                    assert_eq!(grace, Duration::from_secs(5));
                    ("ask", Event::Asked { left: if ignores_asking { clients } else { Vec::new() } })
                }
                Effect::Force { clients, below: all } => {
                    assert_eq!(
                        (clients.is_empty(), &all),
                        (!ignores_asking, &below),
                        "the whole tree, tools too"
                    );
                    ("force", Event::Forced { left: if ignores_force { all } else { Vec::new() } })
                }
                Effect::Confirm => {
                    ("confirm", Event::Confirmed { live: if comes_back { vec![9] } else { Vec::new() } })
                }
                Effect::Finish(stopped) => return (names, stopped),
            };
            names.push(name);
            event = next;
        }
    }

    #[test]
    fn what_ignores_being_asked_is_ended_by_force_and_proved_gone() {
        for (ignores_asking, ignores_force, comes_back, ok) in [
            (false, false, false, true),
            (true, false, false, true),
            (true, true, false, false),
            (false, true, false, false),
            (true, false, true, false),
        ] {
            let (names, stopped) = play(false, ignores_asking, ignores_force, comes_back);
            let expected: &[_] = if ignores_force {
                &["look", "note", "ask", "force"]
            } else {
                &["look", "note", "ask", "force", "confirm"]
            };
            assert_eq!((names.as_slice(), stopped.ok, stopped.pids), (expected, ok, vec![1, 2, 3]));
            assert_eq!(stopped.steps.iter().all(|step| step.ok), ok, "{:?}", stopped.steps);
        }
    }

    #[test]
    fn a_rehearsal_only_looks() {
        let (names, stopped) = play(true, true, true, true);
        assert_eq!((names, stopped.ok), (vec!["look"], true));
        assert!(stopped.steps[0].detail.contains("would ask to end, wait 5 s"), "{:?}", stopped.steps);
    }

    #[test]
    fn nothing_is_ended_that_could_not_be_recorded_and_nothing_that_holds_shim_itself() {
        for event in [Event::Noted(Err(StepFailed("full".to_owned()))), Event::RunsBelow] {
            let mut machine = Stop::new(Job { grace: Duration::ZERO, dry_run: false });
            let Effect::Finish(stopped) = machine.handle(event) else { panic!("it goes on") };
            assert!(!stopped.ok && !stopped.steps[0].ok);
        }
    }
}
