//! Which of a chat's checkpoints go when there are too many: routine ones first, and of those the ones whose
//! neighbours stand closest for their age.

use super::Trigger;
use crate::time::Timestamp;

/// The newest so many are never dropped.
const NEWEST_KEPT: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub id: i64,
    pub at: Timestamp,
    pub trigger: Trigger,
}

/// How long a checkpoint is kept beside others; what weighs less goes first.
fn worth(trigger: Trigger) -> u8 {
    match trigger {
        Trigger::User | Trigger::Crash | Trigger::Milestone => 2,
        Trigger::Turn
        | Trigger::Compaction
        | Trigger::ClientUpdate
        | Trigger::Risky
        | Trigger::DangerRisk
        | Trigger::SessionEnd => 1,
        Trigger::ToolCalls | Trigger::Interval | Trigger::WarningRisk | Trigger::SessionStart => 0,
    }
}

/// Which of these, oldest first, are to go so that at most `max` stay.
pub fn superfluous(standing: &[Standing], max: usize, now: Timestamp) -> Vec<i64> {
    let mut kept = standing.to_vec();
    let mut gone = Vec::new();
    while kept.len() > max.max(1) {
        let droppable = kept.len().saturating_sub(NEWEST_KEPT.min(max)).max(1);
        let candidates = kept.iter().enumerate().take(droppable);
        // One may have been taken at an earlier point, and then stands before others.
        let mut in_time = kept.clone();
        in_time.sort_by_key(|one| (one.at, one.id));
        let crowded = |one: &Standing| {
            let at = in_time.iter().position(|other| other.id == one.id);
            at.map_or(f64::MAX, |at| crowding(&in_time, at, now))
        };
        let least = candidates.min_by(|(_, one), (_, other)| {
            let by_worth = worth(one.trigger).cmp(&worth(other.trigger));
            by_worth.then_with(|| crowded(one).total_cmp(&crowded(other)))
        });
        let Some((at, _)) = least else { break };
        gone.push(kept.remove(at).id);
    }
    gone
}

/// The time between the neighbours over the age: small where a checkpoint is missed least. The first stays longest.
fn crowding(kept: &[Standing], at: usize, now: Timestamp) -> f64 {
    let Some(before) = at.checked_sub(1).and_then(|before| kept.get(before)) else { return f64::MAX };
    let (this, after) = (kept.get(at), kept.get(at + 1));
    let until = after.map_or(now, |after| after.at);
    let age = this.map_or(0.0, |this| now.since(this.at).as_secs_f64());
    until.since(before.at).as_secs_f64() / (1.0 + age)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::{NEWEST_KEPT, Standing, superfluous};
    use crate::{checkpoints::Trigger, time::Timestamp};

    fn standing(triggers: &[Trigger]) -> Vec<Standing> {
        let each = |(at, trigger): (usize, &Trigger)| Standing {
            id: i64::try_from(at).unwrap(),
            at: Timestamp::from_ms(i64::try_from(at).unwrap() * 60_000),
            trigger: *trigger,
        };
        triggers.iter().enumerate().map(each).collect()
    }

    #[test]
    fn routine_ones_go_before_those_of_the_user() {
        let mut triggers = vec![Trigger::Turn; 60];
        (triggers[0], triggers[5], triggers[9]) = (Trigger::User, Trigger::Crash, Trigger::Interval);
        let gone = superfluous(&standing(&triggers), 40, Timestamp::from_ms(60 * 60_000));
        assert_eq!(gone.len(), 20);
        assert_eq!(gone[0], 9, "the routine one first");
        assert!(gone.iter().all(|id| ![0, 5].contains(id) && *id < 40), "{gone:?}");
    }

    proptest! {
        #[test]
        fn as_many_stay_as_may_and_the_newest_are_among_them(
            picks in prop::collection::vec(0..Trigger::ALL.len(), 0..120), max in 1_usize..60, back in any::<bool>(),
        ) {
            let triggers: Vec<_> = picks.iter().map(|pick| Trigger::ALL[*pick]).collect();
            let all = standing(&triggers);
            let now = Timestamp::from_ms(if back { -5 } else { 7_200_000 });
            let gone = superfluous(&all, max, now);
            assert_eq!(all.len() - gone.len(), all.len().min(max));
            let newest = all.iter().rev().take(NEWEST_KEPT.min(max)).map(|one| one.id);
            assert!(newest.into_iter().all(|id| !gone.contains(&id)));
        }
    }
}
