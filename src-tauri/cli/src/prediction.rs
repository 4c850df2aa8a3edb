//! `shim prediction`: what foretells crashes, and what it was worth.

use shim_api::{
    Engine,
    prediction::{Prediction, Worth},
};
use shim_core::prediction::{
    scoring::{AlarmScore, Score, Share},
    training::Verdict,
};

use crate::print;

const NOT_YET: &str = "not enough yet";

pub fn prediction(engine: &Engine, json: bool) -> anyhow::Result<()> {
    let all = engine.prediction()?;
    if json {
        return print::json(&all);
    }
    if all.is_empty() {
        say!("Nothing was foretold yet: a prediction is made each minute for every live chat.");
    }
    for (number, one) in all.iter().enumerate() {
        if number > 0 {
            say!("");
        }
        lines(one).iter().for_each(|line| say!("{line}"));
        if let Some(score) = &one.worth.score {
            calibration(score);
        }
        for before in &one.before {
            earlier(before.version, &before.worth).iter().for_each(|line| say!("{line}"));
        }
    }
    Ok(())
}

fn lines(one: &Prediction) -> Vec<String> {
    let mut lines = vec![format!("{}: {}", one.client.title(), in_use(one))];
    lines.extend(one.last_training.as_ref().map(|training| {
        format!("  last training {}: {}", print::time(training.at), verdict(&training.outcome))
    }));
    lines.push(format!("  what is in use, on its {} predictions:", one.worth.predictions));
    lines.extend(worth(&one.worth));
    lines
}

/// Of what was in use before, by its own predictions.
fn earlier(version: Option<i64>, its: &Worth) -> Vec<String> {
    let name = version.map_or("the zones".to_owned(), |version| format!("model {version}"));
    let mut lines = vec![format!("  before, {name}, on {} predictions:", its.predictions)];
    lines.extend(worth(its).into_iter().map(|line| format!("  {line}")));
    lines
}

fn worth(worth: &Worth) -> Vec<String> {
    let mut lines = alarms(&worth.alarms).to_vec();
    match (&worth.score, &worth.not_enough) {
        (Some(score), _) => lines.extend(figures(score)),
        (None, Some(missing)) => lines.push(format!(
            "  worth: {NOT_YET} ({} of {} hours and {} of {} crashes within them)",
            missing.windows, missing.windows_needed, missing.crashes, missing.crashes_needed
        )),
        (None, None) => lines.push(format!("  worth: {NOT_YET}")),
    }
    lines
}

fn in_use(one: &Prediction) -> String {
    match &one.model {
        Some(in_use) => format!(
            "model {} of {}, learned from {} minutes and {} crashes",
            in_use.version,
            print::time(in_use.model.trained_at),
            in_use.model.rows,
            in_use.model.crashes
        ),
        None => format!(
            "the zones, by rule of thumb ({} crashes so far; learning begins at {})",
            one.crashes, one.crashes_needed
        ),
    }
}

fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Taken => "taken into use: it foretells later history better than the zones".to_owned(),
        Verdict::NotEnough { crashes, needed } => {
            format!("{NOT_YET}: {crashes} of {needed} crashes")
        }
        Verdict::NotBetter { than, by_chance, .. } => format!(
            "not taken into use: not better than {} on later history (by chance {})",
            than.title(),
            percent(*by_chance)
        ),
        Verdict::NoSkill { brier_skill } => {
            format!("not taken into use: no skill within the hour (Brier skill {brier_skill:.3})")
        }
        Verdict::Failed { why } => format!("gave nothing: {why}"),
    }
}

fn figures(score: &Score) -> [String; 2] {
    [
        format!(
            "  worth: Brier skill {:+.3}, average precision {:.3} (base rate {:.3}), over {} hours with {} crashes",
            score.brier_skill, score.average_precision, score.base_rate, score.windows, score.crashes
        ),
        format!(
            "  crash_prediction_accuracy {} (always saying “no crash”: {})",
            percent(score.crash_prediction_accuracy),
            percent(score.accuracy_of_never)
        ),
    ]
}

fn alarms(alarms: &AlarmScore) -> [String; 2] {
    let per_day = alarms.false_alarms_a_day.map_or(NOT_YET.to_owned(), |rate| format!("{rate:.1} a day"));
    let foretold = alarms.foretold.map_or(NOT_YET.to_owned(), share);
    let lead = alarms.lead_seconds.map_or("-".to_owned(), |lead| format!("{:.0} min", lead / 60.0));
    let told = |some: Option<Share>| some.map_or(NOT_YET.to_owned(), share);
    [
        format!(
            "  alarms: {} in {:.1} days, false ones {per_day}; crashes foretold {foretold}, lead {lead}",
            alarms.alarms, alarms.watched_days
        ),
        format!(
            "  alarms that came true: {} acted on, {} left alone by chance",
            told(alarms.acted),
            told(alarms.held_out)
        ),
    ]
}

fn calibration(score: &Score) {
    say!("  what was said against what happened:");
    let rows: Vec<_> = score
        .calibration
        .iter()
        .map(|bin| {
            vec![
                format!("  {} to {}", percent(bin.from), percent(bin.to)),
                bin.windows.to_string(),
                percent(bin.predicted),
                percent(bin.observed.share),
                format!("{} to {}", percent(bin.observed.low), percent(bin.observed.high)),
            ]
        })
        .collect();
    print::table(&["  said", "hours", "mean", "happened", "95 %"], &rows);
}

fn share(share: Share) -> String {
    format!("{} of {} ({})", share.count, share.of, percent(share.share))
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use shim_api::prediction::{Prediction, Training, Worth};
    use shim_core::{
        chats::Client,
        prediction::{
            scoring::{NotEnough, score_alarms},
            training::{Rival, Verdict},
        },
        risk::Source,
        time::Timestamp,
    };

    use super::{earlier, lines};

    #[test]
    fn with_little_history_no_figure_is_printed() {
        let training = Training {
            version: 3,
            at: Timestamp::from_ms(0),
            outcome: Verdict::NotBetter { than: Rival::BaseRate, gain: -0.1, by_chance: 0.8 },
        };
        let little = Prediction {
            client: Client::Codex,
            source: Source::Zones,
            model: None,
            last_training: Some(training),
            crashes: 21,
            crashes_needed: 20,
            worth: Worth {
                predictions: 40,
                score: None,
                not_enough: Some(NotEnough {
                    windows: 7,
                    windows_needed: 100,
                    crashes: 1,
                    crashes_needed: 5,
                }),
                alarms: score_alarms(&[], &[], 40),
            },
            before: Vec::new(),
        };
        assert_eq!(
            lines(&little),
            [
                "Codex: the zones, by rule of thumb (21 crashes so far; learning begins at 20)",
                "  last training 1970-01-01 00:00:00: not taken into use: not better than the mere rate of crashes \
                 on later history (by chance 80.0 %)",
                "  what is in use, on its 40 predictions:",
                "  alarms: 0 in 0.0 days, false ones not enough yet; crashes foretold not enough yet, lead -",
                "  alarms that came true: not enough yet acted on, not enough yet left alone by chance",
                "  worth: not enough yet (7 of 100 hours and 1 of 5 crashes within them)",
            ]
        );
        assert_eq!(earlier(Some(2), &little.worth)[0], "  before, model 2, on 40 predictions:");
    }
}
