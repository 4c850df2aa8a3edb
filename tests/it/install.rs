//! `shim install` and `shim uninstall` on settings files as people have them: nothing else in them changes,
//! and every byte comes back.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use shim_api::{
    Engine,
    error::ErrorCode,
    install::{InstallRequest, Installed, Offer, Outcome, Standing, What},
};
use shim_core::chats::Client;
use shim_standin::client::{Start, Terminals, wait};

use crate::world::{WAIT, World};

/// Where each client of a world keeps its settings.
fn file(world: &World, client: &str, part: &str) -> PathBuf {
    let name = match (client, part) {
        ("claude-code", "hooks") => ".claude/settings.json",
        ("claude-code", _) => ".claude.json",
        ("codex", "hooks") => ".codex/hooks.json",
        ("codex", _) => ".codex/config.toml",
        ("gemini", _) => ".gemini/settings.json",
        ("opencode", _) => ".config/opencode/opencode.json",
        _ => ".config/Claude/claude_desktop_config.json",
    };
    world.home.folder().join(name)
}

fn put(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn install(world: &World, verb: &str, part: &str, client: &str) -> Value {
    world.json(&[verb, part, "--client", client])[0].clone()
}

#[track_caller]
fn outcome(done: &Value, expected: &str) {
    assert_eq!(done["outcome"], expected, "{done:#}");
}

const JSON: [&str; 7] = [
    "{}",
    "{\n  \"model\": \"m\",\n  \"env\": {\"A\": \"1\"}\n}",
    "{\n\t// mine\n\t\"z\": [1, 2,], // odd\n\t\"a\": {\n\t\t\"b\": null,\n\t},\n}\n",
    "\u{feff}{\r\n    \"hooks\": {\r\n        \"Stop\": [\r\n            { \"hooks\": [ { \"type\": \"command\", \"command\": \"say done\" } ] }\r\n        ]\r\n    }\r\n}\r\n",
    "{\"mcpServers\":{\"x\":{\"command\":\"y\"}},\"mcp\":{},\"hooks\":{}}",
    "/* nothing yet */\n{\n}",
    "{ \"a\": \"\\u00e9 // }\" }\n\n\n",
];

const TOML: [&str; 3] = [
    "model = \"m\"",
    "# mine\r\n[mcp_servers.x]\r\ncommand = \"y\" # z\r\n",
    "a=1\n\n\n[model_providers.mock]\n  base_url = 'http://127.0.0.1:1/v1'\n",
];

#[test]
fn every_settings_file_comes_back_byte_for_byte() {
    let world = World::of_files();
    for (client, part) in [
        ("claude-code", "hooks"),
        ("codex", "hooks"),
        ("gemini", "hooks"),
        ("claude-code", "mcp"),
        ("codex", "mcp"),
        ("gemini", "mcp"),
        ("opencode", "mcp"),
        ("claude-desktop", "mcp"),
    ] {
        let path = file(&world, client, part);
        for text in if path.ends_with("config.toml") { &TOML[..] } else { &JSON[..] } {
            put(&path, text.as_bytes());
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            let beside = fs::read_dir(path.parent().unwrap()).unwrap().count();

            let done = install(&world, "install", part, client);
            outcome(&done, "written");
            assert_eq!(fs::read(done["backup"].as_str().unwrap()).unwrap(), text.as_bytes(), "the back-up");
            let installed = fs::read_to_string(&path).unwrap();
            assert!(installed.contains(world.program.to_str().unwrap()), "{installed}");
            assert!(installed.contains(world.shim_home.to_str().unwrap()), "{installed}");

            outcome(&install(&world, "install", part, client), "unchanged");
            assert_eq!(fs::read_to_string(&path).unwrap(), installed, "a second install");

            outcome(&install(&world, "uninstall", part, client), "written");
            assert_eq!(fs::read_to_string(&path).unwrap(), *text, "{client} {part}");
            outcome(&install(&world, "uninstall", part, client), "unchanged");
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
            assert_eq!(
                fs::read_dir(path.parent().unwrap()).unwrap().count(),
                beside,
                "nothing lies beside it"
            );
        }
    }
    assert_eq!(fs::read_dir(world.shim_home.join("installs")).unwrap().count(), 0, "nothing is remembered");
    let backups = fs::read_dir(world.shim_home.join("backups")).unwrap().map(Result::unwrap);
    let modes =
        backups.map(|backup| backup.metadata().unwrap().permissions().mode() & 0o777).collect::<Vec<_>>();
    assert!(modes.len() <= 50 && modes.iter().all(|mode| *mode == 0o600), "{modes:?}");
}

#[test]
fn what_was_written_into_the_file_since_stays() {
    let world = World::of_files();
    let path = file(&world, "gemini", "mcp");
    put(&path, b"{\n  \"a\": 1\n}\n");
    install(&world, "install", "hooks", "gemini");
    install(&world, "install", "mcp", "gemini");
    let theirs = fs::read_to_string(&path).unwrap().replace("\"a\": 1,", "\"a\": 2, // theirs\n  \"b\": [],");
    fs::write(&path, theirs).unwrap();
    for part in ["hooks", "mcp"] {
        outcome(&install(&world, "uninstall", part, "gemini"), "written");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\n  \"a\": 2, // theirs\n  \"b\": []\n}\n");

    // Both parts, nobody in between: the very bytes, whichever goes first.
    let text = "{ \"hooks\": {\n}, \"mcpServers\": { /* none */ } }";
    for parts in [["hooks", "mcp"], ["mcp", "hooks"]] {
        put(&path, text.as_bytes());
        for (verb, part) in
            [("install", "hooks"), ("install", "mcp"), ("uninstall", parts[0]), ("uninstall", parts[1])]
        {
            outcome(&install(&world, verb, part, "gemini"), "written");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn what_cannot_be_edited_is_refused_and_untouched() {
    let world = World::of_files();
    for (client, part, bytes, words) in [
        ("claude-code", "hooks", &b"{\n  \"a\": 1\n  \"b\": 2\n}"[..], "line 2"),
        ("claude-code", "hooks", b"[]", "line 1: its content is not an object"),
        ("claude-code", "hooks", b"{\"hooks\": {\n\"Stop\": 3}}", "line 2: `hooks.Stop` is not a list"),
        ("claude-code", "mcp", b"{\"mcpServers\": {\"shim\": {\"command\": \"theirs\"}}}", "is not SHIM's"),
        ("gemini", "mcp", b"{\n\n\"a\": \"\xff\"}", "line 3 is not UTF-8"),
        ("codex", "mcp", b"a = 1\nb =\n", "line 2"),
        ("codex", "mcp", b"mcp_servers = {}\n", "line 1: `mcp_servers` is not a table"),
    ] {
        let path = file(&world, client, part);
        put(&path, bytes);
        let output = world.shim(&["install", part, "--client", client]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(words) && said.contains(path.to_str().unwrap()), "{said}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    let path = file(&world, "codex", "hooks");
    put(&path, b"{}");
    for (of, mode) in [(path.clone(), 0o400), (path.parent().unwrap().to_owned(), 0o500)] {
        let before = fs::metadata(&of).unwrap().permissions();
        fs::set_permissions(&of, fs::Permissions::from_mode(mode)).unwrap();
        let done = install(&world, "install", "hooks", "codex");
        fs::set_permissions(&of, before).unwrap();
        outcome(&done, "refused");
        assert!(done["why"].as_str().unwrap().contains("read-only"), "{done}");
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    outcome(&install(&world, "install", "hooks", "codex"), "refused");
    fs::remove_dir(&path).unwrap();
    symlink("nowhere", &path).unwrap();
    outcome(&install(&world, "install", "hooks", "codex"), "refused");
    assert!(path.is_symlink() && !path.exists());
}

#[test]
fn a_link_stays_a_link_and_its_file_is_edited() {
    let world = World::of_files();
    let (path, real) =
        (file(&world, "claude-code", "hooks"), world.home.folder().join("dotfiles/claude.json"));
    put(&real, b"{\"a\":1}");
    let _ = fs::remove_file(&path);
    symlink("../dotfiles/claude.json", &path).unwrap();
    outcome(&install(&world, "install", "hooks", "claude-code"), "written");
    assert_eq!(fs::read_link(&path).unwrap(), Path::new("../dotfiles/claude.json"));
    assert!(fs::read_to_string(&real).unwrap().contains("SessionStart"));
    outcome(&install(&world, "uninstall", "hooks", "claude-code"), "written");
    assert_eq!((fs::read(&real).unwrap().as_slice(), path.is_symlink()), (&b"{\"a\":1}"[..], true));

    // A folder behind a link, in which there is no file yet.
    let real = world.home.folder().join("dotfiles/codex");
    fs::create_dir(&real).unwrap();
    symlink(&real, world.home.folder().join(".codex")).unwrap();
    outcome(&install(&world, "install", "hooks", "codex"), "written");
    assert!(real.join("hooks.json").is_file());
    outcome(&install(&world, "uninstall", "hooks", "codex"), "written");
    assert_eq!(fs::read_dir(&real).unwrap().count(), 0);
}

#[test]
fn a_dry_run_shows_the_change_and_makes_none() {
    let world = World::of_files();
    let path = file(&world, "claude-code", "mcp");
    let before = fs::read(&path).unwrap();
    let output = world.shim(&["install", "mcp", "--client", "claude-code", "--dry-run"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("+      \"alwaysLoad\": true") && said.contains("@@"), "{said}");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(!world.shim_home.join("backups").exists() && !world.shim_home.join("installs").exists());
}

#[test]
fn a_file_that_shim_made_goes_again_and_clients_that_are_not_here_are_skipped() {
    let world = World::of_files();
    fs::create_dir_all(world.home.folder().join(".codex")).unwrap();
    let done = world.json(&["install", "hooks"]);
    let outcomes: Vec<_> =
        done.as_array().unwrap().iter().map(|done| done["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["written", "written", "skipped", "skipped", "skipped"], "{done:#}");
    assert!(done[1]["advice"][0].as_str().unwrap().contains("/hooks"), "{done:#}");
    let path = file(&world, "codex", "hooks");
    assert!(path.exists());
    world.json(&["uninstall", "hooks"]);
    assert!(!path.exists());

    // What the client itself would not read is told.
    put(&path, b"{ // mine\n}");
    let done = install(&world, "install", "hooks", "codex");
    assert!(done["advice"][0].as_str().unwrap().contains("line 1"), "{done:#}");
    install(&world, "uninstall", "hooks", "codex");
    fs::remove_file(&path).unwrap();

    // With something of somebody else's in it, it stays.
    install(&world, "install", "hooks", "codex");
    let theirs = fs::read_to_string(&path).unwrap().replacen('{', "{\n  \"theirs\": 1,", 1);
    fs::write(&path, theirs).unwrap();
    install(&world, "uninstall", "hooks", "codex");
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\n  \"theirs\": 1\n}\n");
    assert_eq!(world.shim(&["install", "hooks", "--client", "opencode"]).status.code(), Some(1));
}

#[test]
fn an_older_program_is_replaced_and_two_data_folders_live_side_by_side() {
    let mut world = World::of_files();
    let path = file(&world, "claude-code", "hooks");
    let before = fs::read_to_string(&path).unwrap();
    install(&world, "install", "hooks", "claude-code");
    let first = fs::read_to_string(&path).unwrap();

    let newer = world.root().join("a newer shim");
    fs::copy(&world.program, &newer).unwrap();
    let older = std::mem::replace(&mut world.program, newer);
    install(&world, "install", "hooks", "claude-code");
    let renewed = fs::read_to_string(&path).unwrap();
    assert_eq!(renewed, first.replace(older.to_str().unwrap(), world.program.to_str().unwrap()));

    let other = world.root().join("other home");
    let with_other = |args: &[&str]| {
        let output = world.shim_command(args).env("SHIM_HOME", &other).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    with_other(&["install", "hooks", "--client", "claude-code"]);
    let both = fs::read_to_string(&path).unwrap();
    assert_eq!(both.matches(" hook SessionStart ").count(), 2, "{both}");
    install(&world, "uninstall", "hooks", "claude-code");
    let left = fs::read_to_string(&path).unwrap();
    assert_eq!((left.matches(" hook ").count(), left.matches("other home").count()), (7, 7), "{left}");
    with_other(&["uninstall", "hooks", "--client", "claude-code"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
}

/// What the engine says of one offer.
#[track_caller]
fn offer(engine: &Engine, what: What, client: Option<Client>) -> Offer {
    let offers = engine.offers().unwrap();
    let found = offers.iter().find(|offer| (offer.what, offer.client) == (what, client));
    found.unwrap_or_else(|| panic!("{what:?} {client:?} of {offers:#?}")).clone()
}

#[track_caller]
fn asked(engine: &Engine, request: &InstallRequest) -> Installed {
    let done = engine.install(request).unwrap();
    assert_eq!(done.len(), 1, "{done:#?}");
    done[0].clone()
}

#[test]
fn the_running_engine_shows_installs_mends_and_undoes_what_it_is_asked_to() {
    let mut world = World::of_files();
    let path = file(&world, "gemini", "mcp");
    let text = "{\n  // mine\n  \"a\": 1\n}\n";
    put(&path, text.as_bytes());
    world.start_shim();
    let engine = Engine::connect(&world.shim_home).unwrap();
    for (what, client) in [(What::Hooks, Client::Gemini), (What::Mcp, Client::Gemini)] {
        assert_eq!(offer(&engine, what, Some(client)).standing, Standing::Absent);
    }
    let offers = engine.offers().unwrap();
    assert!(offers.iter().all(|offer| offer.client != Some(Client::Codex)), "not found: {offers:#?}");
    let request =
        InstallRequest { what: What::Mcp, client: Some(Client::Gemini), undo: false, dry_run: false };

    let shown = asked(&engine, &InstallRequest { dry_run: true, ..request.clone() });
    assert_eq!(shown.outcome, Outcome::WouldWrite);
    assert!(shown.diff.as_deref().unwrap().contains("+  \"mcpServers\""), "{shown:#?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);

    let done = asked(&engine, &request);
    assert_eq!((done.outcome, &done.diff), (Outcome::Written, &shown.diff));
    assert_eq!(fs::read_to_string(done.backup.unwrap()).unwrap(), text);
    let installed = fs::read_to_string(&path).unwrap();
    assert!(installed.contains(world.program.to_str().unwrap()), "{installed}");
    assert_eq!(offer(&engine, What::Mcp, Some(Client::Gemini)).standing, Standing::Installed);
    assert_eq!(offer(&engine, What::Hooks, Some(Client::Gemini)).standing, Standing::Absent);

    // Entries of a program that is not this one, and entries that are gone.
    let other = installed.replace(world.program.to_str().unwrap(), "/elsewhere/shim");
    for broken in [other.as_str(), text] {
        fs::write(&path, broken).unwrap();
        let found = offer(&engine, What::Mcp, Some(Client::Gemini));
        assert_eq!(found.standing, Standing::Broken, "{found:?}");
        assert!(found.why.is_some() && found.file.as_deref() == path.to_str(), "{found:?}");
        let findings = engine.doctor(false).unwrap();
        let finding = findings.iter().find(|finding| finding.what == "gemini mcp").unwrap();
        assert_eq!(finding.fix.as_ref(), Some(&request), "{finding:?}");
        assert_eq!(asked(&engine, finding.fix.as_ref().unwrap()).outcome, Outcome::Written);
        assert_eq!(fs::read_to_string(&path).unwrap(), installed);
    }

    assert_eq!(asked(&engine, &InstallRequest { undo: true, ..request }).outcome, Outcome::Written);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(offer(&engine, What::Mcp, Some(Client::Gemini)).standing, Standing::Absent);
}

#[test]
fn what_cannot_be_installed_says_why_and_what_is_not_is_no_more_than_a_note() {
    let mut world = World::of_files();
    put(&file(&world, "gemini", "hooks"), b"{\n\n\"a\": }");
    put(&file(&world, "opencode", "mcp"), b"{}");
    world.start_shim();
    let engine = Engine::connect(&world.shim_home).unwrap();
    for (client, words) in [(Client::Gemini, "line 3"), (Client::Opencode, "no hooks")] {
        let found = offer(&engine, What::Hooks, Some(client));
        assert_eq!(found.standing, Standing::Impossible);
        assert!(found.why.as_deref().unwrap().contains(words), "{found:?}");
    }
    let findings = engine.doctor(false).unwrap();
    let finding = findings.iter().find(|finding| finding.what == "mcp").unwrap();
    assert_eq!(finding.level, shim_api::doctor::Level::Note);
    assert_eq!(finding.found, "not installed: Claude Code, opencode");
    let fix = finding.fix.clone().unwrap();
    assert_eq!((fix.what, fix.client), (What::Mcp, None));
    let done = engine.install(&fix).unwrap();
    let written = done.iter().filter(|done| done.outcome == Outcome::Written);
    let written: Vec<_> = written.filter_map(|done| done.client).collect();
    assert_eq!(written, [Client::ClaudeCode, Client::Opencode]);
    let findings = engine.doctor(false).unwrap();
    assert!(findings.iter().all(|finding| finding.what != "mcp"), "{findings:#?}");

    let request =
        InstallRequest { what: What::Service, client: Some(Client::Codex), undo: false, dry_run: true };
    assert_eq!(engine.install(&request).unwrap_err().code, ErrorCode::BadRequest);
}

#[test]
fn what_claude_code_writes_at_the_same_moment_is_not_lost() {
    let world = World::of_files();
    let path = file(&world, "claude-code", "mcp");
    let lock = path.with_file_name(".claude.json.lock");
    fs::create_dir(&lock).unwrap();
    let mut args = world.shim_command(&["install", "mcp", "--client", "claude-code"]);
    let mut shim = args.stdout(Stdio::null()).spawn().unwrap();
    // The edit is planned by now and waits for the lock; were it not, the text would only be older.
    std::thread::sleep(Duration::from_millis(600));
    fs::write(&path, "{\"numStartups\": 7}").unwrap();
    fs::remove_dir(&lock).unwrap();
    assert!(shim.wait().unwrap().success());
    let written: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(
        (&written["numStartups"], &written["mcpServers"]["shim"]["alwaysLoad"]),
        (&7.into(), &true.into())
    );
    assert!(!lock.exists());
}

#[test]
fn an_entry_made_while_a_chat_runs_outlives_what_the_client_writes() {
    let world = World::without_shim();
    let cwd = world.home.project("p").unwrap();
    let start = Start::new(&cwd, "@@text one");
    let terminals = Terminals::new(&world.home);
    terminals.start(&start).unwrap();
    let chat = &start.session_id;
    world.home.wait_for_status(WAIT, chat, "idle").unwrap();
    outcome(&install(&world, "install", "mcp", "claude-code"), "written");
    let read = || fs::read(file(&world, "claude-code", "mcp")).unwrap();
    let installed = read();
    terminals.type_text(chat, "/exit").unwrap();
    terminals.press(chat, &["Enter"]).unwrap();
    wait(WAIT, "the client to end", || world.home.live(chat).is_none().then_some(())).unwrap();
    wait(WAIT, "the client to write its file", || (read() != installed).then_some(())).unwrap();
    let written: Value = serde_json::from_slice(&read()).unwrap();
    let program = world.program.to_str().unwrap();
    assert_eq!(written["mcpServers"]["shim"]["command"], program, "{written:#}");
    let mut claude = world.home.command(world.home.claude(), &cwd);
    let told = claude.args(["mcp", "get", "shim"]).stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains(program) && told.contains("User") && told.contains("Connected"), "{told}");
    outcome(&install(&world, "uninstall", "mcp", "claude-code"), "written");
    let left: Value = serde_json::from_slice(&read()).unwrap();
    assert!(left["mcpServers"].is_null() && left["projects"].is_object(), "{left:#}");
}

/// A program of the app's name that does nothing: what tells that the app runs is its process.
fn app(world: &World) -> Child {
    let program = world.root().join("usr/lib/claude-desktop/claude-desktop");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    assert!(Command::new("cp").arg("/bin/sleep").arg(&program).status().unwrap().success());
    world.home.command(&program, world.home.folder()).arg("600").spawn().unwrap()
}

#[test]
fn claude_desktop_is_edited_only_while_closed_and_a_wiped_entry_is_told() {
    let world = World::of_files();
    let path = file(&world, "claude-desktop", "mcp");
    let text = b"{\n  \"globalShortcut\": \"\"\n}";
    put(&path, text);
    let mut app = app(&world);
    let done = install(&world, "install", "mcp", "claude-desktop");
    app.kill().unwrap();
    app.wait().unwrap();
    outcome(&done, "refused");
    assert!(done["why"].as_str().unwrap().contains("quit it"), "{done}");
    assert_eq!(fs::read(&path).unwrap(), text);

    outcome(&install(&world, "install", "mcp", "claude-desktop"), "written");
    let doctor = |words: &str| {
        let findings = world.json(&["doctor"]);
        let findings = findings.as_array().unwrap();
        let found = findings.iter().find(|finding| finding["what"] == "claude-desktop mcp").unwrap();
        assert!(found["found"].as_str().unwrap().contains(words), "{found}");
    };
    doctor("installed in");
    fs::write(&path, text).unwrap();
    doctor("took SHIM's entry out");
}
