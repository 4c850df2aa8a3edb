//! The user's clock: what time it is, and how it stands to UTC.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;
use shim_core::{notices::Moment, time::Timestamp};

/// A moment as the user's clock shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    pub is_today: bool,
    pub year: i16,
    pub month: i8,
    pub day: i8,
    pub hour: i8,
    pub minute: i8,
}

pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(0).plus(since)
}

/// Now, with the offset that holds now: a time zone may change while SHIM runs.
pub fn moment() -> Moment {
    let now = now();
    Moment { now, offset_seconds: TimeZone::system().to_offset(of(now)).seconds() }
}

pub fn local(at: Timestamp) -> Local {
    local_in(&TimeZone::system(), at, now())
}

fn local_in(zone: &TimeZone, at: Timestamp, now: Timestamp) -> Local {
    let (shown, today) = (zone.to_datetime(of(at)), zone.to_datetime(of(now)).date());
    let (date, time) = (shown.date(), shown.time());
    Local {
        is_today: date == today,
        year: date.year(),
        month: date.month(),
        day: date.day(),
        hour: time.hour(),
        minute: time.minute(),
    }
}

/// What is out of range is shown as 1970.
fn of(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(at.ms()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_by_the_users_clock() {
        let at = |text| Timestamp::parse(text).unwrap();
        let east = TimeZone::fixed(jiff::tz::offset(2));
        let now = at("2026-03-08T22:30:00Z");
        for (moment, is_today, day, hour) in [
            ("2026-03-08T22:05:00Z", true, 9, 0),
            ("2026-03-08T21:05:00Z", false, 8, 23),
            ("2026-03-09T21:05:00Z", true, 9, 23),
        ] {
            let expected = Local { is_today, year: 2026, month: 3, day, hour, minute: 5 };
            assert_eq!(local_in(&east, at(moment), now), expected, "{moment}");
        }
    }
}
