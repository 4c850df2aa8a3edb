//! Debian and Ubuntu packages: says which are missing and installs only those. Elsewhere it does nothing,
//! and with nothing missing apt is not called.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{process, say};

/// What the tray and the window are built with. A C compiler and linker are there: cargo linked this
/// program. The indicator library is loaded at run time.
pub const APP: [&str; 3] = ["libayatana-appindicator3-dev", "libwebkit2gtk-4.1-dev", "pkg-config"];

/// What the checks use besides: sources and chats' repositories, a session bus, terminals without a
/// screen, a driver for the window, and a screen. Of systemd only its checker of units is used.
pub const TESTS: [&str; 7] = ["dbus", "git", "strace", "systemd", "tmux", "webkit2gtk-driver", "xvfb"];

/// Installs those of `wanted` that are missing.
pub fn install(wanted: &[&str]) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let Some(installed) = installed(wanted)? else {
        say(&format!(
            "this is no Debian or Ubuntu, so nothing is installed; needed are what Debian calls {}",
            wanted.join(" ")
        ));
        return Ok(());
    };
    let missing = missing(wanted, &installed);
    if missing.is_empty() {
        return Ok(());
    }
    say(&format!("installing {}", missing.join(" ")));
    apt(&["update"], &missing)?;
    let install = ["install", "--yes", "--no-install-recommends"];
    apt(&[&install, missing.as_slice()].concat(), &missing)
}

/// What dpkg says of the wanted packages, one `name status` a line; `None` where there is no dpkg.
fn installed(wanted: &[&str]) -> Result<Option<String>> {
    // It exits with 1 when one of the names is unknown, and still prints the others.
    let query = Command::new("dpkg-query")
        .args(["-W", "-f", "${Package} ${db:Status-Status}\\n"])
        .args(wanted)
        .output();
    match query {
        Ok(output) => Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("dpkg-query could not be started"),
    }
}

fn missing<'a>(wanted: &[&'a str], installed: &str) -> Vec<&'a str> {
    let there: Vec<_> = installed.lines().filter_map(|line| line.strip_suffix(" installed")).collect();
    wanted.iter().copied().filter(|name| !there.contains(name)).collect()
}

fn apt(args: &[&str], missing: &[&str]) -> Result<()> {
    let by_hand = format!("apt-get install --no-install-recommends {}", missing.join(" "));
    let mut command = if is_root() {
        Command::new("env")
    } else if process::found("sudo") {
        let mut sudo = Command::new("sudo");
        sudo.arg("env");
        sudo
    } else {
        bail!("packages are missing, and there is neither root nor sudo to install them; as root: {by_hand}");
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=120", "--quiet"]);
    process::run(command.args(args)).with_context(|| {
        format!(
            "the message above is apt's; mend that (network, sources, disk), or install by hand: {by_hand}"
        )
    })
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use super::missing;

    #[test]
    fn only_what_dpkg_calls_installed_is_there() {
        let installed = "git installed\nxterm config-files\nxvfb installed\n";
        assert_eq!(missing(&["git", "tmux", "xterm", "xvfb"], installed), ["tmux", "xterm"]);
        assert_eq!(missing(&["git"], installed), [""; 0]);
    }
}
