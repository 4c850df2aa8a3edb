//! How what can be installed stands: what is offered for it, and what the doctor says of it. Writes nothing.

use std::path::Path;

use shim_api::{
    doctor::{Finding, Level},
    install::{InstallRequest, Offer, Standing, What},
};
use shim_core::{
    chats::Client,
    install::{self, Caller, Part, Wanted},
};

use super::{
    caller,
    file::{NotWritten, SettingsFile},
    lasting,
    places::{self, Place},
    record::Record,
};
use crate::{autostart, demo};

/// What can be installed here, as it stands: of each client that is found, then the service.
pub fn offers(home: &Path, program: &Path) -> Vec<Offer> {
    if demo::read(home).is_some() {
        return Vec::new();
    }
    let clients = Client::ALL.into_iter().filter(|client| is_here(*client));
    let caller = lasting(program).and_then(|()| caller(home, program));
    let parts = clients.flat_map(|client| Part::ALL.map(|part| offer(home, &caller, client, part)));
    parts.chain([autostart::offer(home, program)]).collect()
}

/// Every client that SHIM knows takes MCP servers.
fn is_here(client: Client) -> bool {
    places::of(client, Part::Mcp).iter().any(|place| place.file.is_ok())
}

/// One offer, where a client has several files too: that of the one which needs it most.
fn offer(home: &Path, caller: &anyhow::Result<Caller>, client: Client, part: Part) -> Offer {
    let one = |place: Place| {
        let file = place.file.as_ref().ok().map(|file| file.display().to_string());
        let (standing, why) = match (&place.file, caller) {
            (Err(why), _) => (Standing::Impossible, Some((*why).to_owned())),
            (Ok(_), Err(error)) => (Standing::Impossible, Some(format!("{error:#}"))),
            (Ok(file), Ok(caller)) => standing(home, file, &Wanted { client, part, caller }),
        };
        Offer { what: part.into(), client: Some(client), standing, file, why }
    };
    let need = |offer: &Offer| match offer.standing {
        Standing::Broken => 0,
        Standing::Absent => 1,
        Standing::Installed => 2,
        Standing::Impossible => 3,
    };
    let none = || Offer {
        what: part.into(),
        client: Some(client),
        standing: Standing::Impossible,
        file: None,
        why: None,
    };
    places::of(client, part).into_iter().map(one).min_by_key(need).unwrap_or_else(none)
}

fn standing(home: &Path, file: &Path, wanted: &Wanted<'_>) -> (Standing, Option<String>) {
    let settings = match SettingsFile::open(file) {
        Ok(settings) => settings,
        Err(NotWritten::Refused(why)) => return (Standing::Impossible, Some(why)),
        Err(NotWritten::Changed) => return (Standing::Absent, None),
    };
    let record = Record::read(home, &settings.path).filter(|record| record.parts.contains(&wanted.part));
    let text = settings.text.unwrap_or_default();
    if let Err(wrong) = install::install(&text, wanted) {
        return (Standing::Impossible, Some(wrong.to_string()));
    }
    match (stands(&text, wanted), record) {
        (Stands::Whole, _) => (Standing::Installed, None),
        (Stands::Partly, _) => (Standing::Broken, Some(PARTLY.to_owned())),
        (Stands::Not, Some(record)) => {
            let why = format!("SHIM's entries, written on {}, are no longer in it", record.at);
            (Standing::Broken, Some(why))
        }
        (Stands::Not, None) => (Standing::Absent, None),
    }
}

const PARTLY: &str = "it names another SHIM or not all of this one";

enum Stands {
    Whole,
    Partly,
    Not,
}

fn stands(text: &str, wanted: &Wanted<'_>) -> Stands {
    if install::is_installed(text, wanted) {
        Stands::Whole
    } else if install::uninstall(text, wanted, None).is_ok_and(|without| without != text) {
        Stands::Partly
    } else {
        Stands::Not
    }
}

/// What stands of what was installed, and what is not installed where it could be.
pub fn examine(home: &Path, program: &Path) -> Vec<Finding> {
    let Ok(caller) = caller(home, program) else { return Vec::new() };
    let records = Record::all(home);
    let parts =
        |record: &Record| record.parts.iter().map(|part| examine_one(record, *part, &caller)).collect();
    let found = records.iter().flat_map::<Vec<_>, _>(parts);
    let offers = offers(home, program);
    found
        .chain([What::Hooks, What::Mcp].iter().filter_map(|what| absent(&offers, *what)))
        .chain(service(&offers))
        .collect()
}

/// One note for all clients that lack it.
fn absent(offers: &[Offer], what: What) -> Option<Finding> {
    let lacking = offers.iter().filter(|offer| offer.what == what && offer.standing == Standing::Absent);
    let clients: Vec<_> = lacking.filter_map(|offer| Some(offer.client?.title())).collect();
    let does = match what {
        What::Hooks => "by them a chat tells SHIM at once what it does: `shim install hooks`",
        What::Mcp => "with it a chat can ask SHIM itself: `shim install mcp`",
        What::Service => return None,
    };
    (!clients.is_empty()).then(|| Finding {
        level: Level::Note,
        what: what.name().to_owned(),
        found: format!("not installed: {}", clients.join(", ")),
        advice: Some(does.to_owned()),
        fix: Some(InstallRequest { what, client: None, undo: false, dry_run: false }),
    })
}

fn service(offers: &[Offer]) -> Option<Finding> {
    let offer = offers.iter().find(|offer| offer.what == What::Service)?;
    let file = offer.file.as_deref().unwrap_or("the system");
    let why = offer.why.as_deref().unwrap_or_default();
    let fix = InstallRequest { what: What::Service, client: None, undo: false, dry_run: false };
    let (level, found, advice, fix) = match offer.standing {
        Standing::Installed => (Level::Ok, format!("installed in {file}"), None, None),
        Standing::Absent => (
            Level::Note,
            "not installed: without it nothing watches before SHIM is started".to_owned(),
            Some("`shim install service` has the system start the engine at login"),
            Some(fix),
        ),
        Standing::Broken => {
            (Level::Note, format!("{file}: {why}"), Some("run `shim install service`"), Some(fix))
        }
        Standing::Impossible => (Level::Note, format!("not possible here: {why}"), None, None),
    };
    let advice = advice.map(str::to_owned);
    Some(Finding { level, what: What::Service.name().to_owned(), found, advice, fix })
}

fn untrusted(record: &Record, text: &str, wanted: &Wanted<'_>) -> Vec<String> {
    if (wanted.client, wanted.part) != (Client::Codex, Part::Hooks) {
        return Vec::new();
    }
    let config = SettingsFile::open(&record.file.with_file_name("config.toml")).map(|file| file.text);
    install::untrusted(text, &config.ok().flatten().unwrap_or_default(), wanted)
}

fn examine_one(record: &Record, part: Part, caller: &Caller) -> Finding {
    let (client, what) = (record.client, format!("{} {}", record.client.name(), part.name()));
    let file = record.file.display();
    let problem = |found: String, advice: String| Finding {
        level: Level::Problem,
        what: what.clone(),
        found,
        advice: Some(advice),
        fix: None,
    };
    let again = format!("shim install {} --client {}", part.name(), client.name());
    let fix = InstallRequest { what: part.into(), client: Some(client), undo: false, dry_run: false };
    let mended = |finding: Finding| Finding { fix: Some(fix.clone()), ..finding };
    let text = match SettingsFile::open(&record.file).map(|file| file.text) {
        Ok(text) => text.unwrap_or_default(),
        Err(NotWritten::Refused(why)) => {
            return problem(format!("{file}: {why}"), "mend the file".to_owned());
        }
        Err(NotWritten::Changed) => String::new(),
    };
    let wanted = Wanted { client, part, caller };
    let since = record.at;
    match (stands(&text, &wanted), client) {
        (Stands::Whole, _) => {
            let untrusted = untrusted(record, &text, &wanted);
            if untrusted.is_empty() {
                let found = format!("installed in {file}");
                return Finding { level: Level::Ok, what, found, advice: None, fix: None };
            }
            let found =
                format!("Codex does not run SHIM's hooks for {}: they are not trusted", untrusted.join(", "));
            problem(found, "start codex, type /hooks, and trust SHIM's".to_owned())
        }
        (Stands::Partly, _) => mended(problem(
            format!("{file} names another SHIM or not all of this one"),
            format!("run `{again}`"),
        )),
        (Stands::Not, Client::ClaudeDesktop) => mended(problem(
            format!("Claude Desktop took SHIM's entry out of {file}, which was written on {since}"),
            format!(
                "close it wholly, also in the tray, and run `{again}`; some of its versions wipe it at each start"
            ),
        )),
        (Stands::Not, _) => mended(problem(
            format!("SHIM's entries, written on {since}, are no longer in {file}"),
            format!("run `{again}`, or `shim uninstall {}` if you took them out", part.name()),
        )),
    }
}
