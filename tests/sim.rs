//! Seeded runs of the pure machines in a fake world in which everything goes wrong that can: what SHIM
//! promises must hold after every step. `SHIM_SIM_SEED` names the first seed, `SHIM_SIM_RUNS` how many.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "sim/client.rs"]
mod client;
#[path = "sim/dice.rs"]
mod dice;
#[path = "sim/engine.rs"]
mod engine;
#[path = "sim/promises.rs"]
mod promises;
#[path = "sim/restores.rs"]
mod restores;
#[path = "sim/store.rs"]
mod store;
#[path = "sim/together.rs"]
mod together;
#[path = "sim/world.rs"]
mod world;
#[path = "sim/year.rs"]
mod year;
#[path = "sim/years.rs"]
mod years;

use std::collections::BTreeMap;

use shim_core::restore::{OrphanPolicy, Then};

use crate::{
    client::Start,
    engine::{Engine, Hands},
    promises::Promises,
    restores::Wish,
    store::Store,
    world::{Doing, Role, World},
};

const STEPS: usize = 400;
const RUNS: u64 = 100;
const CHATS_MAX: usize = 12;
/// More than a restore's wait for its client.
const REST_STEPS: usize = 60;

#[test]
fn shim_keeps_its_promises_whatever_happens() {
    let from = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (first, runs) = (from("SHIM_SIM_SEED", 1), from("SHIM_SIM_RUNS", RUNS));
    println!("seeds {first} to {}", first + runs - 1);
    let mut happened = BTreeMap::new();
    for seed in first..first + runs {
        for (what, times) in Sim::new(seed).run() {
            *happened.entry(what).or_insert(0) += times;
        }
    }
    for (what, times) in &happened {
        println!("{times:>8} × {what}");
    }
    // A simulation in which something never happens proves nothing about it.
    for what in MUST_HAPPEN.into_iter().filter(|_| runs >= RUNS) {
        assert!(happened.contains_key(what), "in {runs} runs there was no `{what}`");
    }
}

const MUST_HAPPEN: [&str; 36] = [
    "killed",
    "killed while writing",
    "terminated",
    "stopped",
    "left",
    "cleared",
    "resumed by user",
    "two on one chat",
    "pid reused",
    "clock set forward",
    "clock set back",
    "reboot",
    "disk full",
    "commit refused",
    "file tampered with",
    "engine restarted",
    "orphan ended",
    "foreign client",
    "no conversation found",
    "crash seen",
    "restored",
    "fork written",
    "file put back",
    "fork restored",
    "dry run",
    "restore refused: StillAlive",
    "restore refused: LivenessUnknown",
    "restore refused: UnderWay",
    "restore refused: WindowUsedUp",
    "restore stopped at prove_dead",
    "restore stopped at still_dead",
    "restore stopped at transcript",
    "restore stopped at context",
    "restore stopped at start",
    "restore stopped at registered",
    "restore stopped at compare",
];

struct Sim {
    world: World,
    store: Store,
    promises: Promises,
    engine: Option<Engine>,
}

impl Sim {
    fn new(seed: u64) -> Self {
        Self { world: World::new(seed), store: Store::default(), promises: Promises::default(), engine: None }
    }

    fn run(mut self) -> BTreeMap<String, u64> {
        for step in 0..STEPS {
            let ms = self.world.dice.below(2_000) as u64;
            self.world.pass(ms);
            self.something_happens();
            if self.store.full && self.world.dice.one_in(15) {
                self.store.full = false;
                self.world.note("disk has room", "");
            }
            for _ in 0..self.world.dice.below(4) {
                self.engine_acts();
            }
            self.promises.hold(&self.world, &self.store);
            if step % 50 == 0 {
                self.promises.journal_holds(&self.store);
            }
        }
        self.come_to_rest();
        std::mem::take(&mut self.world.happened)
    }

    fn with_engine<T>(&mut self, act: impl FnOnce(&mut Engine, &mut Hands<'_>) -> T) -> T {
        let mut hands =
            Hands { world: &mut self.world, store: &mut self.store, promises: &mut self.promises };
        let mut engine = self.engine.take().unwrap_or_else(|| Engine::start(&mut hands));
        let done = act(&mut engine, &mut hands);
        self.engine = Some(engine);
        done
    }

    fn engine_acts(&mut self) {
        if self.engine.is_none() {
            // Nobody waits for the news of exits.
            self.world.exits.clear();
            if !self.world.dice.one_in(5) {
                return;
            }
        }
        let (roll, chats) = (self.world.dice.below(8), self.world.chats());
        let chat = self.world.dice.pick(&chats);
        self.with_engine(|engine, hands| match (roll, chat) {
            (0 | 1, _) => engine.sweep(hands),
            (2 | 3, _) => engine.take_exit(hands),
            (4, Some(chat)) => engine.catch_up(hands, &chat),
            _ if engine.runs.is_empty() => engine.take_exit(hands),
            _ => {
                let at = hands.world.dice.below(engine.runs.len());
                engine.go_on(hands, at);
            }
        });
    }

    fn something_happens(&mut self) {
        let (clients, chats) = (self.world.clients(), self.world.chats());
        let (client, chat) = (self.world.dice.pick(&clients), self.world.dice.pick(&chats));
        match (self.world.dice.below(64), client, chat) {
            (0..=29, Some(pid), _) => self.world.live_on(pid),
            (30..=44, Some(pid), _) => self.client_comes_to_its_end(pid),
            (45..=47, _, Some(chat)) => self.user_resumes(&chat),
            (48, _, Some(chat)) => self.world.tamper(&chat),
            (49, _, Some(chat)) => self.foreign_client(&chat),
            (50..=57, _, Some(chat)) => self.user_wishes(&chat),
            (58.., ..) => self.machine_acts_up(),
            _ if self.world.chats().len() < CHATS_MAX => {
                let chat = format!("c{}", self.world.number());
                self.world.start_client(&chat, Start::by_user(false));
            }
            _ => {}
        }
    }

    fn client_comes_to_its_end(&mut self, pid: u32) {
        let world = &mut self.world;
        let at_prompt =
            world.client(pid).is_some_and(|client| client.doing == Doing::Prompt && !client.foreign);
        match world.dice.below(15) {
            0..=2 => {
                world.note("killed", pid);
                world.kill(pid);
            }
            3 => {
                world.note("killed while writing", pid);
                world.kill_while_writing(pid);
            }
            4 => {
                world.note("terminated", pid);
                world.terminate(pid);
            }
            5 => {
                world.note("stopped", pid);
                world.stop(pid);
            }
            6 | 7 if at_prompt => {
                world.note("left", pid);
                world.client_ends(pid, true, false);
            }
            8 if at_prompt && world.chats().len() < CHATS_MAX => world.clear(pid),
            _ => world.live_on(pid),
        }
    }

    fn user_resumes(&mut self, chat: &str) {
        let live = !self.world.clients_on(chat).is_empty();
        if live && !self.world.dice.one_in(6) {
            return;
        }
        self.world.note(if live { "two on one chat" } else { "resumed by user" }, chat);
        self.world.start_client(chat, Start::by_user(true));
    }

    /// A client in a container comes up, or what one left behind is tidied away.
    fn foreign_client(&mut self, chat: &str) {
        let left =
            self.world.registry.iter().find(|(_, file)| file.contains("elsewhere")).map(|(pid, _)| *pid);
        match left {
            Some(pid) if self.world.client(pid).is_none_or(|client| !client.foreign) => {
                self.world.registry.remove(&pid);
            }
            Some(pid) => self.world.client_ends(pid, true, false),
            None => {
                self.world.note("foreign client", chat);
                self.world.start_client(chat, Start { foreign: true, ..Start::by_user(true) });
            }
        }
    }

    fn user_wishes(&mut self, any: &str) {
        let dice = &mut self.world.dice;
        let open: Vec<_> = self.store.crashes.iter().filter(|row| !row.resolved).collect();
        let crashed: Vec<_> = open.iter().map(|row| row.crash.chat.session_id().to_owned()).collect();
        let chat = dice.pick(&crashed).filter(|_| !dice.one_in(4)).unwrap_or_else(|| any.to_owned());
        let points = self.store.checkpoints.iter().enumerate().filter(|(_, point)| point.chat == chat);
        let points: Vec<_> = points.map(|(number, _)| number).collect();
        let wish = Wish {
            checkpoint: dice.pick(&points).filter(|_| dice.one_in(6)),
            then: if dice.one_in(2) { Then::Continue } else { Then::Idle },
            headless: dice.one_in(2),
            dry_run: dice.one_in(8),
            orphans: if dice.one_in(6) { OrphanPolicy::Refuse } else { OrphanPolicy::End },
            chat,
        };
        self.with_engine(|engine, hands| engine.wish(hands, wish));
    }

    fn machine_acts_up(&mut self) {
        let world = &mut self.world;
        match world.dice.below(12) {
            0 => {
                world.note("clock set forward", "");
                world.clock_ms += 1 + world.dice.below(7_200_000) as i64;
                self.promises.clock_set_forward(world.passed_ms);
            }
            1 => {
                world.note("clock set back", "");
                world.clock_ms -= 1 + world.dice.below(7_200_000) as i64;
                world.set_back_ms = world.passed_ms;
            }
            2 if world.dice.one_in(2) => {
                world.note("reboot", "");
                world.reboot();
                self.engine_dies();
            }
            3 | 4 => {
                self.store.full = true;
                world.note("disk full", "");
            }
            5 | 6 => {
                world.note("engine restarted", "");
                self.engine_dies();
            }
            7 | 8 => drop(world.start(Role::Stranger)),
            _ => {
                let loose =
                    world.processes.iter().filter(|(_, process)| !matches!(process.role, Role::Client(_)));
                let loose: Vec<_> = loose.map(|(pid, _)| *pid).filter(|pid| !world.is_held(*pid)).collect();
                if let Some(pid) = world.dice.pick(&loose) {
                    world.end(pid);
                }
            }
        }
    }

    fn engine_dies(&mut self) {
        self.engine = None;
        self.promises.engine_died(&self.world, &self.store);
    }

    /// The disk has room, the engine runs, and everything is finished that was begun.
    fn come_to_rest(&mut self) {
        self.store.full = false;
        for _ in 0..REST_STEPS {
            self.world.pass(1_000);
            let chats = self.world.chats();
            let at_rest = self.with_engine(|engine, hands| {
                engine.sweep(hands);
                engine.take_exit(hands);
                (0..engine.runs.len()).rev().for_each(|at| engine.go_on(hands, at));
                chats.iter().for_each(|chat| engine.catch_up(hands, chat));
                engine.runs.is_empty() && hands.world.exits.is_empty()
            });
            if at_rest {
                break;
            }
        }
        self.with_engine(|engine, hands| engine.sweep(hands));
        let engine = self.engine.as_ref().expect("an engine runs");
        assert!(engine.runs.is_empty() && self.world.exits.is_empty(), "it does not come to rest");
        self.promises.are_kept(&self.world, &self.store, engine);
    }
}
