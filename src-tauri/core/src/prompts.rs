//! Prompts that nobody answers: told once each, after a while in which the machine was awake. Never a crash.

use std::time::Duration;

/// After so long a prompt is told of.
pub const NOTICE_AFTER: Duration = Duration::from_secs(10 * 60);

/// The machine over what one chat waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Prompt {
    #[default]
    None,
    /// Seconds of the machine's time awake at which it was first seen.
    Open { since_awake: f64, told: bool },
}

impl Prompt {
    /// Takes in whether a prompt is open. Gives how long it has been, when its user is to be told.
    pub fn look(&mut self, is_open: bool, awake_seconds: f64, notice_after: Duration) -> Option<Duration> {
        if !is_open {
            *self = Self::None;
            return None;
        }
        match self {
            Self::None => {
                *self = Self::Open { since_awake: awake_seconds, told: false };
                None
            }
            Self::Open { told: true, .. } => None,
            Self::Open { since_awake, told } => {
                let open = Duration::try_from_secs_f64(awake_seconds - *since_awake).unwrap_or_default();
                *told = open >= notice_after;
                told.then_some(open)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Prompt;

    /// Whether a prompt is open at each second awake, and when its user is told.
    fn told(looks: &[(f64, bool)]) -> Vec<f64> {
        let mut prompt = Prompt::default();
        let told = |(at, open): &(f64, bool)| prompt.look(*open, *at, Duration::from_secs(600)).map(|_| *at);
        looks.iter().filter_map(told).collect()
    }

    #[test]
    fn each_prompt_is_told_once() {
        let looks = [
            (0.0, true),
            (599.0, true),
            (600.0, true),
            (605.0, true),
            (9000.0, true),
            (9005.0, false),
            (9010.0, true),
            (9609.0, true),
            (9610.0, true),
        ];
        assert_eq!(told(&looks), [600.0, 9610.0]);
    }

    #[test]
    fn one_that_is_answered_in_time_is_not_told() {
        assert_eq!(
            told(&[(0.0, true), (599.0, true), (601.0, false), (700.0, true), (1200.0, true)]),
            [0.0; 0]
        );
    }
}
