//! What SHIM measures of itself: the table of its metric families. Their names, units, labels and meanings stand here
//! once; `docs/metrics.md` tells them, and a test holds the two together. Nothing is counted here.

pub mod text;
pub mod versions;

/// One family of series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Family {
    /// With its unit, and without the `_total` of a counter.
    pub name: &'static str,
    pub kind: Kind,
    pub unit: Unit,
    pub labels: &'static [&'static str],
    /// Ends without a full stop.
    pub help: &'static str,
    pub from: From,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Counts what is told.
    Counter,
    /// Is read where it is counted already.
    ReadCounter,
    Gauge,
    /// With the upper bounds of its buckets, in the family's unit.
    Histogram(&'static [f64]),
    /// Says what something is; always 1.
    Info,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    None,
    Seconds,
    Bytes,
    /// Of the United States, by list price.
    Dollars,
    /// From 0 to 1; a skill may be below 0.
    Ratio,
}

/// From when on it counts, or what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// All that the store holds: an engine's end changes nothing.
    Ever,
    /// The engine's start.
    Start,
    /// The moment at which it is asked for.
    Moment,
}

impl Family {
    /// As its series, or those of its parts, are named.
    pub fn exposed(&self) -> String {
        let suffix = match self.kind {
            Kind::Counter | Kind::ReadCounter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram(_) => "",
        };
        format!("{}{suffix}", self.name)
    }

    /// The name without its unit.
    pub fn stem(&self) -> &'static str {
        let unit = self.unit.name();
        let stem = self.name.strip_suffix(unit).and_then(|name| name.strip_suffix('_'));
        stem.filter(|_| !unit.is_empty()).unwrap_or(self.name)
    }
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter | Self::ReadCounter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
            Self::Info => "info",
        }
    }
}

impl Unit {
    /// As it ends a name; empty for a mere number.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::Dollars => "dollars",
            Self::Ratio => "ratio",
        }
    }
}

impl From {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ever => "ever",
            Self::Start => "start",
            Self::Moment => "moment",
        }
    }
}

/// From a millisecond to a minute, with bounds on both sides of each budget: a share above the last finite bound can
/// never be told.
pub const QUICK: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];
/// From a twentieth of a second to the longest start that settings allow a client.
pub const SLOW: &[f64] =
    &[0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0, 120.0, 600.0];

macro_rules! families {
    ($($id:ident = $name:literal, $kind:expr, $unit:ident, [$($label:literal),*], $from:ident, $help:literal;)*) => {
        $(pub const $id: Family = Family {
            name: $name, kind: $kind, unit: Unit::$unit, labels: &[$($label),*], help: $help, from: From::$from,
        };)*
        /// Every family there is.
        pub const ALL: &[&Family] = &[$(&$id),*];
    };
}

families! {
    BUILD = "shim_build", Kind::Info, None, ["version"], Moment, "The version of the engine that answers";
    STARTED = "process_start_time_seconds", Kind::Gauge, Seconds, [], Moment, "When the engine started, since 1970";
    CPU = "process_cpu_seconds", Kind::ReadCounter, Seconds, [], Start, "Processor time that the engine took";
    MEMORY = "process_resident_memory_bytes", Kind::Gauge, Bytes, [], Moment, "Memory that the engine holds";
    WRITTEN = "shim_engine_written_bytes", Kind::ReadCounter, Bytes, [], Start,
        "Bytes that the engine wrote to disk; absent where the system does not say";
    DATABASE = "shim_database_bytes", Kind::Gauge, Bytes, [], Moment, "Size of the database and its log on disk";
    PAUSED = "shim_paused", Kind::Gauge, None, [], Moment, "1 while the engine is paused";
    WARNINGS = "shim_warnings", Kind::Gauge, None, [], Moment, "What is wrong now, as `shim status` tells it";

    CHATS = "shim_chats", Kind::Gauge, None, ["client", "state"], Moment, "Chats that are kept, by what they do";
    TURNS = "shim_chat_turns", Kind::Gauge, None, ["client", "client_version"], Moment,
        "Complete turns of the chats that are kept";
    TOKENS = "shim_chat_tokens", Kind::Gauge, None, ["client", "client_version"], Moment,
        "Tokens of the chats that are kept, as their transcripts tell them";
    COST = "shim_chat_cost_dollars", Kind::Gauge, Dollars, ["client", "client_version"], Moment,
        "What tokens of the chats that are kept cost by list price; absent where none has a price";
    UNPRICED = "shim_chat_unpriced_tokens", Kind::Gauge, None, ["client", "client_version"], Moment,
        "Tokens of the chats that are kept without a known price: they are not in the cost";
    OPEN_CRASHES = "shim_open_crashes", Kind::Gauge, None, ["client"], Moment, "Chats with a crash that is not resolved";
    AT_RISK = "shim_chats_at_risk", Kind::Gauge, None, ["client", "level"], Moment, "Live chats by the risk of a crash";
    SUSPECTED = "shim_suspected_hangs", Kind::Gauge, None, ["client", "form"], Moment,
        "Chats that hang or may, by how they do";

    CRASHES = "shim_crashes", Kind::Counter, None, ["client", "client_version", "kind"], Ever, "Crashes recorded";
    DETECTION = "shim_crash_detection_seconds", Kind::Histogram(QUICK), Seconds, ["client", "client_version"], Ever,
        "From a process's exit to the verdict, of deaths that were seen";
    HANGS_OVER = "shim_hangs_over", Kind::Counter, None, ["client"], Start,
        "Processes that were taken to hang and moved again by themselves";
    RESUMES = "shim_resume_attempts", Kind::Counter, None, ["client", "client_version", "outcome", "begun_by"], Ever,
        "Restores by what came of them: restored, refused or failed";
    REFUSALS = "shim_resume_refusals", Kind::Counter, None, ["client", "reason"], Ever, "Why restores were refused";
    RESUME = "shim_resume_seconds", Kind::Histogram(SLOW), Seconds, ["client", "client_version"], Ever,
        "From the request to the receipt, of restores that succeeded";
    RESUME_OWN = "shim_resume_own_seconds", Kind::Histogram(SLOW), Seconds, ["client", "client_version"], Ever,
        "The same without the client's own start";
    TURNS_LOST = "shim_turns_lost", Kind::Counter, None, ["client", "client_version"], Ever,
        "Complete turns that a restored chat lacked";
    FALSE_RESTARTS = "shim_false_restarts", Kind::Counter, None, ["client", "client_version"], Ever,
        "Restores after which more than one process held the chat";
    DECISIONS = "shim_policy_decisions", Kind::Counter, None, ["client", "decision"], Start,
        "What the policy decided about crashes: restore, would_restore or ask";
    STOPS = "shim_chat_stops", Kind::Counter, None, ["client", "outcome"], Start, "Chats ended on their user's word";

    CHECKPOINT = "shim_checkpoint_creation_seconds", Kind::Histogram(QUICK), Seconds,
        ["client", "client_version", "trigger"], Start, "From deciding on a checkpoint until it is on disk";
    WORKSPACE = "shim_workspace_snapshot_seconds", Kind::Histogram(QUICK), Seconds, ["client", "outcome"], Start,
        "Keeping a working tree, beside the chat";
    LAG = "shim_journal_lag_seconds", Kind::Histogram(QUICK), Seconds, ["client"], Start,
        "From reading what a client wrote until it is on disk";
    JOURNALED = "shim_journal_written_bytes", Kind::Counter, Bytes, ["client"], Start,
        "Bytes of clients' files that were journaled, before compression";
    JOURNAL = "shim_journal_bytes", Kind::Gauge, Bytes, ["client"], Moment,
        "Bytes of the transcripts of the chats that are kept, before compression";
    NOTICES = "shim_notices", Kind::Counter, None, ["kind"], Start, "What a person was told at once";

    PREDICTIONS = "shim_crash_predictions", Kind::Counter, None, ["client", "outcome"], Start,
        "Predictions whose hour is over: danger said and crashed (tp) or not (fp), not said and crashed (fn) or not (tn), or nobody can tell (unverifiable)";
    TRAININGS = "shim_model_trainings", Kind::Counter, None, ["client", "outcome"], Start,
        "Trainings of a model that foretells crashes: taken or not_taken";
    BRIER_SKILL = "shim_crash_prediction_brier_skill_ratio", Kind::Gauge, Ratio, ["client", "source"], Moment,
        "Share by which predictions beat always saying the base rate; absent until enough is known";
    AVERAGE_PRECISION = "shim_crash_prediction_average_precision_ratio", Kind::Gauge, Ratio, ["client", "source"],
        Moment, "Area under precision over recall; absent until enough is known";
    CALIBRATION = "shim_crash_prediction_calibration_error_ratio", Kind::Gauge, Ratio, ["client", "source"], Moment,
        "Mean distance of what was predicted from what was observed, by bins; absent until enough is known";
    BASE_RATE = "shim_crash_prediction_base_ratio", Kind::Gauge, Ratio, ["client", "source"], Moment,
        "Share of predicted hours with a crash in them; absent until enough is known";
    WINDOWS = "shim_crash_prediction_windows", Kind::Gauge, None, ["client", "source"], Moment,
        "Predicted hours that can be scored";

    REPAIRS = "shim_chat_repairs", Kind::Counter, None, ["client", "outcome"], Start,
        "Repairs of a chat's file, by whether they were written";
    DROPPED = "shim_journal_dropped_bytes", Kind::Counter, Bytes, ["client"], Start,
        "Bytes of journals that were dropped, as the settings' limits ask";

    EXPERIMENTS = "shim_experiments", Kind::Gauge, None, ["state"], Moment, "Experiments by state";
    TRIED = "shim_experiment_decisions", Kind::ReadCounter, None, ["decision"], Ever,
        "Experiments begun, deployed (shipped on probation), confirmed, rolled back, ended without a verdict, stopped";
    E_VALUE = "shim_experiment_e_value", Kind::Gauge, None, ["experiment", "side"], Moment,
        "Evidence for a side of an experiment; 20 is what confirms at 5 %";
    EXPOSURES = "shim_experiment_exposures", Kind::ReadCounter, None, ["experiment", "variant"], Moment,
        "Chats in which a variant of an experiment that is known was really used";
    VIOLATIONS = "shim_safety_violations", Kind::Counter, None, ["bound", "action"], Start,
        "Safety bounds that were crossed, and what was done";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{ALL, Family, Kind, QUICK, SLOW, Unit};

    #[test]
    fn names_are_plain_and_end_with_their_unit() {
        let names: BTreeSet<_> = ALL.iter().map(|family| family.name).collect();
        assert_eq!(names.len(), ALL.len(), "each once");
        for family in ALL {
            let plain = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            assert!(plain(family.name) && family.labels.iter().all(|label| plain(label)), "{}", family.name);
            assert!(family.name.ends_with(family.unit.name()), "{}", family.name);
            let unit =
                if family.unit == Unit::None { String::new() } else { format!("_{}", family.unit.name()) };
            assert_eq!(format!("{}{unit}", family.stem()), family.name);
            assert!(!family.name.ends_with("_total") && !family.help.ends_with('.'), "{}", family.name);
            assert!(!family.help.contains(['\n', '\\']), "{}", family.name);
        }
    }

    /// `docs/metrics.md` has a row for each family, as it is exposed, and no other.
    #[test]
    fn the_documented_table_is_this_one() {
        let document = include_str!("../../../docs/metrics.md");
        let table = document.split("\n## ").find(|part| part.starts_with("Table")).unwrap();
        let told: Vec<_> = table.lines().filter(|line| line.starts_with("| `")).collect();
        let row = |family: &&Family| {
            let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
            let (kind, unit, from) = (family.kind.name(), family.unit.name(), family.from.name());
            format!(
                "| `{}` | {kind} | {unit} | {} | {from} | {} |",
                family.exposed(),
                labels.join(", "),
                family.help
            )
        };
        assert_eq!(told, ALL.iter().map(row).collect::<Vec<_>>());
    }

    #[test]
    fn buckets_have_a_bound_on_both_sides_of_each_budget() {
        for (buckets, budgets) in [(QUICK, &[0.01, 0.05, 0.1, 0.25][..]), (SLOW, &[0.3, 1.0])] {
            assert!(buckets.windows(2).all(|pair| pair[0] < pair[1]));
            for budget in budgets {
                assert!(buckets.contains(budget) && buckets.last() > Some(budget), "{budget}");
            }
        }
        assert!(ALL.iter().any(|family| matches!(family.kind, Kind::Histogram(_))));
    }
}
