//! Whether the tray starts at login: an entry in the place where the system looks for such. It names the
//! data folder it is for. One of somebody else is left alone, and nothing outside the user's home is written.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use shim_api::home::own_folder;

/// What is started at login.
struct Start<'a> {
    program: &'a str,
    home: &'a str,
    /// Whether SHIM would use another data folder by itself.
    names_home: bool,
}

/// Puts the entry there, or takes it away. One that is right already is not written anew.
pub fn apply(on: bool, home: &Path) -> anyhow::Result<()> {
    let program = program()?;
    let start = Start {
        program: text(&program)?,
        home: text(home)?,
        names_home: own_folder().ok().is_none_or(|own| own != home),
    };
    system::apply(on, &start)
}

/// An AppImage runs from where it was unpacked to; what can be started again is the file itself.
fn program() -> anyhow::Result<PathBuf> {
    match std::env::var_os("APPIMAGE").filter(|_| cfg!(target_os = "linux")) {
        Some(file) => Ok(file.into()),
        None => std::env::current_exe().context("where this program lies is not known"),
    }
}

fn text(path: &Path) -> anyhow::Result<&str> {
    match path.to_str() {
        Some(text) if !text.chars().any(char::is_control) => Ok(text),
        _ => bail!("{} cannot stand in an entry for the login; put SHIM elsewhere", path.display()),
    }
}

#[cfg(unix)]
mod system {
    use std::{fs, io::Write, path::Path};

    use anyhow::Context;

    use super::{Start, entry};

    /// What stands in every entry that SHIM wrote.
    pub const MARK: &str = "Written by SHIM's setting desktop.autostart";

    pub fn apply(on: bool, start: &Start<'_>) -> anyhow::Result<()> {
        let path = match entry::path() {
            // Where none can stand, none does.
            Err(_) if !on => return Ok(()),
            path => path?,
        };
        apply_at(on, start, &path).with_context(|| path.display().to_string())
    }

    pub fn apply_at(on: bool, start: &Start<'_>, path: &Path) -> anyhow::Result<()> {
        let wanted = entry::text(start);
        let there = match fs::read_to_string(path) {
            Ok(text) => Some(text),
            // What is no text is not SHIM's.
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData && !on => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        match there {
            Some(there) if on && there == wanted => Ok(()),
            Some(there) if on && !there.contains(MARK) => {
                anyhow::bail!("this entry is not SHIM's own; take it away, then turn the setting off and on")
            }
            Some(there) if !on && there.contains(MARK) && there.contains(&entry::folder_line(start)) => {
                Ok(fs::remove_file(path)?)
            }
            Some(_) | None if !on => Ok(()),
            Some(_) | None => write(path, &wanted),
        }
    }

    fn write(path: &Path, text: &str) -> anyhow::Result<()> {
        let folder = path.parent().context("no folder for it is known")?;
        fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
mod entry {
    use std::path::{Path, PathBuf};

    use anyhow::{Context, ensure};

    use super::{Start, system::MARK};

    const FILE: &str = "autostart/shim-desktop.desktop";

    pub fn path() -> anyhow::Result<PathBuf> {
        let home = std::env::var_os("HOME").context("no home folder is known: set HOME")?;
        let named = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        below(Path::new(&home), named)
    }

    pub fn below(home: &Path, named: Option<PathBuf>) -> anyhow::Result<PathBuf> {
        let config = named.unwrap_or_else(|| home.join(".config"));
        let inside = config.starts_with(home) && !config.components().any(|part| part.as_os_str() == "..");
        ensure!(
            inside,
            "XDG_CONFIG_HOME, {}, lies outside your home folder, and SHIM writes nothing there; add SHIM to \
             your desktop's own list of what starts at login",
            config.display()
        );
        Ok(config.join(FILE))
    }

    pub fn text(start: &Start<'_>) -> String {
        let home = if start.names_home { format!(" --home {}", quoted(start.home)) } else { String::new() };
        format!(
            "# {MARK}; turned off, this goes.\n[Desktop Entry]\nType=Application\nName=SHIM\n\
             Comment=Keeps AI chats alive\nExec={}{home}\nIcon=shim-desktop\nTerminal=false\n\
             X-GNOME-Autostart-enabled=true\n{}",
            quoted(start.program),
            folder_line(start)
        )
    }

    pub fn folder_line(start: &Start<'_>) -> String {
        format!("X-SHIM-Home={}\n", start.home.replace('\\', r"\\"))
    }

    /// As the Desktop Entry Specification has it: quoted for the command line, then escaped for the file.
    pub fn quoted(argument: &str) -> String {
        let mut out = String::from("\"");
        for letter in argument.chars() {
            match letter {
                '\\' => out.push_str(r"\\\\"),
                '"' | '`' | '$' => out.extend(["\\\\", letter.encode_utf8(&mut [0; 4])]),
                '%' => out.push_str("%%"),
                _ => out.push(letter),
            }
        }
        out + "\""
    }
}

#[cfg(target_os = "macos")]
mod entry {
    use std::path::{Path, PathBuf};

    use anyhow::Context;

    use super::{Start, system::MARK};

    const FILE: &str = "Library/LaunchAgents/dev.shim.desktop.plist";

    pub fn path() -> anyhow::Result<PathBuf> {
        let home = std::env::var_os("HOME").context("no home folder is known: set HOME")?;
        Ok(Path::new(&home).join(FILE))
    }

    pub fn text(start: &Start<'_>) -> String {
        let mut arguments = vec![start.program];
        if start.names_home {
            arguments.extend(["--home", start.home]);
        }
        let arguments: String =
            arguments.iter().map(|word| format!("<string>{}</string>", escaped(word))).collect();
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- {MARK}; turned off, this goes. -->\n\
             <plist version=\"1.0\"><dict>\n<key>Label</key><string>dev.shim.desktop</string>\n\
             <key>ProgramArguments</key><array>{arguments}</array>\n<key>RunAtLoad</key><true/>\n\
             <key>ProcessType</key><string>Interactive</string>\n{}</dict></plist>\n",
            folder_line(start)
        )
    }

    pub fn folder_line(start: &Start<'_>) -> String {
        format!("<key>ShimHome</key><string>{}</string>\n", escaped(start.home))
    }

    fn escaped(text: &str) -> String {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    }
}

/// The user's own list in the registry, through the program that comes with Windows.
#[cfg(windows)]
mod system {
    use std::{os::windows::process::CommandExt, process::Command};

    use anyhow::{Context, ensure};

    use super::Start;

    const LIST: &str = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Run";
    const NAME: &str = "SHIM";
    const CREATE_NO_WINDOW: u32 = 0x0800_0000;

    pub fn apply(on: bool, start: &Start<'_>) -> anyhow::Result<()> {
        let home = if start.names_home { format!(" --home \"{}\"", start.home) } else { String::new() };
        let wanted = format!("\"{}\"{home}", start.program);
        let there = reg(&["query", LIST, "/v", NAME])?;
        let ours = there.as_ref().is_some_and(|said| said.trim_end().ends_with(&wanted));
        let done = match (on, ours) {
            (true, true) | (false, false) => return Ok(()),
            (true, false) => {
                reg(&["add", LIST, "/v", NAME, "/t", "REG_SZ", "/d", &wanted.replace('"', "\\\""), "/f"])?
            }
            (false, true) => reg(&["delete", LIST, "/v", NAME, "/f"])?,
        };
        ensure!(done.is_some(), "Windows refused the change of {LIST}");
        Ok(())
    }

    /// What it printed; `None` when it failed, as where the value is not there.
    fn reg(words: &[&str]) -> anyhow::Result<Option<String>> {
        let mut command = Command::new("reg.exe");
        for word in words {
            command.raw_arg(format!("\"{word}\""));
        }
        let output = command.creation_flags(CREATE_NO_WINDOW).output().context("reg.exe did not start")?;
        Ok(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;

    use super::*;

    const OWN: Start<'_> = Start { program: "/usr/bin/shim-desktop", home: "/srv/shim", names_home: false };

    #[test]
    fn the_entry_starts_the_tray_on_its_data_folder() {
        assert_eq!(
            entry::text(&OWN),
            "# Written by SHIM's setting desktop.autostart; turned off, this goes.\n\
             [Desktop Entry]\n\
             Type=Application\n\
             Name=SHIM\n\
             Comment=Keeps AI chats alive\n\
             Exec=\"/usr/bin/shim-desktop\"\n\
             Icon=shim-desktop\n\
             Terminal=false\n\
             X-GNOME-Autostart-enabled=true\n\
             X-SHIM-Home=/srv/shim\n"
        );
        let other = Start { home: "/srv/a b/50% $x", names_home: true, ..OWN };
        let exec = entry::text(&other).lines().find(|line| line.starts_with("Exec=")).map(str::to_owned);
        assert_eq!(exec.as_deref(), Some(r#"Exec="/usr/bin/shim-desktop" --home "/srv/a b/50%% \\$x""#));
        assert_eq!(entry::quoted(r"a\b"), r#""a\\\\b""#);
    }

    #[test]
    fn it_comes_and_goes_and_only_its_own_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("autostart/shim-desktop.desktop");
        let other = Start { home: "/srv/other", names_home: true, ..OWN };
        system::apply_at(false, &OWN, &path).unwrap();
        assert!(!path.parent().unwrap().exists(), "nothing is made where nothing is wanted");

        system::apply_at(true, &OWN, &path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), entry::text(&OWN));
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        system::apply_at(true, &OWN, &path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), written, "right already");
        system::apply_at(false, &other, &path).unwrap();
        assert!(path.exists(), "it is for another data folder");
        system::apply_at(false, &OWN, &path).unwrap();
        assert!(!path.exists());

        fs::write(&path, "[Desktop Entry]\nExec=mine\n").unwrap();
        let refused = system::apply_at(true, &OWN, &path).unwrap_err().to_string();
        assert!(refused.contains("not SHIM's own"), "{refused}");
        system::apply_at(false, &OWN, &path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "[Desktop Entry]\nExec=mine\n");
    }

    #[test]
    fn nothing_outside_the_home_is_written() {
        let home = Path::new("/home/ada");
        for (named, path) in [
            (None, Some("/home/ada/.config/autostart/shim-desktop.desktop")),
            (Some("/home/ada/cfg"), Some("/home/ada/cfg/autostart/shim-desktop.desktop")),
            (Some("/etc/xdg"), None),
            (Some("/home/ada/../eve"), None),
        ] {
            let found = entry::below(home, named.map(PathBuf::from)).ok();
            assert_eq!(found.as_deref(), path.map(Path::new), "{named:?}");
        }
    }
}
