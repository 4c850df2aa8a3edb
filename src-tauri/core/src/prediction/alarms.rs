//! When a chat's risk is worth acting on: an alarm that goes up at the danger, comes down only well below it, and
//! rests between two times it is said. One in twenty is left without action for as long as it may come true, so that
//! what alarms are worth can be told from what acting on them did.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::{
    chats::ChatId,
    prediction::model::{DANGER_AT, HORIZON},
    time::Timestamp,
};

/// An alarm that is up comes down below this: half of what raised it.
const CLEARED_BELOW: f64 = DANGER_AT / 2.0;
/// An alarm is said at most once in so long, and again while it stays up.
const REST: Duration = Duration::from_secs(15 * 60);
/// Alarms of ten thousand that take no action.
const HELD_OUT_OF_10_000: u64 = 500;

/// One chat's alarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alarm {
    is_up: bool,
    said: Option<Timestamp>,
    drawn: Option<Drawn>,
}

/// What was drawn for an alarm, and when it was asked for last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Drawn {
    held_out: bool,
    asked: Timestamp,
}

impl Alarm {
    /// As an engine before this one left it.
    pub fn recalled(said: Timestamp, held_out: bool) -> Self {
        Self { is_up: true, said: Some(said), drawn: Some(Drawn { held_out, asked: said }) }
    }

    /// Whether the alarm is said at this moment.
    pub fn handle(&mut self, probability: f64, now: Timestamp) -> bool {
        self.is_up = probability >= if self.is_up { CLEARED_BELOW } else { DANGER_AT };
        // A clock that was set back must not silence it.
        let rested = self.said.is_none_or(|said| now < said || now.since(said) >= REST);
        let say = self.is_up && rested;
        if say {
            self.said = Some(now);
        }
        say
    }

    /// Whether what the alarm causes is left undone. To be asked before each such action: it is drawn once, and holds
    /// until a horizon has passed in which nothing asked. Else a later action would fall among what is to show how an
    /// alarm ends that nobody acted on.
    pub fn is_held_out(&mut self, salt: &str, chat: &ChatId, now: Timestamp) -> bool {
        let lasts = self.drawn.filter(|drawn| now >= drawn.asked && now.since(drawn.asked) < HORIZON);
        let held_out = lasts.map_or_else(|| draw(salt, chat, now), |drawn| drawn.held_out);
        self.drawn = Some(Drawn { held_out, asked: now });
        held_out
    }

    pub fn is_up(&self) -> bool {
        self.is_up
    }
}

/// By chance over alarms. `salt` is this machine's own, so that nobody else can tell what is drawn.
fn draw(salt: &str, chat: &ChatId, at: Timestamp) -> bool {
    let mut hash = Sha256::new();
    for part in [salt, chat.as_str(), &at.ms().to_string()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let drawn = hash.finalize().iter().take(8).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    drawn % 10_000 < HELD_OUT_OF_10_000
}

#[cfg(test)]
mod tests {
    use super::{Alarm, draw};
    use crate::{
        chats::{ChatId, Client},
        time::Timestamp,
    };

    fn minute(minute: i64) -> Timestamp {
        Timestamp::from_ms(minute * 60_000)
    }

    #[test]
    fn an_alarm_goes_up_at_the_danger_and_rests() {
        let mut alarm = Alarm::default();
        let course = [
            (0, 0.09, false),
            (1, 0.10, true),
            (2, 0.30, false),
            // Up still, though below what raised it, and rested.
            (16, 0.06, true),
            (17, 0.04, false),
            // Down, up again, not rested.
            (20, 0.20, false),
            (30, 0.20, false),
            (31, 0.20, true),
            // Down, then not up by what would only have kept it up.
            (32, 0.01, false),
            (60, 0.08, false),
            (61, 0.12, true),
        ];
        for (at, probability, said) in course {
            assert_eq!(alarm.handle(probability, minute(at)), said, "minute {at}");
        }
    }

    #[test]
    fn a_clock_set_back_does_not_silence_it() {
        let mut alarm = Alarm::default();
        assert!(alarm.handle(0.5, minute(1000)));
        assert!(alarm.handle(0.5, minute(10)));
        assert!(!alarm.handle(0.5, minute(11)));
    }

    #[test]
    fn what_was_drawn_holds_until_a_horizon_passed_without_an_alarm() {
        let chat = ChatId::new(Client::ClaudeCode, "x");
        let held_out_at = |at: i64, wanted: bool| {
            (0..).map(|n| n.to_string()).find(|salt| draw(salt, &chat, minute(at)) == wanted).unwrap()
        };
        for wanted in [true, false] {
            let (mut alarm, salt) = (Alarm::default(), held_out_at(0, wanted));
            // An alarm that stays up for hours is said again and again, and one that flutters is one.
            for at in [0, 0, 15, 30, 74, 133, 190, 249] {
                assert_eq!(alarm.is_held_out(&salt, &chat, minute(at)), wanted, "minute {at}");
            }
            let other = held_out_at(309, !wanted);
            assert_eq!(alarm.is_held_out(&other, &chat, minute(309)), !wanted);
            let other = held_out_at(300, wanted);
            assert_eq!(alarm.is_held_out(&other, &chat, minute(300)), wanted, "the clock was set back");
            let mut recalled = Alarm::recalled(minute(0), wanted);
            assert_eq!(recalled.is_held_out(&held_out_at(59, !wanted), &chat, minute(59)), wanted);
        }
    }

    #[test]
    fn one_in_twenty_is_held_out_and_always_the_same() {
        let held_out = |salt: &str| -> Vec<bool> {
            let drawn = (0..20_000).map(|n| {
                let chat = ChatId::new(Client::ClaudeCode, &format!("{}", n % 7));
                draw(salt, &chat, minute(n))
            });
            drawn.collect()
        };
        let (one, other) = (held_out("a"), held_out("b"));
        for drawn in [&one, &other] {
            let count = drawn.iter().filter(|held_out| **held_out).count();
            // Five standard deviations around 1000.
            assert!((846..=1154).contains(&count), "{count}");
        }
        assert_eq!(one, held_out("a"));
        assert_ne!(one, other);
    }
}
