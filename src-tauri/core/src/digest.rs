//! What is known of a chat from its transcript, folded record by record. Can be stored and gone on with.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    chats::Client,
    checkpoints::{Todo, planner::News},
    clients::{Unreadable, context_window, read_line, shorten},
    clinic::errors::Refusals,
    crashes::{InTurn, ToolCall},
    limits::Limit,
    lines::{Line, Lines},
    observations::{Answer, AnswerEnd, Call, Observed, TitleRank, TodoChange, What},
    prices::Spent,
    signals::Tally,
    time::Timestamp,
};

/// Answers whose tokens may still be counted again: lines of one answer stand close together.
const RECENT_ANSWERS_MAX: usize = 16;
/// Open tool calls kept; no client runs more at once.
const CALLS_MAX: usize = 64;
const TODOS_MAX: usize = 200;
/// Files listed that tool calls wrote: the latest so many.
const TOUCHED_MAX: usize = 200;
/// Titles are one line of at most this many characters.
const TITLE_CHARS_MAX: usize = 80;
/// The last turn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Turn {
    #[default]
    None,
    /// Asked, and not answered completely.
    Open {
        since: Option<Timestamp>,
    },
    Done,
    /// Stopped by the user, or closed unanswered by the client when it resumed.
    Interrupted,
    /// The client gave up asking the model.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastMessage {
    pub uuid: String,
    /// SHA-256, in hexadecimal, of the exact text of the record's `message`.
    pub sha256: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct OpenCall {
    id: String,
    call: ToolCall,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    /// Bytes folded: always the end of a whole line.
    pub offset: u64,
    pub cwd: Option<String>,
    pub branch: Option<String>,
    pub version: Option<String>,
    pub model: Option<String>,
    pub permission_mode: Option<String>,
    /// Who serves the model, where the client has several.
    #[serde(default)]
    pub provider: Option<String>,
    pub last_at: Option<Timestamp>,
    /// Completed turns: a message of the user's and all that answers it.
    pub turns: u64,
    pub turn: Turn,
    pub tokens: u64,
    /// Of answers that were read since prices are known: what they cost, and how many of the tokens have a price.
    #[serde(default)]
    pub spent: Spent,
    pub last_message: Option<LastMessage>,
    pub todos: Vec<Todo>,
    /// Lines that made no sense, whole or in part.
    pub unreadable: u64,
    pub compactions: u64,
    /// What its records add up to; of a digest that an older version stored, nothing.
    #[serde(default = "Tally::uncounted")]
    pub tally: Tally,
    /// The usage limit that the last turn ran into.
    #[serde(default)]
    limit: Option<Limit>,
    /// When a quota that was used up is whole again.
    #[serde(default)]
    quota_resets_at: Option<Timestamp>,
    /// Refusals of the model's API since its last answer, of a kind that goes on.
    #[serde(default)]
    pub refusals: Option<Refusals>,
    title: Option<(TitleRank, String)>,
    /// A message of the user's waits for the end of its turn.
    asked: bool,
    calls: Vec<OpenCall>,
    recent: Vec<(String, u64)>,
    /// Of the same answers.
    #[serde(default)]
    recent_spent: Vec<(String, Spent)>,
    context_tokens: u64,
    /// The model's context window in tokens, as the client told it last.
    #[serde(default)]
    context_window: Option<u64>,
}

impl Digest {
    /// A title that a person recognises: their own, the model's, or the first thing they asked.
    pub fn title(&self) -> Option<&str> {
        self.title.as_ref().map(|(_, text)| text.as_str())
    }

    /// The usage limit that the chat waits for.
    pub fn limit(&self, now: Timestamp) -> Option<&Limit> {
        self.limit.as_ref().filter(|limit| limit.lasts(now))
    }

    pub fn in_flight(&self) -> Vec<ToolCall> {
        self.calls.iter().map(|open| open.call.clone()).collect()
    }

    /// Where the turn stands that is not complete, and the calls that have no result.
    pub fn where_open(&self) -> (InTurn, Vec<ToolCall>) {
        match &self.turn {
            Turn::Open { .. } => match self.in_flight() {
                calls if calls.is_empty() => (InTurn::Answer, Vec::new()),
                calls => (InTurn::Tool, calls),
            },
            Turn::None | Turn::Done | Turn::Interrupted | Turn::Failed => (InTurn::None, Vec::new()),
        }
    }

    /// Share of the model's context that the last answer used, 0 to 1; `None` where its window is not known.
    pub fn context_used(&self, client: Client) -> Option<f64> {
        let told = self.context_window.filter(|window| *window > 0);
        let window = told.or_else(|| context_window(client, self.model.as_deref(), self.context_tokens))?;
        (self.context_tokens > 0).then(|| (self.context_tokens as f64 / window as f64).min(1.0))
    }

    /// Folds one record. Returns whether it completed a turn.
    pub fn fold(&mut self, mut observed: Observed) -> bool {
        self.last_at = observed.at.max(self.last_at);
        keep(&mut self.version, observed.version.take());
        if observed.sidechain {
            return false;
        }
        let calls = &self.calls;
        let tool = |id: &str| calls.iter().find(|open| open.id == id).map(|open| open.call.tool.as_str());
        self.tally.fold(&observed, tool);
        keep(&mut self.cwd, observed.cwd);
        keep(&mut self.branch, observed.branch);
        keep(&mut self.permission_mode, observed.permission_mode);
        keep(&mut self.provider, observed.provider);
        self.context_window = observed.context_window.or(self.context_window);
        self.fold_limit(observed.limit, observed.quota_resets_at, &observed.what);
        let turns = self.turns;
        match observed.what {
            What::Prompt { text } => {
                self.name(TitleRank::FirstPrompt, &text);
                self.asked = true;
                self.calls.clear();
                self.turn = Turn::Open { since: observed.at };
            }
            What::Command { text } => {
                self.name(TitleRank::FirstPrompt, &text);
                self.asked = true;
            }
            What::TurnBegun => {
                self.calls.clear();
                self.turn = Turn::Open { since: observed.at };
            }
            What::ToolResults(results) => {
                self.calls.retain(|open| results.iter().all(|result| result.call_id != open.id));
                self.turn = Turn::Open { since: observed.at };
            }
            What::Interrupted => self.close(Turn::Interrupted),
            // Some clients say so at each resume, whether a turn was cut or not.
            What::CutTurnClosed if matches!(self.turn, Turn::Done | Turn::None | Turn::Failed) => {}
            What::CutTurnClosed => self.close(Turn::Interrupted),
            What::ApiError { text } => {
                self.refusals = Refusals::and(self.refusals.take(), &text, observed.at);
                self.close(Turn::Failed);
            }
            What::Answer(answer) => {
                self.refusals = None;
                self.fold_answer(answer, observed.at);
            }
            What::Compaction => {
                self.refusals = None;
                self.compactions += 1;
            }
            What::CompactionFailed { text } => {
                self.refusals = Refusals::and(self.refusals.take(), &text, observed.at);
            }
            What::Title { text, rank } => self.name(rank, &text),
            What::Other => {}
        }
        self.turns > turns
    }

    /// A limit stands until the model answers.
    fn fold_limit(&mut self, limit: Option<Limit>, resets_at: Option<Timestamp>, what: &What) {
        self.quota_resets_at = resets_at.or(self.quota_resets_at);
        match limit {
            Some(limit) => {
                let resets_at = limit.resets_at.or(self.quota_resets_at.take());
                self.limit = Some(Limit { resets_at, ..limit });
            }
            None if matches!(what, What::Answer(_)) => (self.limit, self.quota_resets_at) = (None, None),
            None => {}
        }
    }

    fn fold_answer(&mut self, answer: Answer, at: Option<Timestamp>) {
        if self.goes_on_after_all(&answer) {
            self.turns = self.turns.saturating_sub(1);
            self.asked = true;
        }
        self.count_tokens(&answer);
        self.count_cost(&answer, at);
        keep(&mut self.model, answer.model);
        for call in answer.calls {
            self.open_call(call);
        }
        match answer.end {
            AnswerEnd::GoesOn | AnswerEnd::GoesOnAfterAll => self.turn = Turn::Open { since: at },
            AnswerEnd::Done => {
                self.turns += u64::from(self.asked);
                self.close(Turn::Done);
            }
            AnswerEnd::Aborted => self.close(Turn::Interrupted),
        }
    }

    /// A client may write an answer's words before its tool calls: they look like an answer that is complete.
    fn goes_on_after_all(&self, answer: &Answer) -> bool {
        let last = self.recent.last().map(|(id, _)| id);
        self.turn == Turn::Done
            && answer.end == AnswerEnd::GoesOnAfterAll
            && last.is_some()
            && last == answer.message_id.as_ref()
    }

    /// Opens the turn again, for calls that were found running and are not in the transcript.
    pub fn reopen(&mut self, calls: Vec<ToolCall>) {
        self.turn = Turn::Open { since: self.last_at };
        self.calls =
            calls.into_iter().map(|call| OpenCall { id: String::new(), call }).take(CALLS_MAX).collect();
    }

    fn open_call(&mut self, call: Call) {
        match call.todo {
            Some(TodoChange::Replace(todos)) => self.todos = todos,
            Some(TodoChange::Add(todo)) => self.todos.push(todo),
            Some(TodoChange::Update { number, status }) => {
                if let Some(todo) = number.checked_sub(1).and_then(|index| self.todos.get_mut(index)) {
                    todo.status = status;
                }
            }
            None => {}
        }
        self.todos.truncate(TODOS_MAX);
        if self.calls.len() < CALLS_MAX && self.calls.iter().all(|open| open.id != call.id) {
            self.calls.push(OpenCall { id: call.id, call: call.call });
        }
    }

    /// Several records repeat the usage of the one answer they belong to.
    fn count_tokens(&mut self, answer: &Answer) {
        let (Some(id), Some(usage)) = (&answer.message_id, answer.usage) else { return };
        self.context_tokens = usage.total();
        let total = usage.total();
        if let Some((_, counted)) = self.recent.iter_mut().find(|(recent, _)| recent == id) {
            self.tokens = self.tokens.saturating_sub(*counted).saturating_add(total);
            *counted = total;
            return;
        }
        self.tokens = self.tokens.saturating_add(total);
        if self.recent.len() == RECENT_ANSWERS_MAX {
            self.recent.remove(0);
        }
        self.recent.push((id.clone(), total));
    }

    /// As with tokens, the last record of an answer counts.
    fn count_cost(&mut self, answer: &Answer, at: Option<Timestamp>) {
        let (Some(id), Some(usage)) = (&answer.message_id, answer.usage) else { return };
        let model = answer.model.as_deref().or(self.model.as_deref());
        let spent = Spent::on(model, at, usage);
        let known = self.recent_spent.iter_mut().find(|(recent, _)| recent == id);
        let before = known.map(|(_, counted)| std::mem::replace(counted, spent));
        self.spent = self.spent.corrected(before.unwrap_or_default(), spent);
        if before.is_none() {
            if self.recent_spent.len() == RECENT_ANSWERS_MAX {
                self.recent_spent.remove(0);
            }
            self.recent_spent.push((id.clone(), spent));
        }
    }

    fn close(&mut self, turn: Turn) {
        self.turn = turn;
        self.asked = false;
        self.calls.clear();
    }

    /// The higher rank wins; among equals the newer, but the first prompt stays.
    fn name(&mut self, rank: TitleRank, text: &str) {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let better = match &self.title {
            None => true,
            Some((known, _)) => rank > *known || (rank == *known && rank != TitleRank::FirstPrompt),
        };
        if better && !line.is_empty() {
            self.title = Some((rank, shorten(line, TITLE_CHARS_MAX)));
        }
    }
}

fn keep(slot: &mut Option<String>, new: Option<String>) {
    if new.is_some() && *slot != new {
        *slot = new;
    }
}

/// Folds a transcript as its bytes come.
#[derive(Clone, Debug)]
pub struct Reader {
    pub digest: Digest,
    client: Client,
    lines: Lines,
    /// The record looked for, and the hash of its message once it was seen.
    sought: Option<(String, Option<String>)>,
    /// Ids of the records that ended a turn, when they are asked for.
    turn_ends: Option<Vec<String>>,
    /// What tool calls began and ended since it was last taken, when it is asked for.
    news: Option<News>,
    /// Files that tool calls wrote, the latest last, when they are asked for.
    touched: Option<Vec<String>>,
}

impl Reader {
    pub fn new(client: Client) -> Self {
        let (digest, lines) = (Digest::default(), Lines::default());
        Self { digest, client, lines, sought: None, turn_ends: None, news: None, touched: None }
    }

    /// Goes on where a stored digest stopped: the next bytes fed are those at `digest.offset`.
    pub fn resume(client: Client, digest: Digest) -> Self {
        Self { lines: Lines::from_offset(digest.offset), digest, ..Self::new(client) }
    }

    /// Also looks for one record and lists the ends of turns: to compare a file with a journal.
    pub fn comparing(client: Client, uuid: Option<&str>) -> Self {
        Self {
            sought: uuid.map(|uuid| (uuid.to_owned(), None)),
            turn_ends: Some(Vec::new()),
            ..Self::new(client)
        }
    }

    /// Also gathers what tool calls begin and end from here on.
    pub fn with_news(self) -> Self {
        Self { news: Some(News::default()), ..self }
    }

    /// Also lists the files that tool calls write.
    pub fn listing_touched(client: Client) -> Self {
        Self { touched: Some(Vec::new()), ..Self::new(client) }
    }

    /// What was gathered since the last time.
    pub fn take_news(&mut self) -> News {
        self.news.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The files that were listed, the one written last at the end.
    pub fn touched(&self) -> &[String] {
        self.touched.as_deref().unwrap_or_default()
    }

    /// Hash of the message of the record that was looked for.
    pub fn found(&self) -> Option<&str> {
        self.sought.as_ref().and_then(|(_, hash)| hash.as_deref())
    }

    pub fn turn_ends(&self) -> &[String] {
        self.turn_ends.as_deref().unwrap_or_default()
    }

    /// Bytes behind the last whole line.
    pub fn tail(&self) -> &[u8] {
        self.lines.tail()
    }

    /// The digest of a file that grows no more: a record that only lacks its line feed counts, as it does
    /// for the client. What is torn does not.
    pub fn at_rest(&self) -> Digest {
        let mut whole = self.clone();
        whole.feed(b"\n");
        Digest { offset: self.digest.offset, unreadable: self.digest.unreadable, ..whole.digest }
    }

    /// Takes the next bytes. Returns how many turns they completed.
    pub fn feed(&mut self, bytes: &[u8]) -> u64 {
        let turns = self.digest.turns;
        let Self { digest, client, lines, sought, turn_ends, news, touched } = self;
        // Only the last message of a batch is hashed: hashing each would halve the speed of indexing.
        let mut last: Option<(String, String)> = None;
        lines.feed(bytes, |line| {
            let Line::Whole(line) = line else {
                digest.unreadable += 1;
                return;
            };
            let Unreadable(unreadable) = read_line(*client, line, |record| {
                let uuid = record.observed.uuid.clone();
                let is_message = !matches!(record.observed.what, What::CutTurnClosed | What::ApiError { .. });
                if let (Some(uuid), Some(message)) = (&uuid, record.message) {
                    if let Some((wanted, hash)) = sought
                        && wanted == uuid
                    {
                        *hash = Some(sha256(message.get()));
                    }
                    if is_message {
                        last = Some((uuid.clone(), message.get().to_owned()));
                    }
                }
                tell(news, touched, &record.observed.what);
                if digest.fold(record.observed)
                    && let (Some(ends), Some(uuid)) = (turn_ends.as_mut(), uuid)
                {
                    ends.push(uuid);
                }
            });
            digest.unreadable += u64::from(unreadable);
        });
        digest.offset = lines.whole_offset();
        if let Some((uuid, message)) = last {
            digest.last_message = Some(LastMessage { uuid, sha256: sha256(&message) });
        }
        digest.turns.saturating_sub(turns)
    }
}

/// Gathers what a record tells of tool calls, sub-agents' too.
fn tell(news: &mut Option<News>, touched: &mut Option<Vec<String>>, what: &What) {
    match what {
        What::Answer(answer) => {
            if let Some(news) = news {
                answer.calls.iter().for_each(|call| news.call(call));
            }
            if let Some(touched) = touched {
                for path in answer.calls.iter().flat_map(|call| &call.touches) {
                    touched.retain(|known| known != path);
                    touched.push(path.clone());
                }
                let superfluous = touched.len().saturating_sub(TOUCHED_MAX);
                touched.drain(..superfluous);
            }
        }
        What::ToolResults(results) => {
            if let Some(news) = news {
                results.iter().for_each(|result| news.result(result));
            }
        }
        What::Prompt { .. }
        | What::Command { .. }
        | What::TurnBegun
        | What::Interrupted
        | What::ApiError { .. }
        | What::CutTurnClosed
        | What::Compaction
        | What::CompactionFailed { .. }
        | What::Title { .. }
        | What::Other => {}
    }
}

pub fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[path = "digest_tests.rs"]
mod tests;
