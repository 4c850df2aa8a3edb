//! What came of predictions whose horizon is over.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use shim_core::{
    chats::{ChatId, Client, ProcessKey},
    prediction::{
        model::{HORIZON, is_foretold},
        scoring::{Foretold, Outcome, outcome},
    },
    time::Timestamp,
};
use shim_store::{Batch, CrashMoment, StoreError, Unsettled};

/// A death is judged, at the latest, so long after it.
const GRACE: Duration = Duration::from_secs(120);
/// A process that was predicted so shortly before the horizon's end lived to it.
const LOOK: Duration = Duration::from_secs(90);
/// Predictions settled at once; the rest waits a minute.
const SETTLED_MAX: u32 = 2000;

/// What came of predictions, and of how many.
pub type Settled = BTreeMap<(Client, Foretold), u64>;

/// Says what came of each prediction that is old enough. `since` is when this engine began to watch.
pub fn settle(
    store: &Batch<'_>,
    living: &[(ChatId, ProcessKey)],
    since: Timestamp,
    now: Timestamp,
) -> Result<Settled, StoreError> {
    let mut settled = Settled::new();
    let over = Timestamp::from_ms(now.ms().saturating_sub(ms(HORIZON + GRACE)));
    let mut known: HashMap<(ChatId, ProcessKey), Vec<CrashMoment>> = HashMap::new();
    for row in store.unsettled_predictions(over, SETTLED_MAX)? {
        let key = (row.chat.clone(), row.process.clone());
        if !known.contains_key(&key) {
            known.insert(key.clone(), store.crashes_of(&row.chat, &row.process)?);
        }
        let crashes = known.get(&key).map(Vec::as_slice).unwrap_or_default();
        let watched = living.contains(&key) || was_watched(&row, crashes, since);
        let outcome = came_of(&row, crashes, watched);
        store.settle_prediction(row.id, outcome)?;
        *settled.entry((row.chat.client(), Foretold::of(row.probability, outcome))).or_default() += 1;
    }
    Ok(settled)
}

/// A process may hang, go on, and crash again: what counts is the first crash that was still to come.
fn came_of(row: &Unsettled, crashes: &[CrashMoment], watched: bool) -> Outcome {
    // It hung already, and nobody knew.
    if crashes.iter().any(|crash| crash.happened_at <= row.at && row.at <= crash.detected_at) {
        return Outcome::Censored;
    }
    let to_come = crashes.iter().find(|crash| is_foretold(crash.kind) && crash.happened_at > row.at);
    outcome(row.at, to_come.map(|crash| crash.happened_at), watched)
}

/// Whether its process was seen to live to the horizon's end, or to leave before while this engine watched.
fn was_watched(row: &Unsettled, crashes: &[CrashMoment], since: Timestamp) -> bool {
    let lived = row.seen.since(row.at) + LOOK >= HORIZON;
    let was_taken = crashes.iter().any(|crash| !is_foretold(crash.kind));
    lived || (row.seen >= since && !was_taken)
}

fn ms(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
