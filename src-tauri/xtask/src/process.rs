//! Other programs, run to their end: with their output shown, or read, or both, and within a time limit.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};

/// How often a running program is looked at.
const POLL: Duration = Duration::from_millis(50);

/// How long after a program's end its output may still come.
const OUTPUT_GRACE: Duration = Duration::from_secs(5);

/// Runs a program with its output shown.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("`{}` could not be started", shown(command)))?;
    ensure!(status.success(), "`{}` failed ({status})", shown(command));
    Ok(())
}

/// What a program prints.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("`{}` could not be started", shown(command)))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{}` failed ({}): {}", shown(command), output.status, said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program of this name can be started.
pub fn found(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Runs a program with its output shown, and ends it with all that it started when it takes longer than
/// `limit`. Returns those lines of its standard output that `keep` chooses.
pub fn run_within(command: &mut Command, limit: Duration, keep: fn(&str) -> bool) -> Result<Vec<String>> {
    let (kept, ended) = run_kept(command, limit, keep)?;
    ended.map(|()| kept)
}

/// The same, with the lines of a program that failed too, and how it ended.
pub fn run_kept(
    command: &mut Command,
    limit: Duration,
    keep: fn(&str) -> bool,
) -> Result<(Vec<String>, Result<()>)> {
    let name = shown(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("`{name}` could not be started"))?;
    let stdout = child.stdout.take();
    let echo = thread::spawn(move || {
        let lines =
            stdout.into_iter().flat_map(|pipe| BufReader::new(pipe).split(b'\n')).map_while(|line| line.ok());
        let mut kept = Vec::new();
        for line in lines {
            let line = String::from_utf8_lossy(&line);
            // A closed standard output must not end the checks.
            let _ = writeln!(std::io::stdout(), "{line}");
            if keep(&line) {
                kept.push(line.trim().to_owned());
            }
        }
        kept
    });
    let status = wait(&mut child, limit).with_context(|| format!("`{name}`"))?;
    let end = Instant::now() + OUTPUT_GRACE;
    while !echo.is_finished() && Instant::now() < end {
        thread::sleep(POLL);
    }
    let Some(status) = status else {
        bail!("`{name}` was ended: it took longer than {} minutes", limit.as_secs() / 60)
    };
    ensure!(
        echo.is_finished() || !status.success(),
        "`{name}` left a process behind that holds its output open"
    );
    ensure!(echo.is_finished(), "`{name}` failed ({status})");
    let kept = echo.join().map_err(|_| anyhow!("reading what `{name}` printed failed"))?;
    let ended = if status.success() { Ok(()) } else { Err(anyhow!("`{name}` failed ({status})")) };
    Ok((kept, ended))
}

/// `None` when it had to be ended.
fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let start = Instant::now();
    while start.elapsed() < limit {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(POLL);
    }
    for pid in descendants(child.id()) {
        // One that ended meanwhile is no failure.
        let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status();
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

/// Everything that `pid` started and that still runs, where the system tells.
fn descendants(pid: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, parent(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?)))
        .collect();
    let mut found = vec![pid];
    let mut at = 0;
    while let Some(current) = found.get(at).copied() {
        found.extend(parents.iter().filter(|(_, parent)| *parent == current).map(|(child, _)| *child));
        at += 1;
    }
    found.split_off(1)
}

/// The parent in `/proc/PID/stat`; the name before it may hold blanks and brackets.
fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::{process::Command, time::Duration};

    use super::{parent, run_within};

    #[test]
    fn the_parent_is_read_after_a_name_with_brackets() {
        assert_eq!(parent("42 (a) b) S 7 42 42 0 -1"), Some(7));
        assert_eq!(parent("torn"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn lines_are_kept_and_a_slow_program_is_ended_with_its_children() {
        let sh = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        };
        let kept = run_within(&mut sh("echo one; echo two; echo three"), Duration::from_secs(60), |line| {
            line != "two"
        });
        assert_eq!(kept.unwrap(), ["one", "three"]);

        let error = run_within(&mut sh("exit 3"), Duration::from_secs(60), |_| true).unwrap_err();
        assert!(error.to_string().contains("exit status: 3"), "{error}");

        // A length of its own tells these from any other `sleep` on the machine.
        let mut slow = sh("sleep 600.0419 & sleep 600.0419; true");
        let error = run_within(&mut slow, Duration::from_millis(500), |_| true).unwrap_err();
        assert!(error.to_string().contains("was ended"), "{error}");
        let alive = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let line = std::fs::read_to_string(entry.ok()?.path().join("cmdline")).ok()?;
            line.starts_with("sleep\x00600.0419").then_some(line)
        });
        assert_eq!(alive.collect::<Vec<_>>(), [""; 0]);
    }
}
