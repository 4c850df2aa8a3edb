//! The table of knobs.

use super::{
    ChangedBy::{Experiments, UserOnly},
    Knob, Step, Unit,
    Varies::{ByChat, WithTheEngine},
};
use crate::experiments::outcomes::Metric::{
    self, CheckpointLoad, CheckpointSeconds, Crash, RestoreFailed, SlowCheckpoints, TokensPerTurn,
    UnsavedCalls,
};

/// How often checkpoints are taken: what a crash costs, against what they cost. They write, so that a machine at its
/// limits may crash of them.
const PACE: &[Metric] = &[UnsavedCalls, CheckpointLoad, CheckpointSeconds, SlowCheckpoints, Crash];
/// When a chat counts as at risk: it decides when a checkpoint is taken and what is done in danger.
const RISK: &[Metric] = &[UnsavedCalls, CheckpointLoad, CheckpointSeconds, Crash];
/// When a chat counts as hung: too soon ends one that would have gone on, too late leaves it hanging. A hang is a crash
/// by these very knobs, so that crashes, and restores after them, must not judge them: who looks away sees none.
const HANG: &[Metric] = &[TokensPerTurn];
/// How a dead chat is brought back.
const RESTORE: &[Metric] = &[RestoreFailed, Crash, TokensPerTurn];

const fn pace(key: &'static str, unit: Unit, min: u64, max: u64, step: Step) -> Knob {
    Knob { key, unit, min, max, step, affects: PACE, changed_by: Experiments, varies: ByChat }
}

const fn risk(key: &'static str, unit: Unit, min: u64, max: u64, step: Step) -> Knob {
    Knob { key, unit, min, max, step, affects: RISK, changed_by: Experiments, varies: ByChat }
}

const fn hang(key: &'static str, unit: Unit, min: u64, max: u64, step: Step) -> Knob {
    Knob { key, unit, min, max, step, affects: HANG, changed_by: Experiments, varies: ByChat }
}

/// The watch waits before a restore of whatever chat in one order.
const fn back_off(key: &'static str, min: u64, max: u64) -> Knob {
    let (unit, step) = (Unit::Seconds, Step::Times(2));
    Knob { key, unit, min, max, step, affects: RESTORE, changed_by: Experiments, varies: WithTheEngine }
}

/// What is done to a user's processes, and whether tokens are spent unasked.
const fn strategy(key: &'static str) -> Knob {
    let (unit, step) = (Unit::Choice, Step::Any);
    Knob { key, unit, min: 0, max: 0, step, affects: RESTORE, changed_by: UserOnly, varies: ByChat }
}

pub const KNOBS: &[Knob] = &[
    pace("checkpoints.calls", Unit::Calls, 2, 64, Step::Times(2)),
    pace("checkpoints.minutes", Unit::Minutes, 1, 60, Step::Times(2)),
    pace("checkpoints.gap_high_seconds", Unit::Seconds, 0, 10, Step::By(2)),
    pace("checkpoints.gap_middle_seconds", Unit::Seconds, 1, 120, Step::Times(4)),
    pace("checkpoints.gap_low_seconds", Unit::Seconds, 5, 300, Step::Times(2)),
    risk("risk.warning.context_percent", Unit::Percent, 30, 90, Step::By(10)),
    risk("risk.warning.messages", Unit::Count, 10, 500, Step::Times(2)),
    risk("risk.warning.minutes", Unit::Minutes, 10, 600, Step::Times(2)),
    risk("risk.warning.calls", Unit::Calls, 4, 100, Step::Times(2)),
    risk("risk.warning.failures_percent", Unit::Percent, 5, 60, Step::By(10)),
    risk("risk.danger.context_percent", Unit::Percent, 40, 95, Step::By(10)),
    risk("risk.danger.messages", Unit::Count, 20, 1000, Step::Times(2)),
    risk("risk.danger.minutes", Unit::Minutes, 20, 1200, Step::Times(2)),
    risk("risk.danger.calls", Unit::Calls, 5, 200, Step::Times(2)),
    risk("risk.danger.failures_percent", Unit::Percent, 10, 80, Step::By(10)),
    hang("hang.spin_seconds", Unit::Seconds, 60, 3600, Step::Times(2)),
    hang("hang.silent_seconds", Unit::Seconds, 300, 7200, Step::Times(2)),
    hang("hang.stopped_seconds", Unit::Seconds, 30, 600, Step::Times(2)),
    hang("hang.cpu_percent", Unit::Percent, 70, 100, Step::By(10)),
    hang("hang.readings", Unit::Count, 3, 30, Step::Times(2)),
    hang("hang.after_wake_seconds", Unit::Seconds, 30, 600, Step::Times(2)),
    back_off("policy.delay_seconds", 0, 60),
    back_off("policy.stable_seconds", 60, 7200),
    back_off("policy.retry_seconds", 5, 300),
    back_off("policy.apart_seconds", 10, 600),
    back_off("restore.window_seconds", 60, 3600),
    back_off("signals.sample_seconds", 2, 30),
    strategy("restore.orphans"),
    strategy("policy.auto_restore"),
    strategy("policy.hung"),
    strategy("policy.then"),
];
