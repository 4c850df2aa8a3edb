//! A chat in a client's database, before and after a restore: compared with the journal, put back or forked by the
//! client's own import. SHIM itself writes nothing into the database.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use shim_core::{
    clients::opencode::{as_now, export, renamed},
    restore::Transcript,
};
use shim_store::StreamId;

use super::Work;
use crate::{clients::RowsPlace, paths::write_whole, rows::lines_now};

/// Longest wait for the client's import; measured: 1 s for a small chat.
const IMPORT_WAIT: Duration = Duration::from_secs(120);
/// How often an import is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// Largest journal that is put back, in bytes: it is held whole in memory, some times over.
const PUT_BACK_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What of the journal is meant: a stream's generation, up to a byte.
pub(super) type Source = (StreamId, i64, u64);

impl Work<'_> {
    pub(super) fn compare_rows(&self, place: &RowsPlace, source: Source) -> Transcript {
        let now = match lines_now(place) {
            Ok(Some(lines)) => as_now(&lines),
            Ok(None) => return Transcript::Missing,
            Err(error) => {
                tracing::warn!(chat = %self.job.chat, "{error}");
                return Transcript::Differs { at: 0 };
            }
        };
        match self.journaled_rows(source) {
            Ok(kept) if content(&kept) == content(&now) => Transcript::Same,
            Ok(_) => Transcript::Differs { at: source.2 },
            Err(error) => {
                tracing::warn!(chat = %self.job.chat, "the journal could not be compared: {error}");
                Transcript::Differs { at: 0 }
            }
        }
    }

    /// Why nothing can be told of the chat's rows now.
    pub(super) fn unreadable_rows(&self) -> Option<String> {
        let path = self.file.as_deref().or(self.subject.transcripts.first().map(PathBuf::as_path))?;
        let place = self.port().rows(path).filter(|place| place.database.exists())?;
        let error = lines_now(&place).err()?;
        Some(format!("{error}; nothing was started: look at it, then restore again"))
    }

    fn journaled_rows(&self, (stream, generation, until): Source) -> anyhow::Result<Vec<Value>> {
        anyhow::ensure!(
            until <= PUT_BACK_BYTES_MAX,
            "the chat's journal is {until} bytes long; at most {PUT_BACK_BYTES_MAX} are put back"
        );
        let mut bytes = Vec::new();
        let reached = self.handle.home.store.read(|store| {
            store.read_journal(stream, generation, 0, until, |piece| {
                bytes.extend_from_slice(piece);
                true
            })
        })?;
        anyhow::ensure!(reached == until, "the journal ends at byte {reached} of {until}");
        Ok(as_now(&bytes))
    }

    /// Has the client take up the chat from the journal, under another id where it is a fork.
    pub(super) fn import_rows(
        &self,
        path: &Path,
        source: Source,
        fork: Option<&str>,
    ) -> anyhow::Result<String> {
        let mut rows = self.journaled_rows(source)?;
        if let Some(new) = fork {
            rows = renamed(&rows, new);
        }
        let Some(whole) = export(&rows) else { anyhow::bail!("the journal holds no session of this chat") };
        let file = self.import_path();
        write_whole(&file, whole.to_string().as_bytes())?;
        let imported = self.import(path, &file);
        // It holds what was said in the chat.
        let _ = std::fs::remove_file(&file);
        imported?;
        anyhow::ensure!(
            self.port().is_there(path),
            "the client said that it took the chat up, but it is not in {}",
            path.display()
        );
        Ok(format!("the client imported the chat from the journal as {}", path.display()))
    }

    fn import_path(&self) -> PathBuf {
        self.handle.home.path.join("restores").join(format!("{}-import.json", self.number))
    }

    fn import(&self, path: &Path, file: &Path) -> anyhow::Result<()> {
        let program =
            self.program.as_deref().ok_or_else(|| anyhow::anyhow!("the client's program is not known"))?;
        let cwd = self.subject.cwd.as_deref().unwrap_or(".");
        let mut command = Command::new(program);
        command.arg("import").arg(file).current_dir(cwd).env_clear();
        command.envs(self.environment_of_start(Some(path)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let until = Instant::now() + IMPORT_WAIT;
        let status = loop {
            match child.try_wait()? {
                Some(status) => break status,
                None if Instant::now() < until => std::thread::sleep(LOOK_EVERY),
                None => {
                    child.kill()?;
                    child.wait()?;
                    anyhow::bail!(
                        "`{} import` did not end within {} s",
                        program.display(),
                        IMPORT_WAIT.as_secs()
                    );
                }
            }
        };
        anyhow::ensure!(status.success(), "`{} import` failed ({status})", program.display());
        Ok(())
    }
}

/// What two states of a chat are compared by: each row's id and data. What the client counts of a session is not of it.
fn content(rows: &[Value]) -> Vec<(&Value, &Value)> {
    rows.iter().filter_map(|row| Some((row.get("id")?, row.get("data")?))).collect()
}
