//! The end of the system, seen from a process that it takes along: deaths are not judged once it has begun.
//! They are held, and judged by the next start, or late, if the system goes on after all.

use std::time::Duration;

use crate::time::Timestamp;

/// A system that is still there after this goes on.
pub const FREEZE_MAX: Duration = Duration::from_secs(15 * 60);
/// Deaths this short before the engine was told to end are the system's doing, if it is gone afterwards.
pub const LAST_MOMENTS: Duration = Duration::from_secs(10);
/// Deaths held; a machine has fewer chats.
pub const HELD_MAX: usize = 1000;

/// What speaks for the system going down, when the engine is told to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// The system said so itself.
    pub announced: bool,
    /// Chats that lived within [`LAST_MOMENTS`], and how many of them are gone.
    pub lived: usize,
    pub died: usize,
}

impl Signs {
    /// Whether what the engine sees is the end of the session or of the machine.
    pub fn tell_of_the_end(self) -> bool {
        self.announced || (self.died >= 2 && self.died == self.lived)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The system is about to go down.
    Begun,
    /// It goes on after all.
    Cancelled,
    Tick,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Deaths are held from now on.
    Hold,
    /// Judge what was held, and what follows as it comes.
    Judge,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Freeze {
    #[default]
    Off,
    On {
        since: Timestamp,
    },
}

impl Freeze {
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Option<Effect> {
        match (*self, event) {
            (Self::Off, Event::Begun) => {
                *self = Self::On { since: now };
                Some(Effect::Hold)
            }
            (Self::On { .. }, Event::Cancelled) => self.thaw(),
            (Self::On { since }, Event::Tick) if now.since(since) >= FREEZE_MAX => self.thaw(),
            (Self::Off, Event::Cancelled | Event::Tick) | (Self::On { .. }, Event::Begun | Event::Tick) => {
                None
            }
        }
    }

    pub fn is_on(self) -> bool {
        matches!(self, Self::On { .. })
    }

    fn thaw(&mut self) -> Option<Effect> {
        *self = Self::Off;
        Some(Effect::Judge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deaths_are_held_until_the_system_goes_on_or_stands_too_long() {
        let at = |seconds: i64| Timestamp::from_ms(seconds * 1000);
        let mut freeze = Freeze::default();
        for (event, now, effect, on) in [
            (Event::Tick, 0, None, false),
            (Event::Cancelled, 0, None, false),
            (Event::Begun, 1, Some(Effect::Hold), true),
            (Event::Begun, 2, None, true),
            (Event::Tick, 900, None, true),
            (Event::Cancelled, 901, Some(Effect::Judge), false),
            (Event::Begun, 1000, Some(Effect::Hold), true),
            (Event::Tick, 1900, Some(Effect::Judge), false),
        ] {
            assert_eq!((freeze.handle(event, at(now)), freeze.is_on()), (effect, on), "{event:?} at {now} s");
        }
    }

    #[test]
    fn one_chat_that_dies_before_the_engine_is_stopped_is_no_shutdown() {
        for (announced, lived, died, ends) in [
            (false, 0, 0, false),
            (false, 1, 1, false),
            (false, 5, 4, false),
            (false, 5, 5, true),
            (true, 5, 0, true),
        ] {
            assert_eq!(
                Signs { announced, lived, died }.tell_of_the_end(),
                ends,
                "{announced} {lived} {died}"
            );
        }
    }
}
