//! A year of the loop on an invented machine: thirty chats a day, ideas of which nobody knows what they are worth, and
//! the very code of the engine's decisions. What an idea really does is drawn here and told to nobody.

use std::collections::{BTreeMap, VecDeque};

use shim_core::{
    chats::{ChatId, Client},
    experiments::{
        audit::{Audited, Entry},
        improvement::{Event, Idea, Totals},
        machine::{From, What},
        outcomes::{Held, Measure, Metric},
    },
    knobs::{ChangedBy, KNOBS, Knob, Varies},
    settings::Value,
    time::Timestamp,
};

pub const CHATS_A_DAY: u64 = 30;
/// Of chats with everything as it is set at the beginning.
pub const CRASHES: f64 = 0.12;
/// Of chats that crash whatever is set.
const FLOOR: f64 = 0.02;
/// Ideas that always wait.
const WAITING: usize = 10;
/// Chats that are open at the same time.
const OPEN: usize = 4;

/// What ideas are worth: of a hundred so many help, so many harm, and the rest does nothing.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    pub name: &'static str,
    pub helps: u64,
    pub harms: u64,
}

/// An idea that helps takes, one that harms adds, as much of the crashes: their part above the floor is multiplied by
/// e to the power of minus or plus a number between these.
pub const EFFECT: (f64, f64) = (0.15, 0.75);

pub const MIXES: [Mix; 3] = [
    Mix { name: "balanced", helps: 33, harms: 33 },
    Mix { name: "harmless", helps: 20, harms: 0 },
    Mix { name: "hostile", helps: 20, harms: 60 },
];

/// How a year went.
#[derive(Clone, Debug)]
pub struct Went {
    pub crashes: u64,
    /// Of the chats of the day after.
    pub last_rate: f64,
    pub totals: Totals,
    /// Of what was shipped, so many really harmed.
    pub harmful: u64,
    /// Of what was confirmed, so many really harmed or did nothing.
    pub wrongly_confirmed: u64,
}

/// The loop that lives through it: alone, or with its log on disk.
pub trait Loop {
    fn hear(&mut self, event: Event, at: Timestamp) -> Option<Entry>;
    fn audited(&self) -> &Audited;
}

impl Loop for Audited {
    fn hear(&mut self, event: Event, at: Timestamp) -> Option<Entry> {
        self.handle(event, at)
    }

    fn audited(&self) -> &Audited {
        self
    }
}

pub struct Year<L> {
    random: fastrand::Rng,
    mix: Mix,
    pub live: L,
    pub log: Vec<Entry>,
    /// Whether the log is kept.
    keeps: bool,
    /// What each value of a knob really does, as a power of e.
    truth: BTreeMap<(&'static str, u64), f64>,
    open: VecDeque<(ChatId, bool)>,
    pub went: Went,
    chats: u64,
}

impl<L: Loop> Year<L> {
    pub fn new(live: L, seed: u64, mix: Mix, keeps: bool) -> Self {
        let totals = Totals::default();
        let went = Went { crashes: 0, last_rate: 0.0, totals, harmful: 0, wrongly_confirmed: 0 };
        let mut year = Self {
            random: fastrand::Rng::with_seed(seed),
            mix,
            live,
            log: Vec::new(),
            keeps,
            truth: BTreeMap::new(),
            open: VecDeque::new(),
            went,
            chats: 0,
        };
        year.tell(Event::Settings { automatic: true, set: BTreeMap::new() });
        year
    }

    /// Lives through so many days; `night` may put the loop away and bring it back.
    pub fn live(mut self, days: u64, mut night: impl FnMut(L, &[Entry]) -> L) -> Self {
        for _ in 0..days {
            self.have_ideas();
            (0..CHATS_A_DAY).for_each(|_| self.chat());
            self.tell(Event::Tick);
            self.live = night(self.live, &self.log);
        }
        self.went.totals = self.live.audited().improvement.totals();
        self.went.last_rate = self.rate_of_the_next();
        self
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_ms((self.chats * 86_400_000 / CHATS_A_DAY).cast_signed())
    }

    fn tell(&mut self, event: Event) {
        let Some(entry) = self.live.hear(event, self.now()) else { return };
        for effect in &entry.decided {
            let experiment = self.live.audited().improvement.experiment(effect.experiment);
            // What nobody knows of counts as the worst.
            let effect_of = |arm: usize| {
                let plan = experiment.map(|experiment| &experiment.plan);
                let values = plan.and_then(|plan| Some((plan, plan.arms.first()?, plan.arms.get(arm)?)));
                values.map_or(f64::INFINITY, |(plan, old, new)| {
                    self.effect(&plan.knob, new) - self.effect(&plan.knob, old)
                })
            };
            match effect.decided.what {
                What::Shipped { arm } => self.went.harmful += u64::from(effect_of(arm) > 0.0),
                What::Confirmed { arm } => self.went.wrongly_confirmed += u64::from(effect_of(arm) >= 0.0),
                _ => {}
            }
        }
        if self.keeps {
            self.log.push(entry);
        }
    }

    fn effect(&self, knob: &str, value: &Value) -> f64 {
        let Value::Whole(value) = value else { return 0.0 };
        let known = self.truth.iter().find(|((key, of), _)| *key == knob && of == value);
        known.map_or(0.0, |(_, effect)| *effect)
    }

    /// How likely this chat crashes.
    fn rate(&self, live: &Audited, chat: &ChatId) -> f64 {
        let changes = live.improvement.changes_for(chat);
        let sum: f64 = changes.iter().map(|(knob, value)| self.effect(knob, value)).sum();
        (FLOOR + (CRASHES - FLOOR) * sum.exp()).min(0.95)
    }

    /// Of chats that would come after the last day.
    fn rate_of_the_next(&self) -> f64 {
        const CHATS: u32 = 400;
        let (mut live, mut sum) = (self.live.audited().clone(), 0.0);
        for n in 0..CHATS {
            let chat = ChatId::new(Client::Codex, &format!("next {n}"));
            live.handle(Event::Came { chat: chat.clone(), risk: None, held: Held::default() }, self.now());
            sum += self.rate(&live, &chat);
        }
        sum / f64::from(CHATS)
    }

    fn chat(&mut self) {
        self.chats += 1;
        let chat = ChatId::new(Client::Codex, &self.chats.to_string());
        self.tell(Event::Came { chat: chat.clone(), risk: None, held: Held::default() });
        for (experiment, arm) in self.live.audited().improvement.unnoted(&chat, "") {
            self.tell(Event::Used { experiment, chat: chat.clone(), arm });
        }
        let crashed = self.random.f64() < self.rate(self.live.audited(), &chat);
        self.went.crashes += u64::from(crashed);
        self.open.push_back((chat, crashed));
        if self.open.len() > OPEN
            && let Some((chat, crashed)) = self.open.pop_front()
        {
            let measure = Measure::Ended { crashed, held: Held::default(), unsaved_calls: 0 };
            self.tell(Event::Measured { chat, measure });
        }
    }

    fn have_ideas(&mut self) {
        for _ in 0..4 * WAITING {
            let waiting = self
                .live
                .audited()
                .improvement
                .experiments()
                .filter(|one| one.state.name() == "draft")
                .count();
            if waiting >= WAITING {
                return;
            }
            self.have_an_idea();
        }
    }

    fn have_an_idea(&mut self) {
        let tried = |knob: &&Knob| {
            knob.changed_by == ChangedBy::Experiments
                && knob.varies == Varies::ByChat
                && knob.affects.contains(&Metric::Crash)
        };
        let knobs: Vec<_> = KNOBS.iter().filter(tried).collect();
        let Some(knob) = self.random.choice(knobs) else { return };
        let current = self.live.audited().improvement.value(knob.key);
        let fresh = |value: &u64| {
            !self.truth.contains_key(&(knob.key, *value))
                && knob.may_try(&current, &Value::Whole(*value)).is_ok()
        };
        let fresh: Vec<_> = (knob.min..=knob.max).filter(fresh).collect();
        let Some(value) = self.random.choice(fresh) else { return };
        let drawn = self.random.u64(0..100);
        let size = EFFECT.0 + (EFFECT.1 - EFFECT.0) * self.random.f64();
        let effect = match drawn {
            n if n < self.mix.helps => -size,
            n if n < self.mix.helps + self.mix.harms => size,
            _ => 0.0,
        };
        let effect = self.effect(knob.key, &current) + effect;
        self.truth.insert((knob.key, value), effect);
        let idea = Idea {
            knob: knob.key.to_owned(),
            values: vec![Value::Whole(value)],
            metric: Metric::Crash,
            why: "an idea".to_owned(),
            from: From::Opportunity,
            worth: self.random.f64(),
        };
        self.tell(Event::Idea { idea });
    }
}
