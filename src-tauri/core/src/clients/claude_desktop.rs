//! Claude Desktop's own formats: its processes by image path, the lines of its log, the entries of its index
//! of sessions. From public reports, not measured: whatever looks otherwise is passed over.

use serde::Deserialize;

use super::{TEXT_CHARS_MAX, shorten};

/// The one thing of this client that SHIM restores: the app. Its chats lie on a server.
pub const APP: &str = "app";

/// What a process of the app does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Holds the others and the tray.
    Main,
    /// Shows a window.
    Renderer,
    Gpu,
    Other,
}

/// Tells the app's processes from the command line client, which bears the same name: by the path of the
/// image, as installers place it. `None` is no process of the app.
pub fn role_of(image: &str, arguments: &[String]) -> Option<Role> {
    let image = image.replace('\\', "/");
    if !is_of_the_app(&image) {
        return None;
    }
    let kind = arguments.iter().find_map(|argument| argument.strip_prefix("--type="));
    Some(match kind {
        Some("renderer") => Role::Renderer,
        Some("gpu-process") => Role::Gpu,
        Some(_) => Role::Other,
        None if image.contains("Helper (Renderer)") => Role::Renderer,
        None if image.contains("Helper (GPU)") => Role::Gpu,
        None if image.contains("Claude Helper") => Role::Other,
        None => Role::Main,
    })
}

fn is_of_the_app(image: &str) -> bool {
    let (folder, file) = image.rsplit_once('/').unwrap_or(("", image));
    let lower = image.to_ascii_lowercase();
    let windows = file.eq_ignore_ascii_case("claude.exe")
        && (lower.contains("/windowsapps/claude_") || lower.contains("/anthropicclaude/"));
    let mac = image.contains("/Claude.app/Contents/");
    let linux = folder.ends_with("/claude-desktop") && (file == "claude-desktop" || file == "electron");
    windows || mac || linux
}

/// What a line of `main.log` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogWord {
    /// An update waits until the app is idle.
    UpdateDeferred,
    /// An update will be installed at the next restart, which the app may do by itself.
    UpdateReady,
    GpuGone,
    RendererGone,
}

/// The log is optional and its wording changes: words are looked for, in any case.
pub fn read_log_line(line: &str) -> Option<LogWord> {
    let line = line.to_ascii_lowercase();
    let has = |words: &str| line.contains(words);
    if has("ready to install") || (has("update") && has("quit and install")) {
        Some(LogWord::UpdateReady)
    } else if has("update") && has("defer") {
        Some(LogWord::UpdateDeferred)
    } else if has("gpu process gone") {
        Some(LogWord::GpuGone)
    } else if has("render process gone") || has("renderer process gone") {
        Some(LogWord::RendererGone)
    } else {
        None
    }
}

/// An entry of the app's index: a session of its Code tab or of Cowork, which is a Claude Code chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The app's own id, `local_…`.
    pub session_id: String,
    /// Claude Code's id of the chat.
    pub cli_session_id: String,
    pub title: Option<String>,
    pub archived: bool,
}

/// Reads an entry; `None` when it is none, or not yet linked to a chat.
pub fn read_index_entry(bytes: &[u8]) -> Option<IndexEntry> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct File {
        session_id: String,
        cli_session_id: String,
        #[serde(default)]
        title: Option<String>,
        #[serde(default)]
        is_archived: Option<bool>,
    }
    let file: File = serde_json::from_slice(bytes).ok()?;
    let title = file.title.map(|title| shorten(title.trim(), TEXT_CHARS_MAX));
    (!file.cli_session_id.is_empty()).then(|| IndexEntry {
        session_id: file.session_id,
        cli_session_id: file.cli_session_id,
        title: title.filter(|title| !title.is_empty()),
        archived: file.is_archived.unwrap_or(false),
    })
}

/// The link that shows a chat of claude.ai in the app; `None` when `id` is no id of such a chat.
pub fn chat_link(id: &str) -> Option<String> {
    let is_id = id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    is_id.then(|| format!("claude://claude.ai/chat/{id}"))
}

#[cfg(test)]
mod tests {
    use super::{IndexEntry, LogWord, Role, chat_link, read_index_entry, read_log_line, role_of};

    #[test]
    fn the_app_is_told_from_the_command_line_by_its_place() {
        let app = r"C:\Program Files\WindowsApps\Claude_1.2.3.0_x64__pzs8sxrjxfjjc\app\claude.exe";
        let old = r"C:\Users\Ada\AppData\Local\AnthropicClaude\app-0.9.1\claude.exe";
        for (image, arguments, expected) in [
            (app, &[][..], Some(Role::Main)),
            (app, &["--type=renderer", "--user-data-dir=x"], Some(Role::Renderer)),
            (app, &["--type=gpu-process"], Some(Role::Gpu)),
            (app, &["--type=utility"], Some(Role::Other)),
            (old, &[], Some(Role::Main)),
            (r"C:\Users\Ada\.local\bin\claude.exe", &[], None),
            (
                r"C:\Users\Ada\AppData\Roaming\Claude\claude-code\2.1.329\claude.exe",
                &["--type=renderer"],
                None,
            ),
            ("/Applications/Claude.app/Contents/MacOS/Claude", &[], Some(Role::Main)),
            (
                "/Applications/Claude.app/Contents/Frameworks/Claude Helper (Renderer).app/Contents/MacOS/Claude Helper (Renderer)",
                &[],
                Some(Role::Renderer),
            ),
            ("/Users/ada/Library/Application Support/Claude/claude-code/2.1.329/claude", &[], None),
            ("/usr/lib/claude-desktop/claude-desktop", &[], Some(Role::Main)),
            ("/usr/lib/claude-desktop/claude-desktop", &["--type=zygote"], Some(Role::Other)),
            ("/home/ada/.local/bin/claude", &[], None),
            ("/home/ada/claude-desktop/notes", &[], None),
        ] {
            let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
            assert_eq!(role_of(image, &arguments), expected, "{image} {arguments:?}");
        }
    }

    #[test]
    fn the_log_is_read_by_its_words() {
        for (line, expected) in [
            (
                "2026-11-20 03:12:09 [info] Update 1.44.2 downloaded and ready to install",
                Some(LogWord::UpdateReady),
            ),
            (
                "2026-11-20 [info] [updater] Deferring update: 9 sessions active",
                Some(LogWord::UpdateDeferred),
            ),
            ("2026-11-20 [info] [updater] update deferred: 9 sessions active", Some(LogWord::UpdateDeferred)),
            (
                "[error] GPU process gone: { type: 'GPU', reason: 'crashed', exitCode: 101457950 }",
                Some(LogWord::GpuGone),
            ),
            ("[error] Render process gone: { reason: 'oom' }", Some(LogWord::RendererGone)),
            ("[info] Starting app", None),
            ("", None),
        ] {
            assert_eq!(read_log_line(line), expected, "{line}");
        }
    }

    #[test]
    fn an_index_entry_is_read_leniently() {
        let entry = br#"{"sessionId":"local_1","cliSessionId":"c","cwd":"/p","title":" Fix it ","isArchived":true,"new":{"x":1}}"#;
        let expected = IndexEntry {
            session_id: "local_1".to_owned(),
            cli_session_id: "c".to_owned(),
            title: Some("Fix it".to_owned()),
            archived: true,
        };
        assert_eq!(read_index_entry(entry), Some(expected));
        for none in ["", "{}", "[]", r#"{"sessionId":"local_1"}"#, r#"{"sessionId":"a","cliSessionId":""}"#] {
            assert_eq!(read_index_entry(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn only_an_id_becomes_a_link() {
        let id = "0f1e2d3c-0000-4000-8000-000000000001";
        assert_eq!(chat_link(id), Some(format!("claude://claude.ai/chat/{id}")));
        for none in ["", "app", "0f1e2d3c-0000-4000-8000-00000000000/", "../../settings"] {
            assert_eq!(chat_link(none), None, "{none}");
        }
    }
}
