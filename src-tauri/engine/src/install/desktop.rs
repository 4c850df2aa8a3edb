//! Whether Claude Desktop is wholly closed, by a look at all processes: the app writes its settings from
//! memory, and an entry made while it runs is lost. The command line bears the same name and is no app.

use std::path::Path;

use super::file::NotWritten;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

/// What stands in the path of the app's program, by delivery: MSIX, the older installer, macOS, Linux.
const APP_PATHS: [&str; 6] = [
    "/windowsapps/claude_",
    "/anthropicclaude/",
    "/claude.app/contents/",
    "/usr/lib/claude-desktop/",
    "/usr/bin/claude-desktop",
    "/opt/claude-desktop/",
];

/// The refusal says what to do.
pub fn is_closed() -> Result<(), NotWritten> {
    let unknown = || {
        NotWritten::Refused("whether Claude Desktop runs cannot be told: the system shows no processes; close it and add the entry by hand".to_owned())
    };
    let mut system = System::new().map_err(|_| unknown())?;
    let kind = ProcessRefreshKind::nothing()
        .with_exe(UpdateKind::Always)
        .with_cmd(UpdateKind::Always)
        .with_environ(UpdateKind::Always)
        .without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
    if system.processes().is_empty() {
        return Err(unknown());
    }
    let app = system.processes().values().find(|process| {
        let first = process.cmd().first().map(Path::new);
        process.exe().into_iter().chain(first).any(is_app) && !is_of_another_home(process)
    });
    app.map_or(Ok(()), |app| {
        Err(NotWritten::Refused(format!(
            "Claude Desktop runs (process {}) and would write over it: quit it, in the tray or menu bar too, and try again",
            app.pid()
        )))
    })
}

/// An app with another home keeps its settings there.
fn is_of_another_home(process: &sysinfo::Process) -> bool {
    let home = process.environ().iter().find_map(|variable| variable.to_str()?.strip_prefix("HOME="));
    home.is_some_and(|home| std::env::home_dir().is_some_and(|own| own != Path::new(home)))
}

fn is_app(program: &Path) -> bool {
    let path = program.to_string_lossy().replace('\\', "/").to_ascii_lowercase();
    APP_PATHS.iter().any(|part| path.contains(part)) || path.ends_with("/claude-desktop")
}

#[cfg(test)]
mod tests {
    use super::is_app;

    #[test]
    fn the_app_is_told_from_the_command_line_by_its_path() {
        for (program, app) in [
            (r"C:\Program Files\WindowsApps\Claude_1.2.3_x64__pzs8sxrjxfjjc\app\claude.exe", true),
            (r"C:\Users\u\AppData\Local\AnthropicClaude\app-1.0\claude.exe", true),
            (r"C:\Users\u\.local\bin\claude.exe", false),
            ("/Applications/Claude.app/Contents/MacOS/Claude", true),
            ("/usr/lib/claude-desktop/claude-desktop", true),
            ("/home/u/.local/bin/claude", false),
            ("claude-desktop", false),
        ] {
            assert_eq!(is_app(program.as_ref()), app, "{program}");
        }
    }
}
