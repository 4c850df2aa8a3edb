//! The messages of clients' hooks: left as small files by a hook that waits for nobody, taken up by the
//! engine. Whatever such a file holds, it is read in bounds and taken away.

mod above;

use std::{
    collections::HashMap,
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use shim_core::{
    chats::{ChatId, Client, ProcessKey},
    checkpoints::Trigger,
    crashes::Leave,
    hooks::{self, Meaning, NOTE_BYTES_MAX, Note},
    time::Timestamp,
};

use crate::{
    clients::port,
    paths::{make_private_folder, open_regular, write_whole},
    run::{Watch, now},
};

pub use above::above;

/// Messages that wait, below the data folder.
pub const NOTES_FOLDER: &str = "hooks";
/// What chats are to be told when they are taken up again, below the data folder: `<client>-<id>.txt`.
pub const CONTEXTS_FOLDER: &str = "contexts";
/// Messages that wait for an engine. The oldest go first: what a chat did last matters most.
const NOTES_MAX: usize = 1000;
/// The largest context handed to a chat, in bytes; Codex cuts what is longer than 10,000 characters.
const CONTEXT_BYTES_MAX: u64 = 64 * 1024;
/// Chats of which the engine remembers what their hooks told.
const HEARD_MAX: usize = 2000;
/// A message that is not whole after this time, in milliseconds, was left by a hook that came to no end.
const WRITING_MS_MAX: i64 = 10_000;

/// Leaves a message for the engine that runs, or for the next one.
pub fn leave(home: &Path, note: &Note) -> std::io::Result<()> {
    let folder = home.join(NOTES_FOLDER);
    let name = format!("{:015}-{:010}", note.at.ms().max(0), std::process::id());
    let beside = folder.join(format!("{name}.new"));
    let written = write_new(&beside, &serde_json::to_vec(note)?);
    if written.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        make_private_folder(&folder)?;
        write_new(&beside, &serde_json::to_vec(note)?)?;
    } else {
        written?;
    }
    let renamed = fs::rename(&beside, folder.join(format!("{name}.json")));
    drop_oldest(&folder);
    renamed
}

fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)?.write_all(bytes)
}

fn drop_oldest(folder: &Path) {
    let mut names = names(folder);
    if names.len() > NOTES_MAX {
        names.sort();
        for name in names.iter().take(names.len() - NOTES_MAX) {
            let _ = fs::remove_file(folder.join(name));
        }
    }
}

fn names(folder: &Path) -> Vec<std::ffi::OsString> {
    fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.file_name()).collect()
}

/// What this chat is to be told now that it is taken up; handed out once.
pub fn take_context(home: &Path, client: Client, session_id: &str) -> Option<String> {
    let file = home.join(CONTEXTS_FOLDER).join(hooks::context_file(client, session_id)?);
    let mine = file.with_extension(format!("{}.taken", std::process::id()));
    fs::rename(&file, &mine).ok()?;
    let text = read_in_bounds(&mine, CONTEXT_BYTES_MAX);
    let _ = fs::remove_file(&mine);
    String::from_utf8(text?).ok().filter(|text| !text.trim().is_empty())
}

/// Leaves what this chat is to be told when it is taken up. A chat whose id is no file name has none.
pub fn leave_context(home: &Path, chat: &ChatId, text: &str) -> std::io::Result<()> {
    let Some(name) = hooks::context_file(chat.client(), chat.session_id()) else { return Ok(()) };
    let folder = home.join(CONTEXTS_FOLDER);
    make_private_folder(&folder)?;
    write_whole(&folder.join(name), text.as_bytes())
}

/// Takes back what was left: the chat is told otherwise, or has gone on.
pub fn drop_context(home: &Path, chat: &ChatId) {
    if let Some(name) = hooks::context_file(chat.client(), chat.session_id()) {
        let _ = fs::remove_file(home.join(CONTEXTS_FOLDER).join(name));
    }
}

fn read_in_bounds(path: &Path, bytes_max: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(path).ok()?.take(bytes_max + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= bytes_max).then_some(bytes)
}

/// Takes up all messages that wait, oldest first.
fn take_notes(home: &Path) -> Vec<Note> {
    let folder = home.join(NOTES_FOLDER);
    let mut names = names(&folder);
    names.sort();
    let mut notes = Vec::new();
    for path in names.into_iter().map(|name| folder.join(name)).take(NOTES_MAX) {
        if path.extension().is_some_and(|extension| extension == "new") && !is_left_over(&path) {
            continue;
        }
        notes.extend(read_in_bounds(&path, NOTE_BYTES_MAX as u64).and_then(|bytes| Note::read(&bytes)));
        if let Err(error) = fs::remove_file(&path) {
            // A folder in its place would come again with each sweep.
            tracing::debug!("{} could not be taken away: {error}", path.display());
        }
    }
    notes
}

/// A message whose writer did not come to its end.
fn is_left_over(path: &Path) -> bool {
    now().ms() - crate::paths::modified(path).ms() > WRITING_MS_MAX
}

/// What the hooks of one chat told last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    pub at: Timestamp,
    /// The process that took the chat up last.
    pub process: Option<ProcessKey>,
    pub cwd: Option<String>,
    pub transcript: Option<PathBuf>,
    pub standing: Standing,
    /// What the transcript held at the last checkpoint before a compaction, in bytes.
    compacted_at: Option<u64>,
}

/// Where a chat stands, by its hooks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    #[default]
    Unknown,
    /// Taken up, or its last turn has ended.
    AtRest {
        since: Timestamp,
    },
    Working {
        since: Timestamp,
    },
    Waiting {
        since: Timestamp,
    },
    /// The client took its leave, in these words.
    Ended {
        at: Timestamp,
        reason: Option<String>,
    },
}

/// What hooks told, by chat.
#[derive(Default)]
pub struct HeardChats(HashMap<ChatId, Heard>);

impl HeardChats {
    pub fn get(&self, chat: &ChatId) -> Option<&Heard> {
        self.0.get(chat)
    }

    /// Takes a note in; gives what is known of its chat by then.
    fn take_in(&mut self, chat: &ChatId, note: &Note, meaning: Meaning) -> &mut Heard {
        if self.0.len() >= HEARD_MAX
            && !self.0.contains_key(chat)
            && let Some(oldest) = self.0.iter().min_by_key(|(_, heard)| heard.at).map(|(id, _)| id.clone())
        {
            self.0.remove(&oldest);
        }
        let heard = self.0.entry(chat.clone()).or_default();
        let since = note.at;
        heard.at = since;
        heard.process = note.process.clone().or(heard.process.take());
        heard.cwd = note.cwd.clone().or(heard.cwd.take());
        heard.transcript = note.transcript_path.as_ref().map(PathBuf::from).or(heard.transcript.take());
        heard.standing = match meaning {
            Meaning::Began | Meaning::Answered | Meaning::Failed => Standing::AtRest { since },
            Meaning::Asked => Standing::Working { since },
            Meaning::Waits => Standing::Waiting { since },
            Meaning::Ended => Standing::Ended { at: since, reason: note.detail.clone() },
            Meaning::Compacts | Meaning::Calls => std::mem::take(&mut heard.standing),
        };
        heard
    }
}

impl Watch {
    pub fn is_a_hooks_note(&self, path: &Path) -> bool {
        path.parent().is_some_and(|folder| folder == self.home.path.join(NOTES_FOLDER))
    }

    /// How a process took its leave: where its client keeps no mark, its hook may have said so.
    pub fn leave_by_hooks(&mut self, chat: &ChatId, process: &ProcessKey, leave: Leave) -> Leave {
        self.hear_hooks();
        let heard = self.heard.get(chat).filter(|heard| heard.process.as_ref() == Some(process));
        match (leave, heard.map(|heard| &heard.standing)) {
            (Leave::Unsaid, Some(Standing::Ended { .. })) => Leave::Orderly,
            _ => leave,
        }
    }

    /// What a chat's transcript cannot tell: that its client waits for the user.
    pub fn waits_by_hooks(&self, chat: &ChatId, last_record: Option<Timestamp>) -> bool {
        let standing = self.heard.get(chat).map(|heard| &heard.standing);
        matches!(standing, Some(Standing::Waiting { since }) if last_record.is_none_or(|last| *since >= last))
    }

    /// Takes up what hooks left.
    pub fn hear_hooks(&mut self) {
        for note in take_notes(&self.home.path.clone()) {
            self.hear_note(&note);
        }
    }

    fn hear_note(&mut self, note: &Note) {
        let Some(meaning) = Meaning::of(&note.event) else { return };
        let chat = ChatId::new(note.client, &note.session_id);
        tracing::debug!(%chat, event = note.event, "a hook told");
        let compacted_at = self.heard.take_in(&chat, note, meaning).compacted_at;
        if meaning == Meaning::Compacts {
            self.checkpoint_before_compaction(&chat, note, compacted_at);
        }
        if !port(note.client).keeps_registry() {
            match meaning {
                Meaning::Began => self.read_registries_of(note.client),
                _ => self.status_grew(&chat),
            }
        }
    }

    /// One checkpoint where the chat stood, however often its client tried to compact there.
    fn checkpoint_before_compaction(&mut self, chat: &ChatId, note: &Note, last: Option<u64>) {
        for transcript in self.transcripts_of(chat) {
            self.catch_up_wholly(&transcript);
        }
        let Some(offset) = self.chats.get(chat).map(|chat| chat.digest.offset) else { return };
        let told = note.transcript_bytes.unwrap_or(offset);
        if last == Some(told) {
            return;
        }
        if offset <= told {
            self.want_checkpoint(chat, Trigger::Compaction);
        } else {
            // The chat went on before an engine heard of it.
            self.take_checkpoint_of(chat, Trigger::Compaction, told, note.at);
        }
        if let Some(heard) = self.heard.0.get_mut(chat) {
            heard.compacted_at = Some(told);
        }
    }
}

#[cfg(test)]
#[path = "hooks/hooks_tests.rs"]
mod tests;
