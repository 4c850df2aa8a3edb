//! The machine of one chat's checkpoints: what happened comes in, and what is to be taken goes out, never so often
//! that it becomes a storm. A reason that comes too soon waits, or is named in the one that is taken.

use std::collections::{BTreeMap, VecDeque};

use super::{
    Todo, Trigger,
    pace::{Pace, Priority},
    risky,
};
use crate::{
    crashes::ToolCall,
    observations::{Call, ToolResult},
    time::Timestamp,
};

/// Commits under way that are remembered; no client runs more tools at once.
const COMMITS_MAX: usize = 64;
/// Risky commands of which the transcript is yet to tell.
const AHEAD_MAX: usize = 64;
/// Characters of a note.
const NOTE_CHARS_MAX: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Risk {
    Warning,
    Danger,
}

#[derive(Debug)]
pub enum Event<'a> {
    /// Something that has one taken happened: a turn, a crash, the user's wish, the start or the end of a session.
    Wanted(Trigger),
    /// The chat's risk rose to this.
    RiskRose(Risk),
    /// This risky command is about to begin, and waits.
    Ahead(&'a str),
    /// The transcript grew.
    Grew { news: &'a News, todos: &'a [Todo] },
    /// Time passed.
    Tick,
}

/// What the transcript told while it grew.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct News {
    /// Tool calls that began.
    pub calls: Vec<Call>,
    pub results: Vec<ToolResult>,
    /// How many calls began, those that are not kept here too.
    pub called: u64,
}

impl News {
    /// Calls and results kept until they are taken up: a burst beyond that is counted.
    const KEPT_MAX: usize = 64;

    pub fn call(&mut self, call: &Call) {
        self.called += 1;
        if self.calls.len() < Self::KEPT_MAX {
            self.calls.push(call.clone());
        }
    }

    pub fn result(&mut self, result: &ToolResult) {
        if self.results.len() < Self::KEPT_MAX {
            self.results.push(result.clone());
        }
    }

    pub fn is_empty(&self) -> bool {
        self.called == 0 && self.results.is_empty()
    }
}

/// A checkpoint to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    pub trigger: Trigger,
    /// Reasons that came too soon for one of their own.
    pub also: Vec<Trigger>,
    /// What it was about, such as the command of a risky call.
    pub note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    Take(Due),
}

#[derive(Clone, Debug, Default)]
pub struct Planner {
    /// When the last one of each weight was taken.
    taken: BTreeMap<Priority, Timestamp>,
    /// Reasons that wait for their gap to pass, each with its note.
    waiting: BTreeMap<Trigger, Option<String>>,
    /// Tool calls since the last one.
    calls: u64,
    /// When something changed first after the last one.
    changed: Option<Timestamp>,
    /// Lines of the to-do list that were done when it was last seen.
    done: Option<usize>,
    /// Ids of calls that make a commit, and what they were given.
    commits: VecDeque<(String, String)>,
    /// Risky commands that had theirs before the transcript told of them.
    ahead: VecDeque<String>,
}

impl Planner {
    pub fn handle(&mut self, event: Event<'_>, pace: &Pace, now: Timestamp) -> Vec<Effect> {
        // A clock that was set back leaves moments that are yet to come: they count from now on.
        self.taken.values_mut().chain(&mut self.changed).for_each(|at| *at = now.min(*at));
        match event {
            Event::Ahead(command) => return vec![self.ahead(command, now)],
            Event::Wanted(trigger) => self.want(trigger, None),
            Event::RiskRose(Risk::Warning) => self.want(Trigger::WarningRisk, None),
            Event::RiskRose(Risk::Danger) => self.want(Trigger::DangerRisk, None),
            Event::Grew { news, todos } => self.grew(news, todos, pace, now),
            Event::Tick => {}
        }
        let waited = self.changed.is_some_and(|changed| now.since(changed) >= pace.interval);
        if waited && !pace.interval.is_zero() {
            self.want(Trigger::Interval, None);
        }
        self.take_what_is_due(pace, now)
    }

    /// Takes one for this reason as soon as there is anything to be kept.
    pub fn wait_with(&mut self, trigger: Trigger) {
        self.want(trigger, None);
    }

    /// Whether forgetting this planner loses nothing.
    pub fn is_at_rest(&self) -> bool {
        self.waiting.is_empty() && self.changed.is_none()
    }

    /// Tool calls since the last checkpoint.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// No gap holds here: the call waits for it, so that they cannot come faster than they are taken.
    fn ahead(&mut self, command: &str, now: Timestamp) -> Effect {
        let note = brief(command);
        self.ahead.push_back(note.clone());
        if self.ahead.len() > AHEAD_MAX {
            self.ahead.pop_front();
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.remove(&Trigger::Risky);
        self.taken.insert(Trigger::Risky.priority(), now);
        (self.calls, self.changed) = (0, None);
        Effect::Take(Due { trigger: Trigger::Risky, also: waiting.into_keys().collect(), note: Some(note) })
    }

    fn want(&mut self, trigger: Trigger, note: Option<String>) {
        let waits = self.waiting.entry(trigger).or_default();
        *waits = waits.take().or(note);
    }

    fn grew(&mut self, news: &News, todos: &[Todo], pace: &Pace, now: Timestamp) {
        self.changed.get_or_insert(now);
        self.calls = self.calls.saturating_add(news.called);
        for call in &news.calls {
            if let Some(command) = risky::command_of(&pace.risky, &call.call) {
                self.begins(brief(&command));
            }
            self.remember_commit(&call.id, &call.call);
        }
        for result in &news.results {
            let ended = self.commits.iter().position(|(id, _)| *id == result.call_id);
            let commit = ended.and_then(|at| self.commits.remove(at));
            if let Some((_, command)) = commit.filter(|_| !result.failed) {
                self.want(Trigger::Milestone, Some(brief(&command)));
            }
        }
        let done = todos.iter().filter(|todo| todo.is_done()).count();
        if self.done.is_some_and(|before| done > before)
            && let Some(last) = todos.iter().rfind(|todo| todo.is_done())
        {
            self.want(Trigger::Milestone, Some(brief(&last.text)));
        }
        self.done = Some(done);
        if pace.calls > 0 && self.calls >= pace.calls {
            self.want(Trigger::ToolCalls, None);
        }
    }

    /// The transcript tells of a risky call. One that waited for its checkpoint has it.
    fn begins(&mut self, command: String) {
        match self.ahead.iter().position(|ahead| *ahead == command) {
            Some(at) => drop(self.ahead.remove(at)),
            None => self.want(Trigger::Risky, Some(command)),
        }
    }

    fn remember_commit(&mut self, id: &str, call: &ToolCall) {
        if let Some(command) = risky::commit(call) {
            self.commits.push_back((id.to_owned(), command));
            if self.commits.len() > COMMITS_MAX {
                self.commits.pop_front();
            }
        }
    }

    /// The weightiest reason that waits, once its gap has passed; it takes all others with it.
    fn take_what_is_due(&mut self, pace: &Pace, now: Timestamp) -> Vec<Effect> {
        let Some(trigger) = self.waiting.keys().copied().max_by_key(|trigger| trigger.weight()) else {
            return Vec::new();
        };
        let priority = trigger.priority();
        let last = self.taken.range(priority..).map(|(_, at)| *at).max();
        if last.is_some_and(|last| now.since(last) < pace.gap(priority)) {
            return Vec::new();
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        let note = waiting.remove(&trigger).flatten();
        self.taken.insert(priority, now);
        (self.calls, self.changed) = (0, None);
        vec![Effect::Take(Due { trigger, also: waiting.into_keys().collect(), note })]
    }
}

/// The note of a checkpoint about this command.
pub fn brief(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    crate::clients::shorten(&line, NOTE_CHARS_MAX)
}

#[cfg(test)]
#[path = "planner_tests.rs"]
mod tests;
