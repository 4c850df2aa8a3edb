//! What came of predictions whose horizon is over.

use std::{collections::HashMap, time::Duration};

use shim_core::{
    chats::{ChatId, ProcessKey},
    prediction::{
        model::{HORIZON, is_foretold},
        scoring::outcome,
    },
    time::Timestamp,
};
use shim_store::{Batch, StoreError, Unsettled};

/// A death is judged, at the latest, so long after it.
const GRACE: Duration = Duration::from_secs(120);
/// A process that was predicted so shortly before the horizon's end lived to it.
const LOOK: Duration = Duration::from_secs(90);
/// Predictions settled at once; the rest waits a minute.
const SETTLED_MAX: u32 = 2000;

type Crashes = Vec<(bool, Timestamp)>;

/// Says what came of each prediction that is old enough. `since` is when this engine began to watch.
pub fn settle(
    store: &Batch<'_>,
    living: &[(ChatId, ProcessKey)],
    since: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    let over = Timestamp::from_ms(now.ms().saturating_sub(ms(HORIZON + GRACE)));
    let mut known: HashMap<(ChatId, ProcessKey), Crashes> = HashMap::new();
    for row in store.unsettled_predictions(over, SETTLED_MAX)? {
        let key = (row.chat.clone(), row.process.clone());
        if !known.contains_key(&key) {
            let crashes = store.crashes_of(&row.chat, &row.process)?;
            known
                .insert(key.clone(), crashes.into_iter().map(|(kind, at)| (is_foretold(kind), at)).collect());
        }
        let crashes = known.get(&key).map(Vec::as_slice).unwrap_or_default();
        let crashed = crashes.iter().find(|(foretold, _)| *foretold).map(|(_, at)| *at);
        let lives = living.contains(&key);
        let watched = lives || was_watched(&row, crashes, since);
        store.settle_prediction(row.id, outcome(row.at, crashed, watched))?;
    }
    Ok(())
}

/// Whether its process was seen to live to the horizon's end, or to leave before while this engine watched.
fn was_watched(row: &Unsettled, crashes: &[(bool, Timestamp)], since: Timestamp) -> bool {
    let lived = row.seen.since(row.at) + LOOK >= HORIZON;
    let was_taken = crashes.iter().any(|(foretold, _)| !foretold);
    lived || (row.seen >= since && !was_taken)
}

fn ms(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
