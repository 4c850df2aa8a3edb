//! Tells clients of SHIM, and takes that back: their settings files are shown as a diff, backed up, edited
//! in place of the old file at once, and given back as they were. Never touches what it cannot read whole.

mod desktop;
mod file;
mod places;
mod record;

use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use shim_api::doctor::{Finding, Level};
use shim_core::{
    chats::Client,
    install::{self, Caller, Part, Wanted},
};
use similar::TextDiff;

use crate::paths::make_private_folder;
use file::{NotWritten, SettingsFile};
use places::Place;
use record::Record;

/// Times that an edit is begun anew because the client wrote its file meanwhile.
const TRIES_MAX: usize = 5;
/// Characters of one line of a diff that are shown.
const LINE_SHOWN_MAX: usize = 400;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    pub part: Part,
    /// Take it back.
    pub undo: bool,
    /// Only this client; else each that is found.
    pub client: Option<Client>,
    pub dry_run: bool,
}

/// What became of one client.
#[derive(Clone, Debug, Serialize)]
pub struct Done {
    pub client: Client,
    pub part: Part,
    pub outcome: Outcome,
    pub file: Option<String>,
    /// Why nothing was written.
    pub why: Option<String>,
    /// Unified.
    pub diff: Option<String>,
    /// The file as it was.
    pub backup: Option<String>,
    /// What the user has to do or know.
    pub advice: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Written,
    /// A dry run: this would be written.
    WouldWrite,
    /// It is as it should be.
    Unchanged,
    /// The client is not here, or has no such thing.
    Skipped,
    Refused,
}

/// Installs or uninstalls one part, in every client it is asked for.
pub fn carry_out(home: &Path, request: &Request) -> anyhow::Result<Vec<Done>> {
    let caller = caller(home)?;
    make_private_folder(home).with_context(|| format!("{} cannot be used", home.display()))?;
    let lock = std::fs::File::create(home.join("install.lock"))
        .with_context(|| format!("{} cannot be written to", home.display()))?;
    lock.lock().context("another `shim install` does not come to its end")?;
    let clients = Client::ALL.into_iter().filter(|client| request.client.is_none_or(|one| one == *client));
    let places = clients.flat_map(|client| places::of(client, request.part));
    Ok(places.map(|place| one(home, &caller, request, &place)).collect())
}

/// The SHIM that clients are to call: this one.
pub fn caller(home: &Path) -> anyhow::Result<Caller> {
    let program = std::env::current_exe().context("SHIM cannot tell where its own program lies")?;
    let text = |path: &Path| {
        let text = path.to_str().map(str::to_owned);
        text.with_context(|| {
            format!("{} cannot be written into a settings file: its name is no text", path.display())
        })
    };
    let is_own = shim_api::home::own_folder().is_ok_and(|own| own == home);
    let home = if is_own { None } else { Some(text(home)?) };
    Ok(Caller { program: text(&program)?, home, windows: cfg!(windows) })
}

fn one(home: &Path, caller: &Caller, request: &Request, place: &Place) -> Done {
    let (file, advice) = match &place.file {
        Ok(file) => (file, advice(place.client, request)),
        Err(why) => {
            let done = Done::new(request.part, place, Outcome::Skipped);
            return Done { why: Some((*why).to_owned()), ..done };
        }
    };
    let wanted = Wanted { client: place.client, part: request.part, caller };
    for _ in 0..TRIES_MAX {
        match attempt(home, request, place, file, &wanted) {
            Ok(done) if matches!(done.outcome, Outcome::Written | Outcome::WouldWrite) => {
                return Done { advice: [done.advice, advice].concat(), ..done };
            }
            Ok(done) => return done,
            Err(NotWritten::Changed) => {}
            Err(NotWritten::Refused(why)) => return Done::refused(request.part, place, why),
        }
    }
    let why = "its client writes it all the time: end the client and try again".to_owned();
    Done::refused(request.part, place, why)
}

fn attempt(
    home: &Path,
    request: &Request,
    place: &Place,
    file: &Path,
    wanted: &Wanted<'_>,
) -> Result<Done, NotWritten> {
    let settings = SettingsFile::open(file)?;
    let record = Record::read(home, &settings.path);
    let change = if request.undo {
        without(&settings, record.as_ref(), wanted)
    } else {
        with(&settings, record.as_ref(), wanted)
    };
    let change = change.map_err(|wrong| NotWritten::Refused(wrong.to_string()))?;
    let hindrances = change.after.as_deref().filter(|_| !request.undo);
    let hindrances = hindrances.map(|after| install::hindrances(after, wanted)).unwrap_or_default();
    let done = Done { advice: hindrances, ..Done::new(request.part, place, Outcome::Unchanged) };
    if change.after.as_deref() == settings.text.as_deref() {
        let why = if request.undo { "nothing of SHIM's is in it" } else { "all is there already" };
        if request.undo && !request.dry_run {
            change.record.keep(home).map_err(NotWritten::io("SHIM's data folder"))?;
        }
        return Ok(Done { why: Some(why.to_owned()), ..done });
    }
    if place.client == Client::ClaudeDesktop {
        desktop::is_closed(&settings.path)?;
    }
    let done = Done { diff: Some(diff(file, settings.text.as_deref(), change.after.as_deref())), ..done };
    settings.may_be_written()?;
    if request.dry_run {
        return Ok(Done { outcome: Outcome::WouldWrite, ..done });
    }
    let backup =
        record::back_up(home, place.client, &settings).map_err(NotWritten::io("SHIM's data folder"))?;
    let _lock = file::ClientsLock::take(place.client, &settings.path);
    // Recorded before it is done: after a crash in between, the record is seen not to fit.
    change.record.keep(home).map_err(NotWritten::io("SHIM's data folder"))?;
    settings.put(change.after.as_deref())?;
    let backup = backup.map(|path| path.display().to_string());
    Ok(Done { outcome: Outcome::Written, backup, ..done })
}

/// A file as it is to be, `None` where it is to go, and what is to be remembered of it.
struct Change {
    after: Option<String>,
    record: Record,
}

fn with(file: &SettingsFile, record: Option<&Record>, wanted: &Wanted<'_>) -> Result<Change, install::Wrong> {
    let text = file.text.as_deref().unwrap_or_default();
    let after = install::install(text, wanted)?;
    let before = match record {
        Some(record) if record.is_of(text) => record.before.clone(),
        _ => stripped(file.text.as_deref(), record, wanted)?,
    };
    let parts = record.map(|record| record.parts.clone()).unwrap_or_default();
    let parts = parts.into_iter().filter(|part| *part != wanted.part).chain([wanted.part]).collect();
    let record = Record::new(&file.path, wanted, before, &after, parts);
    Ok(Change { after: Some(after), record })
}

fn without(
    file: &SettingsFile,
    record: Option<&Record>,
    wanted: &Wanted<'_>,
) -> Result<Change, install::Wrong> {
    let Some(text) = file.text.as_deref() else {
        return Ok(Change { after: None, record: Record::new(&file.path, wanted, None, "", Vec::new()) });
    };
    let mut parts: Vec<_> = record.map(|record| record.parts.clone()).unwrap_or_default();
    parts.retain(|part| *part != wanted.part);
    let hint = record.and_then(|record| record.before.as_deref());
    let untouched = record.filter(|record| record.is_of(text) && record.parts == [wanted.part]);
    let after = match untouched {
        Some(record) => record.before.clone(),
        None => Some(install::uninstall(text, wanted, hint)?),
    };
    let was_made_by_shim = record.is_some_and(|record| record.before.is_none());
    let after = after.filter(|after| !(was_made_by_shim && install::is_empty(after)));
    let before = match record {
        Some(record) if record.is_of(text) => record.before.clone(),
        _ => stripped(after.as_deref(), record, wanted)?,
    };
    let record = Record::new(&file.path, wanted, before, after.as_deref().unwrap_or_default(), parts);
    Ok(Change { after, record })
}

/// The text without any part of SHIM's: what was there before, as far as it can be told.
fn stripped(
    text: Option<&str>,
    record: Option<&Record>,
    wanted: &Wanted<'_>,
) -> Result<Option<String>, install::Wrong> {
    let Some(text) = text else { return Ok(None) };
    let hint = record.and_then(|record| record.before.as_deref());
    let parts = places::parts_in_file_of(wanted.client, wanted.part);
    let stripped = parts.iter().try_fold(text.to_owned(), |text, part| {
        install::uninstall(&text, &Wanted { part: *part, ..*wanted }, hint)
    })?;
    let was_made_by_shim = record.is_some_and(|record| record.before.is_none());
    Ok(Some(stripped).filter(|text| !(was_made_by_shim && install::is_empty(text))))
}

fn diff(file: &Path, before: Option<&str>, after: Option<&str>) -> String {
    let name = file.display().to_string();
    let diff = TextDiff::from_lines(before.unwrap_or_default(), after.unwrap_or_default());
    let nothing = || "/dev/null".to_owned();
    let from = before.map_or_else(nothing, |_| name.clone());
    let to = after.map_or_else(nothing, |_| name.clone());
    let text = diff.unified_diff().context_radius(3).header(&from, &to).to_string();
    let short = |line: &str| match line.char_indices().nth(LINE_SHOWN_MAX) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    };
    text.lines().map(|line| short(line) + "\n").collect()
}

fn advice(client: Client, request: &Request) -> Vec<String> {
    let advice: &[&str] = match (client, request.part, request.undo) {
        (Client::Codex, Part::Hooks, false) => &[
            "Codex runs no hook before you trusted it, and says nothing: start codex, type /hooks, and trust SHIM's",
        ],
        (Client::ClaudeDesktop, Part::Mcp, false) => &[
            "Claude Desktop may take the entry out again when it starts: start it, then look with `shim doctor`",
        ],
        (Client::ClaudeCode, Part::Mcp, false) => {
            &["a Claude Code that runs now does not see the server before its next start"]
        }
        _ => &[],
    };
    advice.iter().map(|advice| (*advice).to_owned()).collect()
}

impl Done {
    fn new(part: Part, place: &Place, outcome: Outcome) -> Self {
        let file = place.file.as_ref().ok().map(|file| file.display().to_string());
        let client = place.client;
        Self { client, part, outcome, file, why: None, diff: None, backup: None, advice: Vec::new() }
    }

    fn refused(part: Part, place: &Place, why: String) -> Self {
        Self { why: Some(why), ..Self::new(part, place, Outcome::Refused) }
    }
}

/// What stands of what was installed.
pub fn examine(home: &Path) -> Vec<Finding> {
    let Ok(caller) = caller(home) else { return Vec::new() };
    Record::all(home)
        .iter()
        .flat_map(|record| {
            record.parts.iter().map(|part| examine_one(record, *part, &caller)).collect::<Vec<_>>()
        })
        .collect()
}

fn untrusted(record: &Record, text: &str, wanted: &Wanted<'_>) -> Vec<String> {
    if (wanted.client, wanted.part) != (Client::Codex, Part::Hooks) {
        return Vec::new();
    }
    let config = SettingsFile::open(&record.file.with_file_name("config.toml")).map(|file| file.text);
    install::untrusted(text, &config.ok().flatten().unwrap_or_default(), wanted)
}

fn examine_one(record: &Record, part: Part, caller: &Caller) -> Finding {
    let what = format!("{} {}", record.client.name(), part.name());
    let file = record.file.display();
    let problem = |found: String, advice: String| Finding {
        level: Level::Problem,
        what: what.clone(),
        found,
        advice: Some(advice),
        fix: None,
    };
    let again = format!("shim install {} --client {}", part.name(), record.client.name());
    let text = match SettingsFile::open(&record.file).map(|file| file.text) {
        Ok(text) => text.unwrap_or_default(),
        Err(NotWritten::Refused(why)) => {
            return problem(format!("{file}: {why}"), "mend the file".to_owned());
        }
        Err(NotWritten::Changed) => String::new(),
    };
    let wanted = Wanted { client: record.client, part, caller };
    if install::is_installed(&text, &wanted) {
        let untrusted = untrusted(record, &text, &wanted);
        if !untrusted.is_empty() {
            let found =
                format!("Codex does not run SHIM's hooks for {}: they are not trusted", untrusted.join(", "));
            return problem(found, "start codex, type /hooks, and trust SHIM's".to_owned());
        }
        return Finding {
            level: Level::Ok,
            what,
            found: format!("installed in {file}"),
            advice: None,
            fix: None,
        };
    }
    let since = record.at;
    let stands = install::uninstall(&text, &wanted, None).is_ok_and(|without| without != text);
    match (stands, record.client) {
        (true, _) => {
            problem(format!("{file} names another SHIM or not all of this one"), format!("run `{again}`"))
        }
        (false, Client::ClaudeDesktop) => problem(
            format!("Claude Desktop took SHIM's entry out of {file}, which was written on {since}"),
            format!(
                "close it wholly, also in the tray, and run `{again}`; some of its versions wipe it at each start"
            ),
        ),
        (false, _) => problem(
            format!("SHIM's entries, written on {since}, are no longer in {file}"),
            format!("run `{again}`, or `shim uninstall {}` if you took them out", part.name()),
        ),
    }
}
