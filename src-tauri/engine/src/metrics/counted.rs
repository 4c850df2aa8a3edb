//! What events and the store's own rows count.

use shim_api::{
    crashes::Crash,
    events::{BoundAction, Event},
    restore::Receipt,
};
use shim_core::{chats::Client, crashes::CrashKind, experiments::safety::LIMITS, metrics as table};
use shim_store::{CountedCrash, Store, StoreError};

use super::{Metrics, families::Exemplar};

/// First steps of a receipt that say who began the restore; with any other it was its user.
const BEGUN_BY: [&str; 3] = ["policy", "fleet", "user"];
const OUTCOMES: [&str; 3] = ["restored", "refused", "failed"];

impl Metrics {
    /// Counts what was told.
    pub fn hear(&self, event: &Event) {
        let families = &self.families;
        match event {
            Event::JournalKept { chat, bytes, seconds } => {
                let client = chat.client().name();
                families.count(&table::JOURNALED, [client], *bytes, None);
                families.observe(&table::LAG, [client], *seconds, None);
            }
            Event::CrashRecorded { crash, client_version } => {
                let version = self.versions().label(crash.client, client_version.as_deref());
                self.count_crash(&Died::of(crash), &version, Some(crash));
            }
            Event::HangOver { chat } => {
                families.count(&table::HANGS_OVER, [chat.client().name()], 1, None);
            }
            Event::PolicyDecided { chat, decision } => {
                families.count(&table::DECISIONS, [chat.client().name(), decision.name()], 1, None);
            }
            Event::CheckpointTaken { chat, checkpoint, trigger, seconds, client_version } => {
                let version = self.versions().label(chat.client(), client_version.as_deref());
                let labels = [chat.client().name(), &version, trigger.name()];
                let exemplar = Exemplar { chat: chat.as_str(), number: ("checkpoint", *checkpoint) };
                families.observe(&table::CHECKPOINT, labels, *seconds, Some(exemplar));
            }
            Event::WorkspaceKept { chat, ok, seconds, .. } => {
                let outcome = if *ok { "kept" } else { "failed" };
                families.observe(&table::WORKSPACE, [chat.client().name(), outcome], *seconds, None);
            }
            Event::RestoreFinished { receipt, client_version } if !receipt.dry_run => {
                let version = self.versions().label(receipt.chat.client(), client_version.as_deref());
                self.count_restore(receipt, &version, true);
            }
            Event::ChatStopped { chat, ok } => {
                let outcome = if *ok { "ended" } else { "failed" };
                families.count(&table::STOPS, [chat.client().name(), outcome], 1, None);
            }
            Event::ChatRepaired { chat, ok } => {
                let outcome = if *ok { "written" } else { "failed" };
                families.count(&table::REPAIRS, [chat.client().name(), outcome], 1, None);
            }
            Event::JournalDropped { chat, bytes } => {
                families.count(&table::DROPPED, [chat.client().name()], *bytes, None);
            }
            Event::BoundBroken { bound, action, .. } => {
                families.count(&table::VIOLATIONS, [bound, action.name()], 1, None);
            }
            Event::PredictionsSettled { client, foretold, count } => {
                families.count(&table::PREDICTIONS, [client.name(), foretold.name()], *count, None);
            }
            Event::ModelTrained { client, taken } => {
                let outcome = if *taken { "taken" } else { "not_taken" };
                families.count(&table::TRAININGS, [client.name(), outcome], 1, None);
            }
            Event::Notice { kind, .. } => families.count(&table::NOTICES, [&named(kind)], 1, None),
            Event::ChatChanged { .. }
            | Event::CrashesResolved { .. }
            | Event::RestoreStarted { .. }
            | Event::RestoreFinished { .. }
            | Event::FleetChanged
            | Event::StatusChanged
            | Event::ExperimentsChanged
            | Event::SettingsChanged
            | Event::Missed => {}
        }
    }

    /// Counts all crashes and receipts that were ever kept.
    pub(super) fn recall(&self, store: &Store) -> Result<(), StoreError> {
        store.read(|store| {
            store.counted_crashes(|row| {
                let version = self.versions().recalled(row.chat.client(), row.client_version.as_deref());
                if let Some(version) = version {
                    self.count_crash(&Died::was(&row), &version, None);
                }
            })?;
            store.counted_restores(|row| {
                let Ok(receipt) = serde_json::from_str::<Receipt>(&row.receipt) else { return };
                let version = self.versions().recalled(receipt.chat.client(), row.client_version.as_deref());
                if let Some(version) = version.filter(|_| !receipt.dry_run) {
                    self.count_restore(&receipt, &version, false);
                }
            })
        })
    }

    /// Every count that may rise without any client.
    pub(super) fn begin_at_start(&self) {
        for (limit, action) in LIMITS.iter().flat_map(|limit| BoundAction::ALL.map(|action| (limit, action)))
        {
            self.families.begin(&table::VIOLATIONS, [limit.name, action.name()]);
        }
    }

    /// Every count that may rise for this client.
    pub(super) fn begin(&self, client: &str, version: &str) {
        let families = &self.families;
        for kind in CrashKind::ALL {
            families.begin(&table::CRASHES, [client, version, kind.name()]);
        }
        for (outcome, by) in OUTCOMES.iter().flat_map(|outcome| BEGUN_BY.map(|by| (*outcome, by))) {
            families.begin(&table::RESUMES, [client, version, outcome, by]);
        }
        families.begin(&table::TURNS_LOST, [client, version]);
        families.begin(&table::FALSE_RESTARTS, [client, version]);
        families.begin(&table::HANGS_OVER, [client]);
    }

    fn count_crash(&self, died: &Died, version: &str, told: Option<&Crash>) {
        let exemplar = told.map(|crash| Exemplar { chat: crash.chat.as_str(), number: ("crash", crash.id) });
        let client = died.client.name();
        self.families.count(&table::CRASHES, [client, version, died.kind.name()], 1, exemplar);
        // A hang is noticed by waiting, and what ails a file by looking.
        if died.seen_live && died.kind != CrashKind::Hung && !died.kind.ails() {
            let seconds = died.detected_after_ms as f64 / 1000.0;
            self.families.observe(&table::DETECTION, [client, version], seconds, exemplar);
        }
    }

    fn count_restore(&self, receipt: &Receipt, version: &str, with_exemplar: bool) {
        let families = &self.families;
        let exemplar = Exemplar { chat: receipt.chat.as_str(), number: ("restore", receipt.id) };
        let exemplar = with_exemplar.then_some(exemplar);
        let client = receipt.chat.client().name();
        let labels = [client, version];
        let [restored, refused, failed] = OUTCOMES;
        let outcome = match (&receipt.refused, receipt.ok) {
            (_, true) => restored,
            (Some(_), false) => refused,
            (None, false) => failed,
        };
        families.count(&table::RESUMES, [client, version, outcome, begun_by(receipt)], 1, exemplar);
        if let Some(refusal) = &receipt.refused {
            families.count(&table::REFUSALS, [client, &named(&refusal.reason)], 1, exemplar);
        }
        if receipt.ok {
            families.observe(&table::RESUME, labels, receipt.seconds, exemplar);
            let own = (receipt.seconds - receipt.client_seconds).max(0.0);
            families.observe(&table::RESUME_OWN, labels, own, exemplar);
        }
        families.count(&table::TURNS_LOST, labels, receipt.turns_lost.unwrap_or(0), None);
        let beside_another = u64::from(receipt.processes.is_some_and(|processes| processes > 1));
        families.count(
            &table::FALSE_RESTARTS,
            labels,
            beside_another,
            exemplar.filter(|_| beside_another > 0),
        );
    }
}

/// A crash, as it is told and as it is kept.
struct Died {
    client: Client,
    kind: CrashKind,
    detected_after_ms: u64,
    seen_live: bool,
}

impl Died {
    fn of(crash: &Crash) -> Self {
        let Crash { client, kind, detected_after_ms, seen_live, .. } = *crash;
        Self { client, kind, detected_after_ms, seen_live }
    }

    fn was(row: &CountedCrash) -> Self {
        let CountedCrash { kind, detected_after_ms, seen_live, .. } = *row;
        Self { client: row.chat.client(), kind, detected_after_ms, seen_live }
    }
}

fn begun_by(receipt: &Receipt) -> &'static str {
    let first = receipt.steps.first().map(|step| step.step.as_str());
    BEGUN_BY.into_iter().find(|by| Some(*by) == first).unwrap_or("user")
}

/// A plain enum's name on the wire.
fn named(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or("unknown").to_owned()
}
