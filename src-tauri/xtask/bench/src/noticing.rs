//! From the kill of a client to its crash recorded and told: with cheap processes, many times.

use std::{
    collections::BTreeMap,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use shim_api::events::Event;
use shim_core::chats::ChatId;

use crate::{
    Bench, chats,
    engine::{Engine, Place},
    figures::{Bound, Figure},
    records::Random,
};

pub const BUDGET: Bound = Bound::P50AndP99(50.0, 250.0);
pub const AIM: Bound = Bound::P50AndP99(15.0, 100.0);
/// Chats that live at once.
const LIVE: usize = 20;
const TOLD_WAIT: Duration = Duration::from_secs(20);
pub const HOW: &str = "from the call of kill() to the event of the recorded crash at a listener";

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    Ok(vec![one_by_one(bench)?, at_once(bench)?])
}

fn one_by_one(bench: &Bench) -> Result<Figure> {
    let place = Place::new(&bench.shim)?;
    let engine = place.start(&[])?;
    let told = Told::listen(&engine);
    let mut random = Random::new(11);
    let mut samples = Vec::new();
    for _ in 0..bench.count(200, 20) / LIVE {
        let mut killed = BTreeMap::new();
        for chat in &mut chats::start_all(&place, &engine, LIVE, "busy")? {
            killed.insert(chat.id.clone(), chat.kill()?);
            thread::sleep(Duration::from_millis(20 + random.below(80)));
        }
        samples.extend(told.after(&killed)?);
    }
    Ok(Figure::samples("noticing, one by one", "ms", samples).within(BUDGET, AIM).note(HOW))
}

fn at_once(bench: &Bench) -> Result<Figure> {
    let place = Place::new(&bench.shim)?;
    let engine = place.start(&[])?;
    let told = Told::listen(&engine);
    let mut samples = Vec::new();
    for _ in 0..bench.count(5, 1) {
        let mut live = chats::start_all(&place, &engine, LIVE, "busy")?;
        let killed = live.iter_mut().map(|chat| Ok((chat.id.clone(), chat.kill()?)));
        samples.extend(told.after(&killed.collect::<Result<_>>()?)?);
    }
    let note = format!("{LIVE} chats killed in one go, each measured from its own kill");
    Ok(Figure::samples("noticing, 20 at once", "ms", samples).within(BUDGET, AIM).note(note))
}

/// Hears of crashes as soon as the engine tells of them.
pub struct Told {
    crashes: mpsc::Receiver<(ChatId, Instant)>,
}

impl Told {
    pub fn listen(engine: &Engine) -> Self {
        let (tell, crashes) = mpsc::channel();
        let api = engine.api.clone();
        // It ends when the engine ends, which is when its stream of events breaks.
        let _listener = thread::spawn(move || {
            let heard = |event| match event {
                Event::CrashRecorded { crash, .. } => tell.send((crash.chat, Instant::now())).is_ok(),
                _ => true,
            };
            if let Err(error) = api.events(heard) {
                eprintln!("the stream of events broke: {error}");
            }
        });
        // A listener that came too late would hear nothing of the first crash.
        thread::sleep(Duration::from_millis(200));
        Self { crashes }
    }

    /// Milliseconds from each kill to the news of it.
    pub fn after(&self, killed: &BTreeMap<ChatId, Instant>) -> Result<Vec<f64>> {
        let mut samples = Vec::new();
        while samples.len() < killed.len() {
            let told = self.crashes.recv_timeout(TOLD_WAIT);
            let (chat, at) = told
                .with_context(|| format!("only {} of {} crashes were told", samples.len(), killed.len()))?;
            if let Some(killed) = killed.get(&chat) {
                samples.push(at.duration_since(*killed).as_secs_f64() * 1000.0);
            }
        }
        Ok(samples)
    }
}
