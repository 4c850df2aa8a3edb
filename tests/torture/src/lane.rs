//! One lane: a rig, and the chats that are crashed in it one after the other, each with a look that never rests for a
//! second process on the same chat.

use std::{
    fs,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use shim_api::{
    crashes::Crash,
    restore::{RestoreRequest, Then},
};
use shim_core::{
    chats::{ChatState, Client},
    crashes::{CrashKind, InTurn},
};
use shim_standin::client::wait;

use crate::{
    rig::{Rig, WAIT},
    schedule::{Blow, Form, Moment, Plan},
    tally::Tally,
    victim::{Victim, processes_on},
};

/// How often twins are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Two looks so far apart must both show them: a process that is about to start another looks like two.
const LOOK_AGAIN: Duration = Duration::from_millis(60);
/// A restored client that goes on asks the model within this time.
const ASKS_WITHIN: Duration = Duration::from_secs(10);
/// A further crash that should not be there may take so long to come.
const FURTHER_WAIT: Duration = Duration::from_millis(300);

/// Crashes and restores all chats of these plans.
pub fn run(rig: &mut Rig, plans: &[Plan], told: &dyn Fn(&str)) -> Tally {
    let mut tally = Tally::default();
    for plan in plans {
        let (mut of_chat, result) = one(rig, plan);
        if let Err(error) = result {
            of_chat.given_up += 1;
            of_chat.complaints.push(format!("chat {}: {error:#}", plan.number));
        }
        let name = format!("{} {} {:?}", plan.client.name(), plan.blow.form.name(), plan.blow.moment);
        told(&format!(
            "chat {} ({name}): {} crashes, {} right, {} restored",
            plan.number, of_chat.crashes, of_chat.right, of_chat.restored
        ));
        of_chat.complaints.iter().for_each(|complaint| told(complaint));
        tally.add(of_chat);
    }
    tally
}

fn one(rig: &mut Rig, plan: &Plan) -> (Tally, Result<()>) {
    let mut tally = Tally::default();
    let mut victim = match Victim::begin(rig, plan) {
        Ok(victim) => victim,
        Err(error) => return (tally, Err(error.context("it could not be played to its moment"))),
    };
    let result = crash_and_restore(rig, plan, &mut victim, &mut tally);
    (tally.replays, tally.lost) = (tally.replays + victim.replays(), tally.lost + victim.lost(rig));
    let ended = victim.end(rig);
    (tally, result.and(ended))
}

fn crash_and_restore(rig: &mut Rig, plan: &Plan, victim: &mut Victim, tally: &mut Tally) -> Result<()> {
    thread::sleep(Duration::from_millis(plan.blow.delay_ms));
    let kinds = strike(rig, &plan.blow, victim)?;
    tally.crashes += 1;
    let expected = Expected { kinds, in_turn: in_turn(&plan.blow) };
    judge(rig, victim, tally, 1, &expected, plan)?;
    restore(rig, victim, tally, plan.blow.in_terminal)?;
    if let Some(after) = plan.again_after_ms {
        victim.pid = *victim.processes(rig).first().context("the restored chat has no process")?;
        thread::sleep(Duration::from_millis(after));
        victim.kill()?;
        tally.crashes += 1;
        judge(
            rig,
            victim,
            tally,
            2,
            &Expected { kinds: &[CrashKind::Killed], in_turn: &[InTurn::None] },
            plan,
        )?;
        restore(rig, victim, tally, false)?;
    }
    Ok(())
}

/// Crashes it, and gives what it must be taken for.
fn strike(rig: &mut Rig, blow: &Blow, victim: &mut Victim) -> Result<&'static [CrashKind]> {
    match blow.form {
        Form::Killed => victim.kill()?,
        Form::Torn => {
            victim.kill()?;
            let chat = victim.id();
            // Torn while it is dead, not while it dies: the verdict is of the whole file.
            wait(WAIT, "the crash", || rig.crashes_of(&chat).ok().filter(|crashes| !crashes.is_empty()))?;
            victim.tear(rig, blow.seed)?;
        }
        Form::TornDown => {
            rig.kill_engine()?;
            victim.kill()?;
            victim.tear(rig, blow.seed)?;
            rig.start_engine()?;
        }
        Form::Rebooted => {
            rig.kill_engine()?;
            victim.kill()?;
            rig.start_engine()?;
        }
        Form::Stopped => {
            victim.stop();
            return Ok(&[CrashKind::Hung]);
        }
        Form::Starved if victim.starve()? => return Ok(&[CrashKind::OutOfMemory]),
        // It got no memory, and was killed all the same.
        Form::Starved => return Ok(&[CrashKind::Killed, CrashKind::OutOfMemory]),
    }
    Ok(&[CrashKind::Killed])
}

/// What the verdict must be: known from what was done.
struct Expected {
    kinds: &'static [CrashKind],
    in_turn: &'static [InTurn],
}

fn in_turn(blow: &Blow) -> &'static [InTurn] {
    match (blow.moment, blow.form) {
        // The record of the call may be what was torn: then nothing on disk tells it from an answer.
        (Moment::Tool, Form::TornDown) => &[InTurn::Tool, InTurn::Answer],
        (Moment::Tool, _) => &[InTurn::Tool],
        (Moment::Answer, _) => &[InTurn::Answer],
        (Moment::BetweenTurns, _) => &[InTurn::None],
    }
}

/// Holds the newest crash of the chat, which must be the so-many-th, against the truth.
fn judge(
    rig: &Rig,
    victim: &Victim,
    tally: &mut Tally,
    count: usize,
    expected: &Expected,
    plan: &Plan,
) -> Result<()> {
    let chat = victim.id();
    let found = wait(WAIT, "the crash to be recorded", || {
        rig.crashes_of(&chat).ok().filter(|crashes| crashes.len() >= count)
    });
    let crashes: Vec<Crash> = match found {
        Ok(crashes) => crashes,
        Err(error) => {
            tally.wrong += 1;
            return Err(error.context(rig.log()));
        }
    };
    thread::sleep(FURTHER_WAIT);
    let further = rig.crashes_of(&chat)?.len().saturating_sub(count);
    tally.false_crashes += further as u64;
    let newest = crashes.iter().max_by_key(|crash| crash.id).context("no crash")?;
    if expected.kinds.contains(&newest.kind) && expected.in_turn.contains(&newest.in_turn) {
        tally.right += 1;
    } else {
        tally.wrong += 1;
        tally.complaints.push(format!(
            "chat {} ({} {:?}): judged {} in {}: {:?}",
            plan.number,
            plan.blow.form.name(),
            plan.blow.moment,
            newest.kind.name(),
            newest.in_turn.name(),
            newest.evidence
        ));
    }
    Ok(())
}

/// Has SHIM bring the chat back, and looks all the while for twins.
fn restore(rig: &Rig, victim: &Victim, tally: &mut Tally, in_terminal: bool) -> Result<()> {
    let then = if in_terminal { Then::Idle } else { Then::Continue };
    let request = RestoreRequest {
        target: victim.id().to_string(),
        checkpoint: None,
        headless: !in_terminal,
        then,
        dry_run: false,
    };
    let (done, twins, seen) = (AtomicBool::new(false), AtomicU64::new(0), Mutex::new(Vec::new()));
    let result = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let found = twins_of(rig, victim);
                if !found.is_empty() {
                    twins.fetch_add(1, Ordering::Relaxed);
                    *seen.lock().unwrap_or_else(PoisonError::into_inner) = found;
                }
                thread::sleep(LOOK_EVERY);
            }
        });
        let result = restore_and_settle(rig, victim, tally, &request);
        done.store(true, Ordering::Relaxed);
        result
    });
    if twins.load(Ordering::Relaxed) > 0 {
        tally.twins += 1;
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        tally.complaints.push(format!("{}: processes {seen:?} at once", victim.session));
    }
    result
}

fn restore_and_settle(rig: &Rig, victim: &Victim, tally: &mut Tally, request: &RestoreRequest) -> Result<()> {
    let api = rig.api()?;
    let asked = rig.standin.requests().last().map_or(0, |request| request.number);
    let receipt = api.restore(request)?;
    if !receipt.ok {
        tally.not_restored += 1;
        tally
            .complaints
            .push(format!("{} was not restored: {:?} {:?}", victim.session, receipt.refused, receipt.steps));
        anyhow::bail!("the rest of this chat was given up: {}", rig.log());
    }
    tally.restored += 1;
    tally.restore_seconds.push(receipt.seconds);
    let lost = receipt.turns_lost.unwrap_or(0);
    if lost > 0 {
        tally.lost += lost;
        tally
            .complaints
            .push(format!("{}: the receipt says {lost} turns are lost: {:?}", victim.session, receipt.steps));
    }
    let chat = victim.id();
    if request.headless {
        // One whose prompt was torn off has nothing to go on with, and asks nothing.
        let asks = |request: &shim_standin::Request| {
            request.session_id() == Some(victim.session.as_str()) && request.number > asked
        };
        let _ = rig.standin.wait_for(ASKS_WITHIN, asks);
    }
    // It goes on to the end of its turn, and waits or is gone.
    wait(WAIT, "the restored chat to be at rest", || {
        let state = api.chat(chat.as_str(), 1).ok()?.chat.state;
        let at_rest = match chat.client() {
            Client::Codex if request.headless => state == ChatState::Ended,
            Client::ClaudeCode => {
                let live = rig.home.live(&victim.session);
                state == ChatState::Idle && live.is_some_and(|live| live.status == "idle")
            }
            _ => state == ChatState::Idle,
        };
        at_rest.then_some(())
    })
    .with_context(|| format!("{:?} {}", receipt.steps, rig.log()))
}

/// More than one process on the chat, at two looks.
fn twins_of(rig: &Rig, victim: &Victim) -> Vec<u32> {
    let look = || processes_on(rig, victim.id().client(), &victim.session);
    let first = look();
    if first.len() < 2 {
        return Vec::new();
    }
    thread::sleep(LOOK_AGAIN);
    let still = look();
    let both: Vec<u32> = first.into_iter().filter(|pid| still.contains(pid)).collect();
    let is_client = |pid: &u32| fs::metadata(format!("/proc/{pid}")).is_ok();
    let both: Vec<u32> = both.into_iter().filter(is_client).collect();
    if both.len() > 1 { both } else { Vec::new() }
}
