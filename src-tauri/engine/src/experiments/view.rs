//! Experiments as the api shows them, and its user's word about them.

use shim_api::{
    ApiError,
    error::ErrorCode,
    experiments::{
        Arm, Audit, AuditEntry, BoundStand, Experiment as View, ExperimentRequest, Experiments, Interval,
        Knob as KnobView, PutAside, Replay, Trial as TrialView,
    },
};
use shim_core::{
    experiments::{
        assignment::BUCKETS,
        evidence::EffectKind,
        improvement::{Event, Improvement, Unheard},
        machine::{CONFIRM_E, Experiment, ROLLBACK_E, Trial},
        safety::Guard,
    },
    knobs::{KNOBS, Knob},
    settings,
};
use shim_store::LogPage;

use crate::{
    experiments::ledger::{Ledger, Unlike},
    run::{Handle, Watch},
    views,
};

pub fn view(handle: &Handle) -> Result<Experiments, ApiError> {
    handle.call(|watch| {
        let improvement = watch.experiments.improvement();
        let mut experiments: Vec<_> =
            improvement.experiments().map(|one| experiment(improvement, one)).collect();
        experiments.reverse();
        Experiments {
            automatic: improvement.is_automatic(),
            totals: improvement.totals(),
            experiments,
            rests: improvement.rests().clone(),
            knobs: KNOBS.iter().map(|one| knob(improvement, one)).collect(),
        }
    })
}

fn experiment(improvement: &Improvement, of: &Experiment) -> View {
    let split = of.split();
    let holds = of.state.holds();
    let arms = of.plan.arms.iter().zip(&of.counts).enumerate().map(|(arm, (value, counts))| Arm {
        value: value.clone(),
        share: match &split {
            Some(split) => split.buckets(arm),
            None => {
                if arm == holds {
                    BUCKETS
                } else {
                    0
                }
            }
        },
        counts: counts.clone(),
    });
    let treatments = u32::try_from(of.trials.len().max(1)).unwrap_or(u32::MAX);
    View {
        id: of.id,
        plan: of.plan.clone(),
        state: of.state.clone(),
        standing: of.state.name().to_owned(),
        began_at: of.began,
        arms: arms.collect(),
        trials: of.trials.iter().enumerate().map(|(place, one)| trial(place + 1, one)).collect(),
        double_exposed: of.double_exposed,
        ratio_e: of.ratio.e(),
        salt: of.salt(),
        worth: improvement.worth(of.id),
        confirm_e: CONFIRM_E * f64::from(treatments),
        rollback_e: ROLLBACK_E,
    }
}

fn trial(arm: usize, of: &Trial) -> TrialView {
    let effect = of.effect().map(|effect| Interval {
        is_ratio: effect.kind == EffectKind::Ratio,
        low: effect.low,
        estimate: effect.estimate,
        high: effect.high,
    });
    TrialView {
        arm,
        last: of.last,
        course: of.course.clone(),
        effect,
        dropped: of.dropped.clone(),
        bounds: of.guards.iter().map(bound).collect(),
    }
}

fn bound(guard: &Guard) -> BoundStand {
    let stand = guard.stand();
    BoundStand {
        name: guard.limit.clone(),
        about: guard.limit().map_or_else(String::new, |limit| limit.about.to_owned()),
        absolute_e: stand.absolute_e,
        relative_e: stand.relative_e,
        waived: stand.waived,
    }
}

fn knob(improvement: &Improvement, of: &Knob) -> KnobView {
    KnobView {
        key: of.key.to_owned(),
        unit: of.unit,
        about: settings::key(of.key).map_or_else(String::new, |key| key.about.to_owned()),
        default: of.default(),
        value: improvement.value(of.key),
        is_set: improvement.is_set(of.key),
        min: of.min,
        max: of.max,
        step: of.step.words(),
        affects: of.affects.to_vec(),
        changed_by: of.changed_by,
        varies: of.varies,
    }
}

/// Follows its user's word. It is on disk when this returns.
pub fn follow(handle: &Handle, request: ExperimentRequest) -> Result<View, ApiError> {
    handle.call(move |watch| {
        if let Some(why) = watch.experiments.unreadable() {
            return Err(ApiError::new(ErrorCode::Refused, why));
        }
        let id = match request {
            ExperimentRequest::Propose { idea, start } => {
                watch.hear_checked(Event::Idea { idea })?;
                let newest = watch.experiments.improvement().newest();
                let is_draft = |watch: &Watch| {
                    let found = watch.experiments.improvement().experiment(newest);
                    found.is_some_and(|one| one.began.is_none())
                };
                // Where ideas are tried without being asked it may have begun by itself.
                if start && is_draft(watch) {
                    watch.hear_checked(Event::Start { experiment: newest })?;
                }
                newest
            }
            ExperimentRequest::Start { experiment } => {
                watch.hear_about(experiment, Event::Start { experiment })?
            }
            ExperimentRequest::Stop { experiment } => {
                watch.hear_about(experiment, Event::Stop { experiment })?
            }
            ExperimentRequest::Undo { experiment } => {
                watch.hear_about(experiment, Event::Undo { experiment })?
            }
            ExperimentRequest::Pin { experiment, arm } => {
                watch.hear_about(experiment, Event::Pin { experiment, arm })?
            }
            ExperimentRequest::Override { experiment, chat, arm } => {
                watch.hear_about(experiment, Event::Override { experiment, chat, arm })?
            }
        };
        watch.keep_experiments();
        let improvement = watch.experiments.improvement();
        let found = improvement.experiment(id).ok_or_else(|| unheard(&Unheard::NoExperiment(id)))?;
        Ok(experiment(improvement, found))
    })?
}

impl Watch {
    fn hear_about(&mut self, id: u64, event: Event) -> Result<u64, ApiError> {
        self.hear_checked(event).map(|()| id)
    }

    fn hear_checked(&mut self, event: Event) -> Result<(), ApiError> {
        self.experiments.improvement().check(&event).map_err(|why| unheard(&why))?;
        self.experiments_hear(event);
        Ok(())
    }
}

fn unheard(why: &Unheard) -> ApiError {
    let code = match why {
        Unheard::NoExperiment(_) => ErrorCode::NotFound,
        Unheard::NoArm { .. } | Unheard::Values | Unheard::Knob(_) => ErrorCode::BadRequest,
        Unheard::Wrong(..) | Unheard::Set(_) | Unheard::Busy(..) | Unheard::Pinned(..) | Unheard::Full(_) => {
            ErrorCode::Refused
        }
    };
    ApiError::new(code, why.to_string())
}

/// Begins anew where what is known cannot be read, after that was put into a file.
pub fn begin_anew(handle: &Handle) -> Result<PutAside, ApiError> {
    handle.call(|watch| {
        if watch.experiments.unreadable().is_none() {
            let why =
                "what is known of experiments can be read: `shim experiments undo` takes single ones back";
            return Err(ApiError::new(ErrorCode::Refused, why));
        }
        watch.experiments_anew().map(|path| PutAside { path: path.display().to_string() })
    })?
}

/// The audit log, and what playing it again gives.
pub fn audit(handle: &Handle, page: LogPage, again: bool) -> Result<Audit, ApiError> {
    // What was told a moment ago is written with what comes next.
    handle.call(Watch::keep_experiments)?;
    let rows = handle.home.store.read(|store| store.experiment_log(page)).map_err(views::store_error)?;
    let entry = |row: shim_store::LogRow| AuditEntry {
        number: row.number,
        at: row.at,
        event: row
            .entry
            .as_ref()
            .and_then(|entry| serde_json::to_value(&entry.event).ok())
            .unwrap_or_default(),
        decided: row.entry.map(|entry| entry.decided).unwrap_or_default(),
    };
    let replay = again.then(|| play_again(handle)).transpose()?;
    Ok(Audit { entries: rows.into_iter().map(entry).collect(), replay })
}

fn play_again(handle: &Handle) -> Result<Replay, ApiError> {
    let live = handle.call(|watch| watch.experiments.ledger.audited().clone())?;
    match Ledger::play_again(&live, &handle.home.store) {
        Ok(entries) => {
            let note = "the log gives the state that is in force".to_owned();
            Ok(Replay { entries, same: true, note })
        }
        Err(Unlike::Store(error)) => Err(views::store_error(error)),
        Err(unlike) => Ok(Replay { entries: 0, same: false, note: unlike.to_string() }),
    }
}
