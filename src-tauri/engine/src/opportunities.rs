//! The history of chats, out of signals and crashes that are kept, as rows in which opportunities are looked for; once a
//! day the loop is told what of it may be tried.

use std::time::{Duration, Instant};

use shim_api::ApiError;
use shim_core::{
    chats::{ChatId, Client},
    experiments::improvement,
    opportunities::{
        Looked, Report, find,
        history::{Lived, Numbers, Stretch},
        ideas::ideas,
    },
    prediction::{model::is_foretold, training::lives},
    signals::Signals,
    time::Timestamp,
};
use shim_store::{CrashMoment, Store, StoreError};

use crate::{
    prediction::until_crashes,
    run::{Input, Watch, now},
    views,
};

/// A chat is looked at every minute; a row never stands for more than this.
const ROW_MAX: Duration = Duration::from_secs(150);
/// A life that was seen later than this may be going on, and is none yet.
const OVER_AFTER: Duration = Duration::from_secs(300);
/// Length of a stretch, at least.
const STRETCH_MINUTES: f64 = 10.0;

/// How long after the engine's start the loop's own ideas are looked for, and how often then.
const SEEK_FIRST: Duration = Duration::from_secs(10 * 60);
const SEEK_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// When it is looked for ideas next.
pub struct Seeker {
    next: Instant,
}

impl Default for Seeker {
    fn default() -> Self {
        Self { next: Instant::now() + SEEK_FIRST }
    }
}

impl Watch {
    /// Called often; does its work once a day, where ideas are tried without being asked.
    pub fn seek_opportunities_when_due(&mut self) {
        let is_wanted = self.experiments.improvement().is_automatic() && !self.is_demo() && !self.is_paused();
        if !is_wanted || Instant::now() < self.experiments.seeker.next {
            return;
        }
        self.experiments.seeker.next = Instant::now() + SEEK_EVERY;
        let handle = self.handle.clone();
        // Hours are those of UTC: the engine does not ask where its user is.
        self.on_a_thread(move || match report(&handle.home.store, 0) {
            Ok(Report::Looked(looked)) => {
                let hear = Input::Call(Box::new(move |watch| watch.hear_opportunities(&looked)));
                let _ = handle.inputs.send(hear);
            }
            Ok(Report::NotEnoughYet { .. }) => {}
            Err(error) => tracing::warn!("opportunities could not be looked for: {error}"),
        });
    }

    /// Tells the loop what of it may be tried.
    fn hear_opportunities(&mut self, looked: &Looked) {
        for idea in ideas(looked, self.experiments.improvement(), now()) {
            tracing::info!(knob = idea.knob, why = idea.why, "an idea to try");
            self.experiments_hear(improvement::Event::Idea { idea });
        }
    }
}

/// What is found in the history; hours are those of so many minutes east of UTC.
pub fn report(store: &Store, offset_minutes: i32) -> Result<Report, ApiError> {
    let history = history(store, offset_minutes, now()).map_err(views::store_error)?;
    Ok(find(&history))
}

/// Chat by chat, so that no more than one's signals are in memory whole.
fn history(store: &Store, offset_minutes: i32, now: Timestamp) -> Result<Vec<Lived>, StoreError> {
    let mut history = Vec::new();
    for client in Client::ALL {
        let (chats, crashes) =
            store.read(|store| Ok((store.chats_with_signals(client)?, store.crashes_of_client(client)?)))?;
        for chat in chats {
            let (rows, digest) = store
                .read(|store| Ok((store.signals(&chat, Timestamp::default(), now)?, store.digest(&chat)?)))?;
            let model = digest.and_then(|digest| digest.model);
            let own = of_chat(&chat, &crashes);
            // One row for each chat: a chat that was brought back again and again is no crowd.
            let first = until_crashes(lives(rows), &own).into_iter().take(1);
            let ended = first.filter_map(|(life, crashed)| {
                let is_over = life.last().is_some_and(|row| now.since(row.at) > OVER_AFTER);
                (crashed.is_some() || is_over)
                    .then(|| lived(client, &model, &life, crashed, offset_minutes))?
            });
            history.extend(ended);
        }
    }
    Ok(history)
}

fn of_chat(chat: &ChatId, crashes: &[(ChatId, CrashMoment)]) -> Vec<CrashMoment> {
    let own = crashes.iter().filter(|(of, crash)| of == chat && is_foretold(crash.kind));
    own.map(|(_, crash)| *crash).collect()
}

/// None where nothing was read of it.
fn lived(
    client: Client,
    model: &Option<String>,
    life: &[Signals],
    crashed: Option<Timestamp>,
    offset_minutes: i32,
) -> Option<Lived> {
    let (first, last) = (life.first()?, life.last()?);
    let most =
        |of: fn(&Numbers) -> Option<f64>| life.iter().filter_map(|row| of(&numbers(row))).reduce(f64::max);
    let known = |of: fn(&Numbers) -> Option<f64>| life.iter().rev().find_map(|row| of(&numbers(row)));
    Some(Lived {
        at: first.at,
        client,
        version: last.client_version.clone(),
        model: model.clone(),
        hour: hour(first.at, offset_minutes),
        numbers: Numbers {
            context_used: most(|numbers| numbers.context_used),
            rss_bytes: most(|numbers| numbers.rss_bytes),
            failure_rate: known(|numbers| numbers.failure_rate),
            latency_seconds: known(|numbers| numbers.latency_seconds),
            minutes: known(|numbers| numbers.minutes),
            ..numbers(last)
        },
        stretches: stretches(life, crashed),
        crashed: crashed.is_some(),
    })
}

fn hour(at: Timestamp, offset_minutes: i32) -> u8 {
    let minutes = at.ms().div_euclid(60_000).saturating_add(i64::from(offset_minutes));
    u8::try_from(minutes.div_euclid(60).rem_euclid(24)).unwrap_or(0)
}

fn numbers(row: &Signals) -> Numbers {
    Numbers {
        calls: Some(row.tool_calls as f64),
        messages: Some(row.messages as f64),
        context_used: row.context_used,
        failure_rate: row.failure_rate,
        latency_seconds: row.latency_seconds,
        rss_bytes: row.rss_bytes.map(|bytes| bytes as f64),
        minutes: row.age_seconds.map(|seconds| seconds / 60.0),
        tokens: Some(row.tokens as f64),
        // SHIM knows no prices.
        cost: None,
    }
}

/// Rows gathered to stretches, each with the numbers it began with.
fn stretches(life: &[Signals], crashed: Option<Timestamp>) -> Vec<Stretch> {
    let ends = life.iter().skip(1).map(|row| Some(row.at)).chain([crashed]);
    let mut stretches: Vec<Stretch> = Vec::new();
    for (row, end) in life.iter().zip(ends) {
        let minutes = end.map_or(0.0, |end| end.since(row.at).min(ROW_MAX).as_secs_f64() / 60.0);
        match stretches.last_mut().filter(|stretch| stretch.minutes < STRETCH_MINUTES) {
            Some(stretch) => stretch.minutes += minutes,
            None => stretches.push(Stretch { minutes, numbers: numbers(row) }),
        }
    }
    stretches
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use shim_core::{
        chats::ProcessKey,
        crashes::{CrashKind, InTurn},
        experiments::machine::From,
        opportunities::{Kind, Standing},
        supervisor::NewCrash,
    };
    use shim_store::{SignalCaps, Urgency};
    use tokio_util::{sync::CancellationToken, task::TaskTracker};

    use super::*;
    use crate::{
        home::Home,
        metrics::Metrics,
        run::{Handle, Tasks},
    };

    fn minute(minute: i64) -> Timestamp {
        Timestamp::from_ms(minute * 60_000)
    }

    fn chat(number: i64) -> ChatId {
        ChatId::new(Client::Codex, &format!("11111111-0000-4000-8000-{number:012}"))
    }

    /// A chat of some minutes, with so much memory; one that dies does so 30 s after its last row.
    fn live(store: &Store, number: i64, minutes: i64, rss_bytes: u64, dies: bool) {
        let begun = number * 48;
        let row = |age: i64| Signals {
            at: minute(begun + age),
            client_version: Some("0.51.0".to_owned()),
            age_seconds: Some(age as f64 * 60.0),
            rss_bytes: Some(rss_bytes),
            tool_calls: age.unsigned_abs(),
            ..Signals::default()
        };
        let rows: Vec<_> = (0..minutes).map(|age| (chat(number), row(age))).collect();
        let happened_at = minute(begun + minutes - 1).plus(Duration::from_secs(30));
        let crash = NewCrash {
            chat: chat(number),
            process: ProcessKey { pid: 7, start: "77".to_owned() },
            kind: CrashKind::Killed,
            in_turn: InTurn::None,
            in_flight: Vec::new(),
            evidence: Vec::new(),
            happened_at,
            seen_live: true,
        };
        let write = store.write(Urgency::AtOnce, move |store| {
            store.put_signals(&rows, SignalCaps::default())?;
            if dies { store.record_crash(&crash, happened_at).map(drop) } else { Ok(()) }
        });
        write.unwrap();
    }

    /// Of 240 chats one in twenty of the small ones dies, half of the large ones.
    fn lived_through(store: &Store) {
        for number in 0..240 {
            let is_large = number % 3 == 0;
            let dies = if is_large { number % 2 == 0 } else { number % 20 == 1 };
            live(store, number, 25, if is_large { 900_000_000 } else { 200_000_000 }, dies);
        }
    }

    #[test]
    fn lives_become_rows_and_what_goes_with_their_crashes_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("shim.db"), Duration::from_millis(1)).unwrap();
        let nothing = find(&history(&store, 0, minute(100)).unwrap());
        assert!(matches!(nothing, Report::NotEnoughYet { chats: 0, crashes: 0, .. }), "{nothing:?}");

        lived_through(&store);
        let end = 239 * 48 + 24;
        // The last is still seen.
        assert_eq!(history(&store, 0, minute(end + 4)).unwrap().len(), 239);
        let all = history(&store, 60, minute(end + 60)).unwrap();
        assert_eq!(all.len(), 240);
        let first = all.iter().find(|lived| lived.at == minute(0)).unwrap();
        assert_eq!((first.hour, first.crashed, first.version.as_deref()), (1, true, Some("0.51.0")));
        assert_eq!((first.numbers.calls, first.numbers.minutes), (Some(24.0), Some(24.0)));
        let lengths: Vec<_> = first.stretches.iter().map(|stretch| stretch.minutes).collect();
        assert_eq!(lengths, [10.0, 10.0, 4.5]);
        assert_eq!(first.stretches[1].numbers.calls, Some(10.0));

        let Report::Looked(looked) = find(&all) else { panic!("there is enough") };
        assert_eq!((looked.chats, looked.crashes), (240, 48));
        let memory = |kind: Kind| {
            let is_it = |found: &&shim_core::opportunities::Opportunity| {
                found.kind == kind && found.what.contains("MB of memory")
            };
            looked.found.iter().find(is_it).map(|found| found.standing)
        };
        assert_eq!(memory(Kind::Subgroup), Some(Standing::Confirmed), "{looked:#?}");
        assert_eq!(memory(Kind::Hazard), Some(Standing::Confirmed), "{looked:#?}");
    }

    #[test]
    fn a_chat_that_was_brought_back_many_times_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("shim.db"), Duration::from_millis(1)).unwrap();
        let rows = |life: i64| {
            (0..3).map(move |age| {
                let at = minute(life * 600 + age);
                (chat(1), Signals { at, age_seconds: Some(age as f64 * 60.0), ..Signals::default() })
            })
        };
        let rows: Vec<_> = (0..5).flat_map(rows).collect();
        store.write(Urgency::AtOnce, move |store| store.put_signals(&rows, SignalCaps::default())).unwrap();
        assert_eq!(history(&store, 0, minute(9000)).unwrap().len(), 1);
    }

    #[test]
    fn what_is_confirmed_is_tried_once() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), "experiments.auto = true\n").unwrap();
        let home = Arc::new(Home::open(folder.path()).unwrap());
        lived_through(&home.store);
        let (inputs, _taken) = std::sync::mpsc::channel();
        let handle = Handle::new(Arc::clone(&home), inputs, Metrics::default());
        let tasks = Tasks {
            runtime: runtime.handle().clone(),
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        let mut watch = Watch::open(Arc::clone(&home), handle, tasks, true).unwrap();
        let Report::Looked(looked) = report(&home.store, 0).unwrap() else { panic!("there is enough") };
        for _ in 0..2 {
            watch.hear_opportunities(&looked);
        }
        let found: Vec<_> = watch.experiments.improvement().experiments().collect();
        assert!(!found.is_empty(), "{:#?}", looked.found);
        for experiment in &found {
            assert_eq!(experiment.plan.from, From::Opportunity);
            assert!(experiment.plan.why.contains("associated with"), "{}", experiment.plan.why);
            assert!(experiment.state.is_open() || experiment.began.is_none());
        }
        let knobs: std::collections::BTreeSet<_> = found.iter().map(|one| one.plan.knob.as_str()).collect();
        assert_eq!(knobs.len(), found.len(), "one for a knob");
    }
}
