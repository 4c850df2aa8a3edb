//! Tells clients of SHIM, and takes that back: their settings files are shown as a diff, backed up, edited
//! in place of the old file at once, and given back as they were. Never touches what it cannot read whole.

mod desktop;
mod file;
mod places;
mod record;
mod standing;

use std::path::Path;

use anyhow::{Context, bail};
use shim_api::{
    ApiError,
    error::ErrorCode,
    events::Event,
    install::{InstallRequest, Installed, Outcome, What},
};
use shim_core::{
    chats::Client,
    install::{self, Caller, Part, Wanted},
};
use similar::TextDiff;

use crate::{
    autostart::{self, By},
    demo,
    paths::make_private_folder,
    run::Handle,
};
use file::{NotWritten, SettingsFile};
use places::Place;
use record::Record;

pub use standing::{examine, offers};

/// Times that an edit is begun anew because the client wrote its file meanwhile.
const TRIES_MAX: usize = 5;
/// Characters of one line of a diff that are shown.
const LINE_SHOWN_MAX: usize = 400;

/// What the engine answers over the api.
pub fn install(handle: &Handle, request: &InstallRequest) -> Result<Vec<Installed>, ApiError> {
    if request.what == What::Service && request.client.is_some() {
        return Err(ApiError::new(ErrorCode::BadRequest, "the service is of no client: leave `client` out"));
    }
    let (home, program) = (&handle.home.path, &handle.home.program);
    let refused = |error: anyhow::Error| ApiError::new(ErrorCode::Refused, format!("{error:#}"));
    let done = carry_out(home, program, handle.home.kept_by, request).map_err(refused)?;
    if done.iter().any(|done| done.outcome == Outcome::Written) {
        handle.tell(Event::StatusChanged);
    }
    Ok(done)
}

/// Installs or uninstalls one thing, in every client it is asked for. `program` is what is called from then on.
pub fn carry_out(
    home: &Path,
    program: &Path,
    by: By,
    request: &InstallRequest,
) -> anyhow::Result<Vec<Installed>> {
    if demo::read(home).is_some() {
        bail!("{}", demo::refusal());
    }
    let part = match request.what {
        What::Hooks => Part::Hooks,
        What::Mcp => Part::Mcp,
        What::Service => {
            let (undo, dry_run) = (request.undo, request.dry_run);
            let act = if undo { autostart::uninstall } else { autostart::install };
            return Ok(vec![act(home, program, by, dry_run)?.into()]);
        }
    };
    let caller = caller(home, program)?;
    if !request.undo {
        lasting(program)?;
    }
    make_private_folder(home).with_context(|| format!("{} cannot be used", home.display()))?;
    let lock = std::fs::File::create(home.join("install.lock"))
        .with_context(|| format!("{} cannot be written to", home.display()))?;
    lock.lock().context("another `shim install` does not come to its end")?;
    let clients = Client::ALL.into_iter().filter(|client| request.client.is_none_or(|one| one == *client));
    let places = clients.flat_map(|client| places::of(client, part));
    Ok(places.map(|place| one(home, &caller, request, part, &place)).collect())
}

/// The SHIM that clients are to call: this program.
pub fn caller(home: &Path, program: &Path) -> anyhow::Result<Caller> {
    let text = |path: &Path| {
        let text = path.to_str().map(str::to_owned);
        text.with_context(|| {
            format!("{} cannot be written into a settings file: its name is no text", path.display())
        })
    };
    let is_own = shim_api::home::own_folder().is_ok_and(|own| own == home);
    let home = if is_own { None } else { Some(text(home)?) };
    Ok(Caller { program: text(program)?, home, windows: cfg!(windows) })
}

/// Refuses a program that is gone when the app which brought it ends.
pub fn lasting(program: &Path) -> anyhow::Result<()> {
    let image = std::env::var_os("APPDIR").filter(|folder| !folder.is_empty());
    if program.starts_with("/tmp/.mount_") || image.is_some_and(|folder| program.starts_with(folder)) {
        bail!("an AppImage's program is gone when it ends: install the package, or copy `shim` elsewhere");
    }
    Ok(())
}

fn one(home: &Path, caller: &Caller, request: &InstallRequest, part: Part, place: &Place) -> Installed {
    let (file, advice) = match &place.file {
        Ok(file) => (file, advice(place.client, part, request.undo)),
        Err(why) => {
            let done = of(part, place, Outcome::Skipped);
            return Installed { why: Some((*why).to_owned()), ..done };
        }
    };
    let wanted = Wanted { client: place.client, part, caller };
    for _ in 0..TRIES_MAX {
        match attempt(home, request, place, file, &wanted) {
            Ok(done) if matches!(done.outcome, Outcome::Written | Outcome::WouldWrite) => {
                return Installed { advice: [done.advice, advice].concat(), ..done };
            }
            Ok(done) => return done,
            Err(NotWritten::Changed) => {}
            Err(NotWritten::Refused(why)) => return refused(part, place, why),
        }
    }
    let why = "its client writes it all the time: end the client and try again".to_owned();
    refused(part, place, why)
}

fn attempt(
    home: &Path,
    request: &InstallRequest,
    place: &Place,
    file: &Path,
    wanted: &Wanted<'_>,
) -> Result<Installed, NotWritten> {
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
    let done = Installed { advice: hindrances, ..of(wanted.part, place, Outcome::Unchanged) };
    if change.after.as_deref() == settings.text.as_deref() {
        let why = if request.undo { "nothing of SHIM's is in it" } else { "all is there already" };
        if request.undo && !request.dry_run {
            change.record.keep(home).map_err(NotWritten::io("SHIM's data folder"))?;
        }
        return Ok(Installed { why: Some(why.to_owned()), ..done });
    }
    if place.client == Client::ClaudeDesktop {
        desktop::is_closed(&settings.path)?;
    }
    let done =
        Installed { diff: Some(diff(file, settings.text.as_deref(), change.after.as_deref())), ..done };
    settings.may_be_written()?;
    if request.dry_run {
        return Ok(Installed { outcome: Outcome::WouldWrite, ..done });
    }
    let backup =
        record::back_up(home, place.client, &settings).map_err(NotWritten::io("SHIM's data folder"))?;
    let _lock = file::ClientsLock::take(place.client, &settings.path);
    // Recorded before it is done: after a crash in between, the record is seen not to fit.
    change.record.keep(home).map_err(NotWritten::io("SHIM's data folder"))?;
    settings.put(change.after.as_deref())?;
    let backup = backup.map(|path| path.display().to_string());
    Ok(Installed { outcome: Outcome::Written, backup, ..done })
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

pub fn diff(file: &Path, before: Option<&str>, after: Option<&str>) -> String {
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

fn advice(client: Client, part: Part, undo: bool) -> Vec<String> {
    let advice: &[&str] = match (client, part, undo) {
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

fn of(part: Part, place: &Place, outcome: Outcome) -> Installed {
    let file = place.file.as_ref().ok().map(|file| file.display().to_string());
    Installed {
        what: part.into(),
        client: Some(place.client),
        outcome,
        file,
        why: None,
        diff: None,
        backup: None,
        advice: Vec::new(),
    }
}

fn refused(part: Part, place: &Place, why: String) -> Installed {
    Installed { why: Some(why), ..of(part, place, Outcome::Refused) }
}
