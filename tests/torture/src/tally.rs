//! What came of it all: counted, said, and held against the targets.

use std::time::Duration;

use serde_json::{Value, json};

/// Verdicts that must be right, of a hundred.
const RIGHT_PERCENT_MIN: f64 = 99.0;
/// Wrong things said in full.
const WRONG_SAID_MAX: usize = 40;

#[derive(Debug, Default)]
pub struct Tally {
    pub crashes: u64,
    pub right: u64,
    pub wrong: u64,
    pub restored: u64,
    /// Restores that were refused or failed.
    pub not_restored: u64,
    pub lost: u64,
    pub twins: u64,
    pub replays: u64,
    /// Crashes that nobody caused.
    pub false_crashes: u64,
    /// Chats that were given up, and healthy ones that did not live to the end.
    pub given_up: u64,
    pub healthy_minutes: f64,
    pub restore_seconds: Vec<f64>,
    /// What went wrong, each with the chat's number.
    pub complaints: Vec<String>,
}

impl Tally {
    pub fn add(&mut self, other: Self) {
        self.crashes += other.crashes;
        self.right += other.right;
        self.wrong += other.wrong;
        self.restored += other.restored;
        self.not_restored += other.not_restored;
        self.lost += other.lost;
        self.twins += other.twins;
        self.replays += other.replays;
        self.false_crashes += other.false_crashes;
        self.given_up += other.given_up;
        self.healthy_minutes += other.healthy_minutes;
        self.restore_seconds.extend(other.restore_seconds);
        self.complaints.extend(other.complaints);
    }

    fn right_percent(&self) -> f64 {
        let all = self.right + self.wrong;
        if all == 0 { 0.0 } else { 100.0 * self.right as f64 / all as f64 }
    }

    fn seconds(&self, share: f64) -> Option<f64> {
        let mut sorted = self.restore_seconds.clone();
        sorted.sort_by(f64::total_cmp);
        let at = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(at.saturating_sub(1)).copied()
    }

    /// What was missed; empty when nothing was.
    pub fn missed(&self, asked: u64) -> Vec<String> {
        let mut missed = Vec::new();
        if self.crashes < asked {
            missed.push(format!("{} of {asked} crashes were caused", self.crashes));
        }
        if self.right_percent() < RIGHT_PERCENT_MIN {
            missed.push(format!("{:.1} % of the verdicts are right", self.right_percent()));
        }
        for (count, what) in [
            (self.not_restored, "chats were not restored"),
            (self.lost, "turns were lost"),
            (self.twins, "twins were seen"),
            (self.replays, "tool calls ran again"),
            (self.false_crashes, "crashes that nobody caused were recorded"),
            (self.given_up, "chats were given up"),
        ] {
            if count > 0 {
                missed.push(format!("{count} {what}"));
            }
        }
        missed
    }

    pub fn say(&self, asked: u64, took: Duration) {
        for complaint in self.complaints.iter().take(WRONG_SAID_MAX) {
            println!("wrong: {complaint}");
        }
        let percentile =
            |share| self.seconds(share).map_or("-".to_owned(), |seconds| format!("{seconds:.2}"));
        println!("crashes          {}", self.crashes);
        println!("verdicts right   {} ({:.1} %), wrong {}", self.right, self.right_percent(), self.wrong);
        println!("restored         {}, not {}", self.restored, self.not_restored);
        println!("turns lost       {}", self.lost);
        println!("twins            {}", self.twins);
        println!("replays          {}", self.replays);
        println!("given up         {}", self.given_up);
        println!(
            "false crashes    {} in {:.1} minutes of healthy chats",
            self.false_crashes, self.healthy_minutes
        );
        println!("restore seconds  p50 {}, p99 {}", percentile(0.5), percentile(0.99));
        println!("took             {:.0} s", took.as_secs_f64());
        match self.missed(asked).as_slice() {
            [] => println!("every target is met"),
            missed => println!("MISSED: {}", missed.join("; ")),
        }
    }

    pub fn json(&self, seed: u64, asked: u64, took: Duration) -> Value {
        json!({
            "seed": seed, "asked": asked, "crashes": self.crashes,
            "verdicts_right": self.right, "verdicts_wrong": self.wrong,
            "restored": self.restored, "not_restored": self.not_restored,
            "turns_lost": self.lost, "twins": self.twins, "replays": self.replays, "given_up": self.given_up,
            "false_crashes": self.false_crashes, "healthy_minutes": self.healthy_minutes,
            "restore_seconds_p50": self.seconds(0.5), "restore_seconds_p99": self.seconds(0.99),
            "seconds": took.as_secs_f64(), "missed": self.missed(asked), "complaints": self.complaints,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn each_target_can_be_missed() {
        let good = || Tally { crashes: 200, right: 199, wrong: 1, restored: 200, ..Tally::default() };
        assert_eq!(good().missed(200), Vec::<String>::new());
        for (bad, what) in [
            (Tally { wrong: 3, ..good() }, "verdicts"),
            (Tally { lost: 1, ..good() }, "lost"),
            (Tally { twins: 1, ..good() }, "twins"),
            (Tally { replays: 1, ..good() }, "again"),
            (Tally { false_crashes: 1, ..good() }, "nobody caused"),
            (Tally { not_restored: 1, ..good() }, "not restored"),
            (Tally { given_up: 1, ..good() }, "given up"),
            (Tally { crashes: 199, ..good() }, "199 of 200"),
        ] {
            let missed = bad.missed(200);
            assert!(missed.len() == 1 && missed[0].contains(what), "{missed:?}");
        }
    }

    #[test]
    fn percentiles_are_of_what_was_measured() {
        let tally = Tally { restore_seconds: (1..=100).rev().map(f64::from).collect(), ..Tally::default() };
        assert_eq!((tally.seconds(0.5), tally.seconds(0.99)), (Some(50.0), Some(99.0)));
        assert_eq!(Tally::default().seconds(0.5), None);
    }
}
