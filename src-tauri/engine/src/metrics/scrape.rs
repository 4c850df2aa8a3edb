//! What is read when somebody asks: how chats stand, what the engine takes, what predictions were worth.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::PoisonError,
    time::{Duration, Instant},
};

use shim_api::{
    ApiError,
    prediction::{Prediction, Worth},
};
use shim_core::{
    chats::{ChatId, ChatState, Client},
    experiments::{
        improvement::Totals,
        machine::{State, Trial},
    },
    metrics as table,
    prediction::scoring::Score,
    prices::Spent,
    risk::{Level, Source},
};

use super::Metrics;
use crate::{
    prediction, processes,
    run::{Handle, Watch, now},
};

/// Scoring weeks of predictions takes longer than all else; they change with the hour.
const SCORED_EVERY: Duration = Duration::from_secs(5 * 60);

/// What predictions were worth when that was last asked.
#[derive(Debug, Default)]
pub struct Scores {
    at: Option<Instant>,
    reports: Vec<Prediction>,
}

/// Counted over chats, client by client.
#[derive(Default)]
struct Seen {
    /// A client of which there are chats has every state.
    states: BTreeMap<(Client, ChatState), u64>,
    /// Clients and versions of live chats: what may crash next.
    live: BTreeSet<(Client, Option<String>)>,
    worked: BTreeMap<(Client, Option<String>), Worked>,
    bytes: BTreeMap<Client, u64>,
    open: BTreeMap<Client, u64>,
    risks: BTreeMap<(Client, &'static str), u64>,
    forms: BTreeMap<(Client, &'static str), u64>,
    is_paused: bool,
    warnings: usize,
    tried: Tried,
}

/// What chats did.
#[derive(Clone, Copy, Default)]
struct Worked {
    turns: u64,
    tokens: u64,
    spent: Spent,
}

impl Worked {
    fn add(&mut self, more: Self) {
        self.turns += more.turns;
        self.tokens += more.tokens;
        self.spent = self.spent.corrected(Spent::default(), more.spent);
    }
}

/// Counted over experiments.
#[derive(Default)]
struct Tried {
    /// Of an experiment there is every state.
    states: BTreeMap<String, u64>,
    /// For a new value and against one, by experiment.
    evidence: Vec<(u64, f64, f64)>,
    /// Chats by experiment and arm.
    used: Vec<(u64, usize, u64)>,
    /// Over all there ever were.
    totals: Totals,
}

impl Metrics {
    /// All metrics at this moment, as OpenMetrics text.
    pub fn text(&self, handle: &Handle, started_ms: i64) -> Result<String, ApiError> {
        let mut scores = self.scores.lock().unwrap_or_else(PoisonError::into_inner);
        if scores.at.is_none_or(|at| at.elapsed() >= SCORED_EVERY) {
            *scores = Scores { at: Some(Instant::now()), reports: prediction::report(&handle.home.store)? };
        }
        let seen = handle.call(|watch| watch.counted())?;
        self.families.forget_moment();
        self.say_engine(handle, started_ms, &seen);
        self.say_chats(&seen);
        self.say_tried(&seen.tried);
        self.begin_at_zero(&seen);
        for report in &scores.reports {
            self.say_worth(report.client, report.source, &report.worth);
        }
        Ok(self.families.text())
    }

    fn say_engine(&self, handle: &Handle, started_ms: i64, seen: &Seen) {
        let (families, own) = (&self.families, processes::own_usage());
        families.set(&table::STARTED, [], started_ms as f64 / 1000.0);
        families.set(&table::CPU, [], own.cpu_seconds);
        families.set(&table::MEMORY, [], own.memory_bytes as f64);
        if let Some(written) = own.written_bytes {
            families.set(&table::WRITTEN, [], written as f64);
        }
        families.set(&table::DATABASE, [], handle.home.store.bytes_on_disk() as f64);
        families.set(&table::PAUSED, [], f64::from(u8::from(seen.is_paused)));
        families.set(&table::WARNINGS, [], seen.warnings as f64);
    }

    fn say_chats(&self, seen: &Seen) {
        let families = &self.families;
        for ((client, state), count) in &seen.states {
            families.set(&table::CHATS, [client.name(), state.name()], *count as f64);
        }
        let mut labelled: BTreeMap<(Client, String), Worked> = BTreeMap::new();
        for ((client, version), worked) in &seen.worked {
            let version = self.versions().label(*client, version.as_deref());
            labelled.entry((*client, version)).or_default().add(*worked);
        }
        for ((client, version), Worked { turns, tokens, spent }) in &labelled {
            let labels = [client.name(), version];
            families.set(&table::TURNS, labels, *turns as f64);
            families.set(&table::TOKENS, labels, *tokens as f64);
            families.set(&table::UNPRICED, labels, tokens.saturating_sub(spent.priced_tokens) as f64);
            if spent.priced_tokens > 0 {
                families.set(&table::COST, labels, spent.dollars());
            }
        }
        for (client, bytes) in &seen.bytes {
            families.set(&table::JOURNAL, [client.name()], *bytes as f64);
            let open = seen.open.get(client).copied().unwrap_or(0);
            families.set(&table::OPEN_CRASHES, [client.name()], open as f64);
        }
        for ((client, level), count) in &seen.risks {
            families.set(&table::AT_RISK, [client.name(), level], *count as f64);
        }
        for ((client, form), count) in &seen.forms {
            families.set(&table::SUSPECTED, [client.name(), form], *count as f64);
        }
    }

    fn say_tried(&self, tried: &Tried) {
        let families = &self.families;
        for (state, count) in &tried.states {
            families.set(&table::EXPERIMENTS, [state.as_str()], *count as f64);
        }
        if !tried.states.is_empty() {
            let Totals { begun, deployed, confirmed, rolled_back, inconclusive, stopped, violations: _ } =
                tried.totals;
            for (decision, count) in [
                ("begun", begun),
                ("deployed", deployed),
                ("confirmed", confirmed),
                ("rolled_back", rolled_back),
                ("inconclusive", inconclusive),
                ("stopped", stopped),
            ] {
                families.set(&table::TRIED, [decision], count as f64);
            }
        }
        for (id, better, worse) in &tried.evidence {
            let id = id.to_string();
            families.set(&table::E_VALUE, [id.as_str(), "better"], *better);
            families.set(&table::E_VALUE, [id.as_str(), "worse"], *worse);
        }
        for (id, arm, chats) in &tried.used {
            let (id, arm) = (id.to_string(), format!("arm {arm}"));
            families.set(&table::EXPOSURES, [id.as_str(), arm.as_str()], *chats as f64);
        }
    }

    /// A series that comes with its first crash has never risen: no rate and no alert would tell of it.
    fn begin_at_zero(&self, seen: &Seen) {
        for (client, version) in &seen.live {
            let version = self.versions().label(*client, version.as_deref());
            self.begin(client.name(), &version);
        }
    }

    fn say_worth(&self, client: Client, source: Source, worth: &Worth) {
        let labels = [client.name(), source.name()];
        let windows = worth.score.as_ref().map(|score| score.windows);
        let windows = windows.or(worth.not_enough.map(|missing| missing.windows)).unwrap_or(0);
        self.families.set(&table::WINDOWS, labels, windows as f64);
        let Some(score) = &worth.score else { return };
        self.families.set(&table::BRIER_SKILL, labels, score.brier_skill);
        self.families.set(&table::AVERAGE_PRECISION, labels, score.average_precision);
        self.families.set(&table::CALIBRATION, labels, calibration_error(score));
        self.families.set(&table::BASE_RATE, labels, score.base_rate);
    }
}

/// The expected calibration error: each bin's distance, weighed by its windows (Naeini, Cooper and Hauskrecht, AAAI
/// 2015).
fn calibration_error(score: &Score) -> f64 {
    let far = |bin: &shim_core::prediction::scoring::Bin| {
        (bin.predicted - bin.observed.share).abs() * bin.windows as f64
    };
    score.calibration.iter().map(far).sum::<f64>() / score.windows.max(1) as f64
}

impl Watch {
    fn counted(&self) -> Seen {
        let mut seen = Seen { is_paused: self.is_paused(), warnings: self.warnings.len(), ..Seen::default() };
        let at = now();
        for (id, chat) in &self.chats {
            let client = id.client();
            if !seen.bytes.contains_key(&client) {
                seen.states.extend(ChatState::ALL.map(|state| ((client, state), 0)));
                let levels = [Level::Safe, Level::Warning, Level::Danger];
                seen.risks.extend(levels.map(|level| ((client, level.name()), 0)));
            }
            let state = self.supervisor.state(id);
            *seen.states.entry((client, state)).or_default() += 1;
            *seen.bytes.entry(client).or_default() += chat.durable;
            let worked = seen.worked.entry((client, chat.digest.version.clone())).or_default();
            let (turns, tokens, spent) = (chat.digest.turns, chat.digest.tokens, chat.digest.spent);
            worked.add(Worked { turns, tokens, spent });
            if state.is_live() {
                seen.live.insert((client, chat.digest.version.clone()));
                self.count_live(&mut seen, id, at);
            }
        }
        for chat in self.open_crashes.keys() {
            *seen.open.entry(chat.client()).or_default() += 1;
        }
        seen.tried = self.tried();
        seen
    }

    fn tried(&self) -> Tried {
        let mut tried = Tried { totals: self.experiments.improvement().totals(), ..Tried::default() };
        for one in self.experiments.improvement().experiments() {
            if tried.states.is_empty() {
                tried.states.extend(State::NAMES.map(|name| (name.replace(' ', "_"), 0)));
            }
            *tried.states.entry(one.state.name().replace(' ', "_")).or_default() += 1;
            // So that the same number confirms, with however many new values.
            let treatments = one.trials.len().max(1) as f64;
            let most = |of: fn(&Trial) -> f64| one.trials.iter().map(of).fold(0.0, f64::max);
            if one.state.is_open() {
                let better = most(|trial| trial.last.better_e) / treatments;
                tried.evidence.push((one.id, better, most(|trial| trial.last.worse_e)));
            }
            if one.began.is_some() {
                let used = one.counts.iter().enumerate();
                tried.used.extend(used.map(|(arm, counts)| (one.id, arm, counts.exposed)));
            }
        }
        tried
    }

    fn count_live(&self, seen: &mut Seen, id: &ChatId, at: shim_core::time::Timestamp) {
        if let Some(risk) = self.risk_of(id, at) {
            *seen.risks.entry((id.client(), risk.level.name())).or_default() += 1;
        }
        if let Some((form, _)) = self.suspicion_of(id) {
            *seen.forms.entry((id.client(), form.name())).or_default() += 1;
        }
    }
}
