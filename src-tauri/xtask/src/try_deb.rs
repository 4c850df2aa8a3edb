//! `cargo xtask try-deb`: installs a package in a clean Debian of its own, runs both programs there as a
//! user, removes the package, and looks whether nothing of it stayed and nothing of the user's went. Nothing
//! of this machine's is changed but for `debootstrap`, which is installed where it is missing.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use crate::{packages, process, repository, say};

/// The oldest Debian that has what a package needs.
const SUITE: &str = "bookworm";
const MIRROR: &str = "http://deb.debian.org/debian";
const PACKAGE: &str = "shim-desktop";
/// A step takes minutes at most, of which downloads are the most.
const STEP_WAIT: Duration = Duration::from_secs(20 * 60);
/// Where the programs of a package, and what a desktop shows of it, must lie.
const WANTED: [&str; 6] = [
    "/usr/bin/shim",
    "/usr/bin/shim-desktop",
    "/usr/share/applications/shim-desktop.desktop",
    "/usr/share/doc/shim-desktop/copyright",
    "/usr/share/icons/hicolor/16x16/apps/shim-desktop.png",
    "/usr/share/icons/hicolor/512x512/apps/shim-desktop.png",
];

/// Run as a user whose home is clean. The window opens at once, as nothing here shows tray icons.
const AS_A_USER: &str = r#"
set -eu
shim --version
shim status
Xvfb :7 -screen 0 1280x800x24 -nolisten tcp >"$HOME/xvfb.log" 2>&1 &
export DISPLAY=:7 GDK_BACKEND=x11 NO_AT_BRIDGE=1
sleep 1
shim-desktop >"$HOME/desktop.log" 2>&1 &
desktop=$!
for _ in $(seq 120); do
    if [ -f "$HOME/.local/share/shim/engine.json" ] && pgrep -f WebKitWebProcess >/dev/null &&
        shim status --json >"$HOME/status.json" && grep -q '"embedded": *false' "$HOME/status.json"; then
        echo "the tray's engine answers, and a window is open"
        kill "$desktop"
        wait "$desktop"
        echo "the tray ended in order"
        exit 0
    fi
    kill -0 "$desktop" || break
    sleep 0.5
done
echo "the tray did not come up:" >&2
cat "$HOME/desktop.log" "$HOME/.local/share/shim/engine.stderr.log" >&2
exit 1
"#;

pub fn run(package: &str) -> Result<ExitCode> {
    ensure!(cfg!(target_os = "linux"), "a package of Debian's is tried on Linux");
    packages::install(&["debootstrap"])?;
    let package = Path::new(package).canonicalize().with_context(|| format!("there is no {package}"))?;
    let root = Root::new()?;
    root.install(&package)?;
    let files = root.listed()?;
    for wanted in WANTED {
        ensure!(files.iter().any(|file| file == wanted), "the package has no {wanted}");
    }
    for program in &WANTED[..2] {
        let missing = root.inside(&format!("! ldd {program} | grep 'not found'"));
        missing.with_context(|| format!("{program} lacks a library that the package does not depend on"))?;
    }
    root.use_it()?;
    root.remove(&files)?;
    println!("{} was installed, run and removed; nothing of it stayed", package.display());
    Ok(ExitCode::SUCCESS)
}

/// A folder that is the root of a clean Debian; it goes with this.
struct Root(PathBuf);

impl Root {
    fn new() -> Result<Self> {
        let folder = repository::root()?.join("target/try-deb");
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("{} is in the way", folder.display()))?;
        }
        fs::create_dir_all(&folder)?;
        let root = Self(folder);
        say(&format!("making a clean Debian {SUITE} in {}", root.0.display()));
        let mut make = Command::new("debootstrap");
        make.args(["--variant=minbase", SUITE]).arg(&root.0).arg(MIRROR);
        process::run_within(&mut make, STEP_WAIT, |_| false)
            .context("it needs root, and Debian's mirror within reach")?;
        Ok(root)
    }

    /// Runs a script there as root, with processes and mounts of its own that end with it.
    fn inside(&self, script: &str) -> Result<()> {
        self.kept(script, |_| false).map(drop)
    }

    fn kept(&self, script: &str, keep: fn(&str) -> bool) -> Result<Vec<String>> {
        const ENTER: &str = r#"
            mount -t proc proc "$1/proc" && mount -t tmpfs tmpfs "$1/dev/shm" &&
            mount -t devpts devpts "$1/dev/pts" &&
            exec chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
                DEBIAN_FRONTEND=noninteractive sh -euc "$2""#;
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--ipc", "--fork", "--kill-child", "sh", "-euc", ENTER, "sh"]);
        process::run_within(command.arg(&self.0).arg(script), STEP_WAIT, keep)
    }

    fn install(&self, package: &Path) -> Result<()> {
        say("installing the package with what it depends on, and nothing else");
        fs::copy(package, self.0.join("tmp/package.deb")).context("the package cannot be copied")?;
        self.inside("apt-get -qq update; apt-get -qq install --no-install-recommends /tmp/package.deb")?;
        say("installing a screen and a session bus to run it on");
        self.inside(
            "apt-get -qq install --no-install-recommends xvfb xauth dbus dbus-x11 procps fonts-dejavu-core; \
             useradd --create-home --shell /bin/sh ada",
        )
    }

    /// The files that the package put there, as dpkg knows them.
    fn listed(&self) -> Result<Vec<String>> {
        let script = format!("dpkg -L {PACKAGE} | while read -r f; do [ -d \"$f\" ] || echo \"$f\"; done");
        let files = self.kept(&script, |line| line.starts_with('/'))?;
        ensure!(!files.is_empty(), "dpkg lists no file of {PACKAGE}; is the package named otherwise?");
        Ok(files)
    }

    fn use_it(&self) -> Result<()> {
        say("running both programs as a user");
        fs::write(self.0.join("home/ada/try.sh"), AS_A_USER)?;
        self.inside("cd /home/ada; exec su ada -c 'exec dbus-run-session -- sh /home/ada/try.sh'")
    }

    fn remove(&self, files: &[String]) -> Result<()> {
        say("removing the package");
        self.inside(&format!("apt-get -qq purge {PACKAGE}"))?;
        let left: Vec<_> = files.iter().filter(|file| self.there(file).exists()).collect();
        ensure!(left.is_empty(), "the package left {left:?}");
        for folder in ["/usr/lib/shim-desktop", "/usr/share/doc/shim-desktop"] {
            ensure!(!self.there(folder).exists(), "the package left the folder {folder}");
        }
        let kept = "/home/ada/.local/share/shim/shim.db";
        ensure!(self.there(kept).exists(), "removing the package took {kept} away, which is the user's");
        Ok(())
    }

    fn there(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            say(&format!("{} stayed: {error}", self.0.display()));
        }
    }
}
