//! `shim opportunities`: what goes with crashes, cost and latency, and what might be tried about it.

use shim_api::Engine;
use shim_core::opportunities::{Direction, Looked, Opportunity, Report, Standing, Target, outliers::FarOut};

use crate::print;

pub fn opportunities(engine: &Engine, json: bool) -> anyhow::Result<()> {
    let report = engine.opportunities(0)?;
    if json {
        return print::json(&report);
    }
    lines(&report).iter().for_each(|line| say!("{line}"));
    Ok(())
}

fn lines(report: &Report) -> Vec<String> {
    match report {
        Report::NotEnoughYet { chats, chats_needed, crashes, crashes_needed } => vec![format!(
            "not enough yet: {chats} of {chats_needed} chats and {crashes} of {crashes_needed} crashes"
        )],
        Report::Looked(looked) => found(looked),
    }
}

fn found(looked: &Looked) -> Vec<String> {
    let mut lines = vec![format!(
        "{} questions asked of {} chats with {} crashes since {}; what stood out before {} is confirmed by what came \
         after",
        looked.candidates,
        looked.chats,
        looked.crashes,
        print::time(looked.since),
        print::time(looked.split_at)
    )];
    if looked.found.is_empty() {
        lines.push("Nothing stands out by more than chance gives.".to_owned());
    }
    lines.extend(looked.found.iter().flat_map(one));
    lines.extend(looked.far_out.iter().map(far_out));
    lines
}

fn one(found: &Opportunity) -> Vec<String> {
    let standing = match found.standing {
        Standing::Confirmed => "confirmed",
        Standing::NotConfirmed => "not confirmed by later chats",
        Standing::TooFewLater => "too few later chats to confirm it",
    };
    let later = found.p_confirmed.map_or(String::new(), |p| format!(", later p {}", Short(p)));
    let mut lines = vec![
        String::new(),
        format!("{}.", found.statement),
        format!("  {standing} (q {}{later})", Short(found.q)),
    ];
    if let Some(proposal) = &found.proposal {
        let verb = if proposal.direction == Direction::Lower { "lower" } else { "raise" };
        let to = proposal.value.map_or(String::new(), |value| format!(" to {value}"));
        lines.push(format!("  to try: {verb} {}{to}", proposal.knob));
    }
    if let Some(worth) = &found.worth {
        lines.push(match (&worth.refused, worth.chats_needed) {
            (None, Some(needed)) => format!(
                "  worth: {:.0} fewer in 2,700 chats if half of it goes; told by {needed} chats",
                worth.saved
            ),
            (Some(why), _) => format!("  no experiment: {why}"),
            (None, None) => "  worth: not known".to_owned(),
        });
    }
    lines
}

fn far_out(far: &FarOut) -> String {
    let (what, unit) = match far.target {
        Target::Latency => ("an answer after", " s"),
        Target::Cost | Target::Crashes => ("cost or tokens of", ""),
    };
    format!(
        "far out: {} of {}: {what} {:.0}{unit}, usual {:.0}{unit}",
        far.client,
        print::time(far.at),
        far.value,
        far.usual
    )
}

/// A probability as it is read: small ones by their order.
struct Short(f64);

impl std::fmt::Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 < 0.001 { write!(f, "{:.0e}", self.0) } else { write!(f, "{:.3}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Report, Short, lines};

    #[test]
    fn with_little_history_it_is_said_how_far_it_is() {
        let report = Report::NotEnoughYet { chats: 3, chats_needed: 80, crashes: 1, crashes_needed: 10 };
        assert_eq!(lines(&report), ["not enough yet: 3 of 80 chats and 1 of 10 crashes"]);
        assert_eq!(format!("{} {} {}", Short(0.04), Short(1e-7), Short(1.0)), "0.040 1e-7 1.000");
    }
}
