//! What Linux's kernel says in its log of processes that it killed for lack of memory. Many systems let only root read
//! it.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    time::Duration,
};

use rustix::{
    fs::{Mode, OFlags, open},
    time::{ClockId, clock_gettime},
};

/// The log is read one record at a time; the kernel gives none that is longer, in bytes.
const RECORD_BYTES_MAX: usize = 8192;
/// Records looked at: more than the log of any kernel holds by default.
const RECORDS_MAX: usize = 65_536;
/// The log's clock and the system's may differ by this.
const CLOCKS_DIFFER: Duration = Duration::from_secs(1);

/// Whether this process was killed for lack of memory within that time until now; `None` where the log may not be read.
pub fn is_named_as_ended(pid: u32, within: Duration) -> Option<bool> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut log = File::from(open("/dev/kmsg", flags, Mode::empty()).ok()?);
    let awake = clock_gettime(ClockId::Monotonic);
    let now = Duration::from_secs(u64::try_from(awake.tv_sec).ok()?);
    let since = now.saturating_sub(within + CLOCKS_DIFFER);
    let mut record = [0; RECORD_BYTES_MAX];
    for _ in 0..RECORDS_MAX {
        match log.read(&mut record) {
            Ok(0) => break,
            Ok(read) => {
                let text = String::from_utf8_lossy(record.get(..read).unwrap_or_default()).into_owned();
                if killed(&text).is_some_and(|(killed, at)| killed == pid && at >= since) {
                    return Some(true);
                }
            }
            // A record that was dropped while it was to be read: the next is.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::PIPE.raw_os_error()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(_) => return None,
        }
    }
    Some(false)
}

/// The process that a record names, and when, since the machine was started:
/// `3,667,26652214345,-;Memory cgroup out of memory: Killed process 12139 (claude) …`.
fn killed(record: &str) -> Option<(u32, Duration)> {
    let (head, text) = record.split_once(';')?;
    let at = Duration::from_micros(head.split(',').nth(2)?.parse().ok()?);
    let (reason, rest) = text.split_once("Killed process ")?;
    let is_memory = reason.to_ascii_lowercase().contains("out of memory");
    let pid = rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
    is_memory.then_some((pid, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_names_whom_the_kernel_killed_for_memory() {
        let at = Duration::from_micros(26_652_214_345);
        for (record, expected) in [
            (
                "3,667,26652214345,-;Memory cgroup out of memory: Killed process 12139 (claude) total-vm:5713516kB, UID:0\n",
                Some((12139, at)),
            ),
            ("3,667,26652214345,-;Out of memory: Killed process 7 (node) total-vm:1kB\n", Some((7, at))),
            ("6,668,26652214345,-;oom_reaper: reaped process 12139 (claude), now anon-rss:0kB\n", None),
            ("4,1,26652214345,-;somebody: Killed process 12139 by hand\n", None),
            ("3,667,-;Out of memory: Killed process 7 (node)\n", None),
            (" SUBSYSTEM=memory\n", None),
            ("", None),
        ] {
            assert_eq!(killed(record), expected, "{record:?}");
        }
    }

    #[test]
    fn a_process_that_lives_is_not_named() {
        let named = is_named_as_ended(std::process::id(), Duration::from_secs(60));
        assert_ne!(named, Some(true));
    }
}
