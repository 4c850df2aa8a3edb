//! `shim signals`: a chat's numbers over time, and the risk that they tell of.

use shim_api::{Engine, signals::ChatSignals};
use shim_core::{
    risk::{Risk, Source},
    signals::Signals,
};

use crate::print;

pub fn signals(engine: &Engine, id: &str, minutes: u64, json: bool) -> anyhow::Result<()> {
    let found = engine.signals(id, minutes)?;
    if json {
        return print::json(&found);
    }
    summary(&found);
    let rows: Vec<_> = found.history.iter().map(row).collect();
    if rows.is_empty() {
        say!("Nothing was kept in the last {minutes} minutes.");
        return Ok(());
    }
    say!("");
    print::table(
        &[
            "at (UTC)", "context", "tokens", "msgs", "calls", "unsaved", "failed", "latency", "cpu",
            "memory", "mem/min", "host mem",
        ],
        &rows,
    );
    Ok(())
}

/// How the chat stands at this moment.
pub fn summary(found: &ChatSignals) {
    let Some(risk) = &found.risk else {
        say!("No process stands behind this chat: there is nothing to measure.");
        return;
    };
    say!("{}", risk_line(risk));
    for reason in &risk.reasons {
        say!("  {}: {}", reason.level.name(), reason.text);
    }
    if let Some(now) = &found.now {
        say!("{}", now_line(now));
    }
}

fn risk_line(risk: &Risk) -> String {
    let percent = risk.probability * 100.0;
    match risk.source {
        Source::Zones => format!("Risk: {} (by rule of thumb, not measured)", risk.level.name()),
        Source::Model => {
            format!("Risk: {} ({percent:.0} % within the hour, learned here)", risk.level.name())
        }
    }
}

fn now_line(now: &Signals) -> String {
    let mut parts = vec![
        now.context_used.map_or("context unknown".to_owned(), |used| format!("context {}", percent(used))),
        format!("{} messages", now.messages),
        format!("{} tool calls", now.tool_calls),
        format!("{} since the last checkpoint", now.calls_since_checkpoint),
    ];
    parts.extend(now.failure_rate.map(|rate| format!("{} of them failed lately", percent(rate))));
    parts.extend(now.age_seconds.map(|age| format!("up for {:.0} min", age / 60.0)));
    parts.extend(now.latency_seconds.map(|latency| format!("answers in {latency:.1} s")));
    parts.extend(now.rss_bytes.map(|rss| format!("{} of memory", print::bytes(rss))));
    if let Some(error) = now.recent_errors.first() {
        parts.push(format!("last error {error}"));
    }
    parts.join(", ")
}

fn row(signals: &Signals) -> Vec<String> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    vec![
        print::time(signals.at),
        or_dash(signals.context_used.map(percent)),
        signals.tokens.to_string(),
        signals.messages.to_string(),
        signals.tool_calls.to_string(),
        signals.calls_since_checkpoint.to_string(),
        or_dash(signals.failure_rate.map(percent)),
        or_dash(signals.latency_seconds.map(|seconds| format!("{seconds:.1} s"))),
        or_dash(signals.cpu.map(percent)),
        or_dash(signals.rss_bytes.map(print::bytes)),
        or_dash(signals.rss_slope.map(|slope| format!("{:+.1} MiB", slope * 60.0 / 1_048_576.0))),
        or_dash(signals.memory_pressure.map(percent)),
    ]
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use shim_core::{
        risk::{Zones, risk},
        signals::Signals,
    };

    use super::{now_line, risk_line, row};

    #[test]
    fn a_rule_of_thumb_is_never_said_to_be_measured() {
        let zones = risk(&Signals { messages: 50, ..Signals::default() }, &Zones::default());
        assert_eq!(risk_line(&zones), "Risk: warning (by rule of thumb, not measured)");
        assert_eq!(risk_line(&zones.learned(0.124)), "Risk: warning (12 % within the hour, learned here)");
    }

    #[test]
    fn what_is_not_known_is_left_out_or_a_dash() {
        let unknown = Signals::default();
        assert_eq!(
            now_line(&unknown),
            "context unknown, 0 messages, 0 tool calls, 0 since the last checkpoint"
        );
        let dashes = row(&unknown).iter().filter(|cell| *cell == "-").count();
        assert_eq!(dashes, 7);
        let known = Signals {
            context_used: Some(0.61),
            failure_rate: Some(0.5),
            age_seconds: Some(120.0),
            recent_errors: vec!["tool:Bash".to_owned()],
            ..unknown
        };
        let said = "context 61 %, 0 messages, 0 tool calls, 0 since the last checkpoint, 50 % of them failed lately, \
                    up for 2 min, last error tool:Bash";
        assert_eq!(now_line(&known), said);
    }
}
