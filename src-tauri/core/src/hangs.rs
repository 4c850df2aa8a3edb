//! Hangs: a process that lives and does nothing for the chat it holds. A machine per process tells them from what
//! only takes long. It decides; nothing here looks, waits or ends anything.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{crashes::Evidence, readings::Reading, time::Timestamp};

/// Readings further apart than this, and than so many times what they are meant to be, were not one watch: SHIM itself
/// was stopped or paused between them.
const GAP_SECONDS_MIN: f64 = 60.0;
const GAP_READINGS: f64 = 3.0;
/// The clock on the wall went on by so much more than the machine was awake: it slept.
const SLEPT_SECONDS_MIN: f64 = 5.0;
/// A process that waits for a core as long as it does is starved, not spinning: it must have used this share of one.
const SPIN_CPU_MIN: f64 = 0.2;
/// Patience where the system does not tell whether anything comes over a process's connections.
const UNTOLD_NETWORK: f64 = 4.0;
/// Patience with a silent process that has no connection: it may wait between two tries to reach its model.
const NO_CONNECTION: f64 = 2.0;

/// A closer look costs a look at all processes: it is taken so often within a threshold, and after that as seldom.
const CLOSER_LOOKS: f64 = 20.0;
/// Longest time between two of them, in seconds.
const CLOSER_SECONDS_MAX: f64 = 30.0;

/// How a process hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts")]
pub enum Form {
    /// It uses a processor core up and gets nowhere.
    Spin,
    /// It does nothing at all in the middle of a turn.
    Silent,
    /// It was stopped by a signal, and not by its own terminal.
    Stopped,
}

impl Form {
    pub fn name(self) -> &'static str {
        match self {
            Self::Spin => "spin",
            Self::Silent => "silent",
            Self::Stopped => "stopped",
        }
    }
}

/// From when on a process that gets nowhere hangs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Time at full speed without anything written.
    pub spin: Duration,
    /// Time without anything written, received or run. Clients give up a silent answer by themselves after 5 to 10
    /// minutes and ask again.
    pub silent: Duration,
    pub stopped: Duration,
    /// Share of one core that is full speed.
    pub cpu_share: f64,
    /// Time after the machine slept in which nothing is held against anybody.
    pub after_wake: Duration,
    /// Readings in a row that must say the same.
    pub readings: u32,
    /// Time between two readings.
    pub apart: Duration,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            spin: Duration::from_secs(300),
            silent: Duration::from_secs(900),
            stopped: Duration::from_secs(60),
            cpu_share: 0.9,
            after_wake: Duration::from_secs(120),
            readings: 6,
            apart: Duration::from_secs(5),
        }
    }
}

impl Thresholds {
    fn of(&self, form: Form) -> Duration {
        match form {
            Form::Spin => self.spin,
            Form::Silent => self.silent,
            Form::Stopped => self.stopped,
        }
    }

    fn gap_seconds(&self) -> f64 {
        (self.apart.as_secs_f64() * GAP_READINGS).max(GAP_SECONDS_MIN)
    }
}

/// What a client says that it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// A turn is under way.
    Working,
    /// For its user: a permission, a question, the end of a usage limit.
    Waiting,
    Idle,
}

/// One look at a chat's process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    pub reading: Reading,
    /// Time its main thread was ready to run and had no core, since it started, in seconds; 0 where that is not told.
    pub waited_seconds: f64,
    /// Time the machine was awake since it started, in seconds.
    pub awake_seconds: f64,
    pub doing: Doing,
    /// Another number whenever anything was written of the chat, by itself or by one of its sub-agents.
    pub progress: u64,
    /// The chat waits for the end of a usage limit.
    pub limited: bool,
    /// What is looked for only where it is wanted.
    pub closer: Option<Closer>,
}

/// What a closer look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closer {
    pub tools: Tools,
    pub network: Network,
    /// Its user stopped it in its terminal.
    pub suspended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tools {
    /// Nothing that was started for the turn runs.
    None,
    /// A tool's process runs, or a call is with somebody else.
    Working,
    /// Nothing runs, and the client may have asked its user without a trace.
    MaybeAsked,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    Unknown,
    NoConnection,
    /// Bytes came that it does not take.
    Unread,
    /// Time since the last byte that it took.
    QuietFor(Duration),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It may hang, or no longer may: shown, and nothing else.
    SuspicionChanged,
    Hung {
        form: Form,
        since: Timestamp,
        evidence: Vec<Evidence>,
    },
    /// It moves again.
    Unhung,
}

/// What speaks against a process, reading after reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suspicion {
    pub form: Form,
    pub since: Timestamp,
    since_awake: f64,
    cpu_seconds: f64,
    readings: u32,
    shown: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Moves,
    Suspect(Suspicion),
    /// Of a hang that an engine before this one found, the form is not known.
    Hung(Option<Form>),
}

/// The machine over one process.
#[derive(Clone, Debug, PartialEq)]
pub struct Hanging {
    state: State,
    last: Option<Look>,
    /// When the machine was found to have slept, in its time awake.
    woke: Option<f64>,
    /// The last closer look, in the same.
    looked_closer: Option<f64>,
}

impl Default for Hanging {
    fn default() -> Self {
        Self { state: State::Moves, last: None, woke: None, looked_closer: None }
    }
}

impl Hanging {
    /// Of a process that an engine before this one found hung.
    pub fn recalled() -> Self {
        Self { state: State::Hung(None), ..Self::default() }
    }

    /// What is shown of a process that may hang.
    pub fn suspicion(&self) -> Option<(Form, Timestamp)> {
        match &self.state {
            State::Suspect(suspicion) if suspicion.shown => Some((suspicion.form, suspicion.since)),
            State::Suspect(_) | State::Moves | State::Hung(_) => None,
        }
    }

    /// Whether tools and connections should be looked at, which costs more than a reading.
    pub fn wants_a_closer_look(&self, awake_seconds: f64, thresholds: &Thresholds) -> bool {
        let (form, is_due) = match &self.state {
            State::Moves => return false,
            State::Hung(form) => (form.unwrap_or(Form::Silent), true),
            State::Suspect(suspicion) => {
                let half = thresholds.of(suspicion.form).as_secs_f64() / 2.0;
                (suspicion.form, awake_seconds - suspicion.since_awake >= half)
            }
        };
        let pause = (thresholds.of(form).as_secs_f64() / CLOSER_LOOKS).min(CLOSER_SECONDS_MAX);
        is_due && self.looked_closer.is_none_or(|at| awake_seconds - at >= pause)
    }

    /// Takes one look in. Nothing follows from a single one.
    pub fn handle(&mut self, look: Look, thresholds: &Thresholds) -> Vec<Effect> {
        let Some(last) = self.last.replace(look) else { return Vec::new() };
        let passed = look.awake_seconds - last.awake_seconds;
        if passed <= 0.0 {
            return Vec::new();
        }
        let unlooked = self.looked_closer.map_or(passed, |at| look.awake_seconds - at);
        if look.closer.is_some() {
            self.looked_closer = Some(look.awake_seconds);
        }
        if slept(&last, &look, passed) {
            self.woke = Some(look.awake_seconds);
        }
        if let State::Hung(form) = self.state {
            return if moves(form, &last, &look, unlooked) {
                self.rest(vec![Effect::Unhung])
            } else {
                vec![]
            };
        }
        let wakes = self.woke.is_some_and(|at| look.awake_seconds - at < thresholds.after_wake.as_secs_f64());
        if wakes || passed > thresholds.gap_seconds() || is_excused(&last, &look) {
            return self.rest(Vec::new());
        }
        self.suspect(&last, &look, passed, thresholds)
    }

    /// Nothing speaks against it.
    fn rest(&mut self, mut effects: Vec<Effect>) -> Vec<Effect> {
        if self.suspicion().is_some() {
            effects.push(Effect::SuspicionChanged);
        }
        self.state = State::Moves;
        effects
    }

    fn suspect(&mut self, last: &Look, look: &Look, passed: f64, thresholds: &Thresholds) -> Vec<Effect> {
        let form = form_of(last, look, passed, thresholds);
        let before = self.suspicion();
        let mut suspicion = match self.state {
            State::Suspect(suspicion) if suspicion.form == form => suspicion,
            State::Suspect(_) | State::Moves | State::Hung(_) => begin(form, last),
        };
        suspicion.readings = suspicion.readings.saturating_add(1);
        let span = look.awake_seconds - suspicion.since_awake;
        let limit = thresholds.of(form).as_secs_f64();
        if let Some(closer) = look.closer {
            match speaks_for_it(form, closer, span) {
                Some(Life::Now) => return self.rest(Vec::new()),
                Some(Life::Before(quiet)) => suspicion = begun_before(form, look, quiet),
                None => {}
            }
            suspicion.shown = look.awake_seconds - suspicion.since_awake >= limit / 2.0;
            if is_certain(&suspicion, look, closer, thresholds) {
                let evidence = evidence(&suspicion, look, closer);
                self.state = State::Hung(Some(form));
                return vec![Effect::Hung { form, since: suspicion.since, evidence }];
            }
        }
        self.state = State::Suspect(suspicion);
        if self.suspicion() == before { Vec::new() } else { vec![Effect::SuspicionChanged] }
    }
}

fn slept(last: &Look, look: &Look, passed: f64) -> bool {
    look.reading.at.since(last.reading.at).as_secs_f64() - passed >= SLEPT_SECONDS_MIN
}

/// What is no hang, whatever the process does.
fn is_excused(last: &Look, look: &Look) -> bool {
    look.doing != Doing::Working || look.limited || look.progress != last.progress
}

/// Whether a process that hung does something for its chat again. It was not looked at closely for `unlooked` seconds.
fn moves(form: Option<Form>, last: &Look, look: &Look, unlooked: f64) -> bool {
    let runs_again = form == Some(Form::Stopped) && !look.reading.stopped;
    let hears = look.closer.is_some_and(|closer| {
        let heard = matches!(closer.network, Network::QuietFor(quiet) if quiet.as_secs_f64() < unlooked);
        !look.reading.stopped && (heard || closer.tools == Tools::Working)
    });
    runs_again || hears || is_excused(last, look)
}

fn form_of(last: &Look, look: &Look, passed: f64, thresholds: &Thresholds) -> Form {
    let used = (look.reading.cpu_seconds - last.reading.cpu_seconds) / passed;
    let waited = (look.waited_seconds - last.waited_seconds) / passed;
    let is_at_full_speed = used >= SPIN_CPU_MIN && used + waited >= thresholds.cpu_share;
    match (look.reading.stopped, is_at_full_speed) {
        (true, _) => Form::Stopped,
        (false, true) => Form::Spin,
        (false, false) => Form::Silent,
    }
}

/// From the look before on nothing was seen to move.
fn begin(form: Form, last: &Look) -> Suspicion {
    Suspicion {
        form,
        since: last.reading.at,
        since_awake: last.awake_seconds,
        cpu_seconds: last.reading.cpu_seconds,
        readings: 0,
        shown: false,
    }
}

/// The same, of a process that took a byte so long ago.
fn begun_before(form: Form, look: &Look, quiet: Duration) -> Suspicion {
    let back = i64::try_from(quiet.as_millis()).unwrap_or(0);
    Suspicion {
        since: Timestamp::from_ms(look.reading.at.ms().saturating_sub(back)),
        since_awake: look.awake_seconds - quiet.as_secs_f64(),
        ..begin(form, look)
    }
}

/// A sign of life.
enum Life {
    Now,
    Before(Duration),
}

fn speaks_for_it(form: Form, closer: Closer, span: f64) -> Option<Life> {
    if form == Form::Stopped {
        return closer.suspended.then_some(Life::Now);
    }
    match (closer.tools, closer.network) {
        (Tools::Working | Tools::Unknown, _) => Some(Life::Now),
        // One that waits for its user does not spin.
        (Tools::MaybeAsked, _) if form == Form::Silent => Some(Life::Now),
        (Tools::None | Tools::MaybeAsked, Network::QuietFor(quiet)) if quiet.as_secs_f64() < span => {
            Some(Life::Before(quiet))
        }
        (Tools::None | Tools::MaybeAsked, _) => None,
    }
}

fn is_certain(suspicion: &Suspicion, look: &Look, closer: Closer, thresholds: &Thresholds) -> bool {
    let patience = match (suspicion.form, closer.network) {
        (Form::Stopped, _) => 1.0,
        (Form::Spin | Form::Silent, Network::Unknown) => UNTOLD_NETWORK,
        (Form::Silent, Network::NoConnection) => NO_CONNECTION,
        (Form::Spin | Form::Silent, Network::NoConnection | Network::Unread | Network::QuietFor(_)) => 1.0,
    };
    let span = look.awake_seconds - suspicion.since_awake;
    suspicion.readings >= thresholds.readings
        && span >= thresholds.of(suspicion.form).as_secs_f64() * patience
}

fn evidence(suspicion: &Suspicion, look: &Look, closer: Closer) -> Vec<Evidence> {
    let seconds = (look.awake_seconds - suspicion.since_awake).max(1.0);
    let share = 100.0 * (look.reading.cpu_seconds - suspicion.cpu_seconds).max(0.0) / seconds;
    let process = match suspicion.form {
        Form::Stopped => format!("stopped by a signal for {seconds:.0} s, and not by its terminal"),
        Form::Spin => format!("at {share:.0} % of a processor core for {seconds:.0} s"),
        Form::Silent => format!("at {share:.1} % of a processor core for {seconds:.0} s"),
    };
    let readings = format!("{} readings in a row said so", suspicion.readings);
    let transcript = format!("nothing was written in the middle of a turn for {seconds:.0} s");
    let tools = match look.reading.children {
        0 => "no tool runs".to_owned(),
        1 => "no tool runs: its 1 child was started before".to_owned(),
        more => format!("no tool runs: its {more} children were started before"),
    };
    let network = match closer.network {
        Network::Unknown => "this system does not tell what comes over its connections".to_owned(),
        Network::NoConnection => "it has no connection".to_owned(),
        Network::Unread => "it does not take what came over its connections".to_owned(),
        Network::QuietFor(quiet) => format!("it took nothing over its connections for {} s", quiet.as_secs()),
    };
    let mut all = vec![("process", process), ("process", readings), ("transcript", transcript)];
    if suspicion.form != Form::Stopped {
        all.extend([("process", tools), ("network", network)]);
    }
    all.into_iter().map(|(source, says)| Evidence { source: source.to_owned(), says }).collect()
}

#[cfg(test)]
#[path = "hangs_tests.rs"]
mod tests;
