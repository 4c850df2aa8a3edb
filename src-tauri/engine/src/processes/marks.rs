//! Start marks as clients and systems write them: which moment a mark means, and whether two mean the same
//! start. Linux compares clock ticks and needs none of this.

/// Hundreds of nanoseconds in a second: what Windows counts in.
pub const TICKS_PER_SECOND: i64 = 10_000_000;
/// Seconds from 1601, where Windows begins to count, to 1970.
pub const WINDOWS_TO_UNIX_SECONDS: i64 = 11_644_473_600;
/// Seconds from the year 1, where .NET begins to count, to 1970.
const DOTNET_TO_UNIX_SECONDS: i64 = 62_135_596_800;
/// How far marks of one start may lie apart where one is cut to the second: systems round differently.
const SLACK_SECONDS: i64 = 2;

/// Whether a start mark from a client's registry means the same start as ours. A form that cannot be
/// compared is taken as the same, since a false death is worse than a missed one.
pub fn is_same_start(ours: &str, theirs: &str) -> bool {
    if ours == theirs {
        return true;
    }
    if let (Some(ours), Some(theirs)) = (exact_ticks(ours), exact_ticks(theirs)) {
        return ours == theirs;
    }
    match (seconds(ours), seconds(theirs)) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() <= SLACK_SECONDS,
        _ => true,
    }
}

/// The moment in seconds since 1970. Numbers are told by their size: seconds, milliseconds, ticks of
/// Windows, ticks of .NET. macOS clients write what `ps -o lstart=` prints in UTC.
fn seconds(mark: &str) -> Option<i64> {
    let mark = mark.trim();
    if let Ok(number) = mark.parse::<i64>() {
        return match number {
            0..100_000_000_000 => Some(number),
            100_000_000_000..100_000_000_000_000 => Some(number / 1000),
            100_000_000_000_000_000..300_000_000_000_000_000 => {
                Some(number / TICKS_PER_SECOND - WINDOWS_TO_UNIX_SECONDS)
            }
            600_000_000_000_000_000..900_000_000_000_000_000 => {
                Some(number / TICKS_PER_SECOND - DOTNET_TO_UNIX_SECONDS)
            }
            _ => None,
        };
    }
    if let Ok(at) = mark.parse::<jiff::Timestamp>() {
        return Some(at.as_second());
    }
    let read = jiff::civil::DateTime::strptime("%a %b %e %H:%M:%S %Y", mark).ok()?;
    Some(read.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}

/// Ticks of Windows that were not cut to the second.
fn exact_ticks(mark: &str) -> Option<i64> {
    let ticks: i64 = mark.parse().ok()?;
    let in_range = (100_000_000_000_000_000..300_000_000_000_000_000).contains(&ticks);
    (in_range && ticks % TICKS_PER_SECOND != 0).then_some(ticks)
}

#[cfg(test)]
mod tests {
    use super::is_same_start;

    #[test]
    fn one_start_is_known_in_every_form_it_is_written_in() {
        // 2026-11-21T13:00:00.1234567Z
        let ticks = "134397396001234567";
        for (ours, theirs, same) in [
            (ticks, ticks, true),
            (ticks, "134397396001234568", false),
            (ticks, "134397396010000000", true),
            (ticks, "134397396040000000", false),
            (ticks, "1795266000", true),
            (ticks, "1795266000123", true),
            (ticks, "639308628001234567", true),
            (ticks, "639308658001234567", false),
            (ticks, "2026-11-21T13:00:00.123Z", true),
            (ticks, "2026-11-21T14:00:00.123Z", false),
            ("1795266000", "Sat Nov 21 13:00:01 2026", true),
            ("1795266000", "Sat Nov 21 13:00:05 2026", false),
            ("1795266000", "1795266000", true),
            ("1795266000", "some time ago", true),
        ] {
            assert_eq!(is_same_start(ours, theirs), same, "{ours} and {theirs}");
        }
    }
}
