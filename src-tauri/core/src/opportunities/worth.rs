//! What an experiment on an opportunity would be worth: what it might save, how likely it is true, and how many chats it
//! takes to tell. One that cannot be told within the horizon is refused, with the reason.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{Kind, Opportunity, Standing, Target, history::Lived};
use crate::statistics::{
    Tail,
    power::{Approximation, Design, Effect, least_fall},
};

/// Chats within which an experiment must tell: some ninety days of thirty.
pub const HORIZON_CHATS: u64 = 2_700;
/// Of what a group has more than the others, a changed knob is hoped to save half.
const SAVED: f64 = 0.5;
const ALPHA: f64 = 0.05;
const POWER: f64 = 0.8;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts", rename = "OpportunityWorth")]
pub struct Worth {
    /// Crashes, or chats far out, that it would save in 2,700 chats if half of the excess went.
    pub saved: f64,
    /// How likely there is an excess at all, 0 to 1.
    pub chance: f64,
    /// Chats in all that tell it with a power of 80 %; null where no number does.
    pub chats_needed: Option<u64>,
    /// The least fall of the group's share that 2,700 chats would show; null where not even a fall to nothing.
    pub least_fall: Option<f64>,
    /// `saved` times `chance` over `chats_needed`, times 1,000; 0 where refused.
    pub value: f64,
    /// Why no experiment is to be made of it.
    pub refused: Option<String>,
}

/// Each with its worth: the confirmed first, crashes before what only costs, then by value.
pub(super) fn ranked(mut found: Vec<Opportunity>, history: &[&Lived]) -> Vec<Opportunity> {
    for opportunity in &mut found {
        opportunity.worth = worth(opportunity, history.len() as u64);
    }
    let value = |opportunity: &Opportunity| opportunity.worth.as_ref().map_or(0.0, |worth| worth.value);
    found.sort_by(|one, other| {
        let rank = |opportunity: &Opportunity| {
            (opportunity.standing != Standing::Confirmed, opportunity.target != Target::Crashes)
        };
        rank(one).cmp(&rank(other)).then(value(other).total_cmp(&value(one)))
    });
    found
}

/// By the later figures where there are some. A change of all chats since a day has no group to try anything in.
fn worth(opportunity: &Opportunity, chats: u64) -> Option<Worth> {
    if opportunity.kind == Kind::Change {
        return None;
    }
    let evidence = opportunity.later.unwrap_or(opportunity.earlier);
    // Both kinds of evidence come from half of the history.
    let of_all = (evidence.chats as f64 / (chats as f64 / 2.0).max(1.0)).min(1.0);
    let share = evidence.events as f64 / evidence.chats.max(1) as f64;
    let other = match opportunity.kind {
        // As if those chats had lived all their time at the rate of the rest.
        Kind::Hazard => evidence.effect.estimate.map_or(0.0, |ratio| share / ratio.max(1.0)),
        Kind::Subgroup | Kind::Change => evidence.other_events as f64 / evidence.other_chats.max(1) as f64,
    };
    Some(of_group(share, other, of_all, evidence.chance))
}

/// Of a group with this share of events, where the others have `other`, that is so much of all chats.
pub fn of_group(share: f64, other: f64, of_all: f64, chance: f64) -> Worth {
    let fall = (share - other).max(0.0) * SAVED;
    let saved = fall * of_all * HORIZON_CHATS as f64;
    let arm = HORIZON_CHATS as f64 * of_all / 2.0;
    let least = least_fall(share, arm, ALPHA, POWER).ok().flatten();
    let effect = Effect::Proportions { p1: share, p2: share - fall, by: Approximation::Normal };
    let size =
        Design::new(effect, ALPHA, Tail::TwoSided, 1.0).and_then(|design| design.sample_size(POWER)).ok();
    let needed = size.map(|size| (2.0 * size.n as f64 / of_all.max(1e-9)).ceil() as u64);
    let told = needed.filter(|needed| *needed <= HORIZON_CHATS);
    let refused = told.is_none().then(|| refusal(share, fall, needed, least));
    let value = told.map_or(0.0, |needed| saved * chance / needed.max(1) as f64 * 1000.0);
    Worth { saved, chance, chats_needed: needed, least_fall: least, value, refused }
}

fn refusal(share: f64, fall: f64, needed: Option<u64>, least: Option<f64>) -> String {
    let (share, fall) = (share * 100.0, fall * 100.0);
    let takes = needed.map_or("more chats than can be".to_owned(), |needed| format!("{needed} chats"));
    let least = match least {
        Some(least) => {
            format!("within {HORIZON_CHATS} a fall by {:.1} points would show at least", least * 100.0)
        }
        None => format!("within {HORIZON_CHATS} not even a fall to nothing would show"),
    };
    format!("telling a fall by {fall:.1} points from {share:.1} % takes {takes}; {least}")
}
