//! How often checkpoints may come: which reason outweighs which, and what is set for them.

use std::time::Duration;

use super::{Trigger, risky::Pattern, snapshots::SnapshotPace};

/// How much a reason weighs; the later in this order the more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Routine: another one comes soon.
    Low,
    /// Ends of something: a good place to come back to.
    Middle,
    /// Something is about to change what no later checkpoint shows.
    High,
    /// Never late, never left out.
    Always,
}

impl Trigger {
    pub fn priority(self) -> Priority {
        match self {
            Self::User | Self::Crash => Priority::Always,
            Self::Risky | Self::Compaction | Self::ClientUpdate | Self::DangerRisk => Priority::High,
            Self::Turn | Self::Milestone | Self::SessionEnd | Self::WarningRisk => Priority::Middle,
            Self::ToolCalls | Self::Interval | Self::SessionStart => Priority::Low,
        }
    }

    /// Which of several reasons a checkpoint is named after: the weightiest, among equals the most telling.
    pub fn weight(self) -> (Priority, u8) {
        let telling = match self {
            Self::Crash | Self::Compaction => 3,
            Self::User | Self::ClientUpdate | Self::Milestone | Self::ToolCalls => 2,
            Self::Risky | Self::Turn | Self::Interval => 1,
            Self::DangerRisk | Self::SessionEnd | Self::WarningRisk | Self::SessionStart => 0,
        };
        (self.priority(), telling)
    }
}

/// What is set for checkpoints.
#[derive(Clone, Debug, PartialEq)]
pub struct Pace {
    /// Tool calls after which one is due; 0 is never.
    pub calls: u64,
    /// Time after a change after which one is due; zero is never.
    pub interval: Duration,
    /// Least time between two, by the weight of the later one's reason.
    pub gap_high: Duration,
    pub gap_middle: Duration,
    pub gap_low: Duration,
    /// Tool calls that have one taken when they begin.
    pub risky: Vec<Pattern>,
    /// Most that are kept of one chat.
    pub kept_max: usize,
    pub snapshot: SnapshotPace,
}

impl Pace {
    /// Least time between a checkpoint and an earlier one that weighed as much or more.
    pub fn gap(&self, priority: Priority) -> Duration {
        match priority {
            Priority::Always => Duration::ZERO,
            Priority::High => self.gap_high,
            Priority::Middle => self.gap_middle,
            Priority::Low => self.gap_low,
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            // Below the ten calls at which a chat counts as at risk for want of a checkpoint.
            calls: 8,
            interval: Duration::from_secs(10 * 60),
            gap_high: Duration::from_secs(1),
            gap_middle: Duration::from_secs(2),
            gap_low: Duration::from_secs(30),
            risky: super::risky::DEFAULT.iter().filter_map(|text| Pattern::read(text)).collect(),
            kept_max: 500,
            snapshot: SnapshotPace::default(),
        }
    }
}
