//! SHIM's metrics: counted as events are told, what the store holds counted again at the start, and the rest read
//! when somebody asks. Nothing runs between two questions.

mod counted;
mod families;
mod scrape;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};

use shim_core::metrics::versions::Versions;
use shim_store::{Store, StoreError};

use self::{families::Families, scrape::Scores};

/// All that is counted, for as long as the engine lives.
#[derive(Debug)]
pub struct Metrics {
    families: Families,
    versions: Mutex<Versions>,
    /// One question at a time: what is read for it is put where the text is made from.
    scores: Mutex<Scores>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { families: Families::new(), versions: Mutex::default(), scores: Mutex::default() }
    }
}

impl Metrics {
    /// With all that the store holds.
    pub fn recalled(store: &Store) -> Result<Self, StoreError> {
        let metrics = Self::default();
        metrics.recall(store)?;
        metrics.begin_at_start();
        Ok(metrics)
    }

    fn versions(&self) -> std::sync::MutexGuard<'_, Versions> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
