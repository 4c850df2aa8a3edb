//! `shim install service` as a user calls it, in a home of its own: the definitions hold before the systems'
//! own checkers where there is one, they start the engine, and they are undone exactly.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[cfg(target_os = "linux")]
mod running;

use shim_core::autostart::{Start, System, plan};

#[cfg(target_os = "linux")]
mod systemd {
    use std::{
        fs,
        os::unix::fs::PermissionsExt,
        path::{Path, PathBuf},
        process::{Command, Output, Stdio},
    };

    use serde_json::Value;
    use shim_api::{
        Engine,
        install::{InstallRequest, Outcome, Standing, What},
    };

    use crate::running::Running;

    /// A home, and a `systemctl` of its own that notes how it was called: this machine's is never called.
    struct World {
        folder: tempfile::TempDir,
        program: PathBuf,
    }

    impl World {
        /// With SHIM's program in a folder of this name. `reachable`: whether a user manager answers.
        fn new(name: &str, reachable: bool) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let program = folder.path().join(name).join("shim");
            for part in [program.parent().unwrap(), &folder.path().join("home"), &folder.path().join("bin")] {
                fs::create_dir_all(part).unwrap();
            }
            // In a process of its own: a child of another thread would inherit the open file, and a program
            // that is open for writing is not started.
            let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_shim")).arg(&program).status().unwrap();
            assert!(copied.success());
            let world = Self { folder, program };
            let code = if reachable { 0 } else { 1 };
            let script = format!("#!/bin/sh\necho \"$*\" >>'{}'\nexit {code}\n", world.calls().display());
            let systemctl = world.folder.path().join("bin/systemctl");
            fs::write(&systemctl, script).unwrap();
            fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755)).unwrap();
            world
        }

        fn home(&self) -> PathBuf {
            self.folder.path().join("home")
        }

        fn data(&self) -> PathBuf {
            self.folder.path().join("d a/$x 100% \"q\" \\ü")
        }

        fn unit(&self) -> PathBuf {
            self.home().join(".config/systemd/user/shim.service")
        }

        fn calls(&self) -> PathBuf {
            self.folder.path().join("calls")
        }

        fn called(&self) -> Vec<String> {
            let text = fs::read_to_string(self.calls()).unwrap_or_default();
            let _ = fs::remove_file(self.calls());
            let calls = text.lines().map(|line| line.replace("--user ", ""));
            calls.filter(|call| call != "show-environment").collect()
        }

        fn shim(&self, arguments: &[&str]) -> Output {
            self.command(arguments).output().unwrap()
        }

        /// The engine that this command runs, once it answers.
        fn started(&self, mut command: Command) -> (Running, Engine) {
            fs::create_dir_all(self.data()).unwrap();
            let within = serde_json::to_string(&[self.folder.path()]).unwrap();
            fs::write(self.data().join("config.toml"), format!("watch.within = {within}\n")).unwrap();
            let mut running = Running(command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
            let engine = running.answers(&self.data());
            (running, engine)
        }

        fn command(&self, arguments: &[&str]) -> Command {
            let mut command = Command::new(&self.program);
            command.args(arguments).env_clear().env("HOME", self.home()).env("SHIM_HOME", self.data());
            command.env("PATH", format!("{}:/usr/bin:/bin", self.folder.path().join("bin").display()));
            command
        }

        fn json(&self, arguments: &[&str]) -> Value {
            let output = self.shim(&[arguments, &["--json"]].concat());
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
        }
    }

    /// Every path below a folder.
    fn listing(folder: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                found.extend(listing(&entry.path()));
            }
            found.push(entry.path());
        }
        found.sort();
        found
    }

    /// Takes a line of a unit apart as systemd does: quotes, backslashes, `%%`, and `$$` in arguments.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quoted) = (Vec::new(), None, false);
        let mut rest = line.chars();
        while let Some(character) = rest.next() {
            match character {
                '"' => {
                    quoted = !quoted;
                    word.get_or_insert_with(String::new);
                }
                ' ' if !quoted => words.extend(word.take()),
                '\\' => word.get_or_insert_default().push(rest.next().unwrap()),
                character => word.get_or_insert_default().push(character),
            }
        }
        words.extend(word);
        words.iter().map(|word| word.replace("%%", "%")).collect()
    }

    #[test]
    fn the_unit_passes_systemds_own_check_and_its_line_starts_the_engine() {
        for name in ["plain", "a b & ü 100% $x", "it's \"so\" \\ $x 100%"] {
            let world = World::new(name, true);
            assert!(world.shim(&["install", "service"]).status.success());
            let mut check = Command::new("systemd-analyze");
            check.args(["--user", "verify"]).arg(world.unit());
            let runtime = tempfile::tempdir().unwrap();
            check.env_clear().env("HOME", world.home()).env("XDG_RUNTIME_DIR", runtime.path());
            let checked =
                check.env("PATH", "/usr/bin:/bin").output().expect("systemd-analyze is in Debian's systemd");
            assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}");

            let unit = fs::read_to_string(world.unit()).unwrap();
            let named = |name: &str| words(unit.lines().find_map(|line| line.strip_prefix(name)).unwrap());
            let environment = named("Environment=");
            let (variable, value) = environment[0].split_once('=').unwrap();
            assert_eq!((variable, Path::new(value)), ("SHIM_HOME", world.data().as_path()));
            let mut line = named("ExecStart=");
            if line[0] == "/bin/sh" {
                line.iter_mut().for_each(|word| *word = word.replace("$$", "$"));
            }
            let mut command = Command::new(&line[0]);
            command.args(&line[1..]).env_clear().env("HOME", world.home()).env(variable, value);
            let (mut running, engine) = world.started(command);
            assert_eq!(world.json(&["service", "status"])["engine"], running.0.id());
            engine.stop().unwrap();
            assert!(running.ended().success());
        }
    }

    #[test]
    fn installing_twice_changes_nothing_and_uninstalling_undoes_it_exactly() {
        let world = World::new("p", true);
        let before = listing(&world.home());
        let shown = world.json(&["install", "service", "--dry-run"]);
        assert_eq!((shown["outcome"].as_str(), world.called()), (Some("would_install"), vec![]));
        assert_eq!(listing(&world.home()), before);

        let first = world.json(&["install", "service"]);
        assert_eq!(first["outcome"], "installed");
        let unit = fs::read_to_string(world.unit()).unwrap();
        assert_eq!(shown["definition"].as_str().unwrap(), unit);
        assert_eq!(world.called(), ["daemon-reload", "enable shim.service", "restart shim.service"]);
        assert_eq!(world.json(&["install", "service"])["outcome"], "unchanged");
        assert_eq!(world.called(), ["is-active --quiet shim.service"]);
        let status = world.json(&["service", "status"]);
        assert_eq!([&status["installed"], &status["up_to_date"], &status["active"]], [true, true, true]);
        world.called();
        assert!(world.shim(&["service", "stop"]).status.success());
        assert!(world.shim(&["service", "start"]).status.success());
        assert_eq!(world.called(), ["stop shim.service", "start shim.service"]);

        assert_eq!(world.json(&["uninstall", "service", "--dry-run"])["outcome"], "would_uninstall");
        assert_eq!((fs::read_to_string(world.unit()).unwrap(), world.called()), (unit, vec![]));
        assert_eq!(world.json(&["uninstall", "service"])["outcome"], "uninstalled");
        assert_eq!(world.called(), ["disable --now shim.service", "daemon-reload"]);
        assert_eq!(listing(&world.home().join(".config")), [] as [PathBuf; 0]);
        assert_eq!(world.json(&["uninstall", "service"])["outcome"], "absent");
        assert!(!world.shim(&["service", "start"]).status.success());
    }

    fn service(undo: bool, dry_run: bool) -> InstallRequest {
        InstallRequest { what: What::Service, client: None, undo, dry_run }
    }

    #[test]
    fn an_engine_that_runs_already_installs_the_service_which_waits_for_its_end() {
        let world = World::new("p", true);
        let (running, engine) = world.started(world.command(&["run"]));
        let pid = running.0.id();
        let standing = || engine.offers().unwrap().last().unwrap().standing;
        assert_eq!(standing(), Standing::Absent);
        let shown = engine.install(&service(false, true)).unwrap();
        assert_eq!((shown[0].outcome, world.called()), (Outcome::WouldWrite, vec![]));
        assert!(!world.unit().exists());
        let done = engine.install(&service(false, false)).unwrap();
        assert_eq!((done[0].outcome, &done[0].diff), (Outcome::Written, &shown[0].diff));
        let unit = fs::read_to_string(world.unit()).unwrap();
        assert!(unit.contains(world.program.to_str().unwrap()), "{unit}");
        let added = done[0].diff.as_deref().unwrap().lines().filter_map(|line| line.strip_prefix('+'));
        assert_eq!(added.skip(1).map(|line| format!("{line}\n")).collect::<String>(), unit);
        assert!(
            done[0].advice.iter().any(|said| said.contains(&format!("Engine {pid} runs already"))),
            "{done:?}"
        );
        assert_eq!(world.called(), ["daemon-reload", "enable shim.service", "restart shim.service"]);
        assert_eq!(standing(), Standing::Installed);
        // A command says the same of an engine that is not its own.
        world.shim(&["uninstall", "service"]);
        let done = world.json(&["install", "service"]);
        assert!(done["advice"].as_str().unwrap().contains(&format!("Engine {pid} runs already")), "{done}");
        fs::write(world.unit(), unit.replace("/p/shim", "/q/shim")).unwrap();
        assert_eq!(standing(), Standing::Broken);
        assert_eq!(engine.install(&service(false, false)).unwrap()[0].outcome, Outcome::Written);
        assert_eq!(fs::read_to_string(world.unit()).unwrap(), unit);
        let undone = engine.install(&service(true, false)).unwrap();
        assert_eq!((undone[0].outcome, world.unit().exists()), (Outcome::Written, false));
        assert_eq!(standing(), Standing::Absent);
        assert_eq!(engine.install(&service(true, false)).unwrap()[0].outcome, Outcome::Unchanged);
    }

    #[test]
    fn the_services_own_engine_does_not_have_itself_ended() {
        let world = World::new("p", true);
        assert!(world.shim(&["install", "service"]).status.success());
        let unit = fs::read_to_string(world.unit()).unwrap();
        let (_running, engine) = world.started(world.command(&["run", "--wait"]));
        fs::write(world.unit(), unit.replace("/p/shim", "/q/shim")).unwrap();
        world.called();
        let done = engine.install(&service(false, false)).unwrap();
        assert_eq!(world.called(), ["daemon-reload", "enable shim.service"]);
        assert!(done[0].advice.iter().any(|said| said.contains("its next start")), "{done:?}");
        assert_eq!(fs::read_to_string(world.unit()).unwrap(), unit);
        engine.install(&service(true, false)).unwrap();
        assert_eq!(world.called(), ["disable shim.service", "daemon-reload"]);
        assert!(!world.unit().exists());
        engine.status().unwrap();
    }

    #[test]
    fn a_unit_of_that_name_that_is_not_shims_is_left_alone() {
        let world = World::new("p", true);
        fs::create_dir_all(world.unit().parent().unwrap()).unwrap();
        fs::write(world.unit(), "[Service]\nExecStart=/bin/true\n").unwrap();
        for verb in ["install", "uninstall"] {
            let output = world.shim(&[verb, "service"]);
            assert!(!output.status.success());
            assert!(String::from_utf8_lossy(&output.stderr).contains("is there already"), "{output:?}");
        }
        assert_eq!(world.json(&["service", "status"])["foreign"], true);
        assert_eq!(fs::read_to_string(world.unit()).unwrap(), "[Service]\nExecStart=/bin/true\n");
        assert_eq!(world.called(), [""; 0]);
    }

    #[test]
    fn with_no_user_manager_the_unit_is_written_and_it_is_said_how_to_enable_it() {
        let world = World::new("p", false);
        let done = world.json(&["install", "service"]);
        assert_eq!(
            (done["outcome"].as_str(), done["commands"].as_array().unwrap().len()),
            (Some("installed"), 0)
        );
        let advice = done["advice"].as_str().unwrap();
        assert!(advice.contains("systemctl --user enable shim.service"), "{advice}");
        assert!(world.unit().is_file());
        assert_eq!(world.json(&["uninstall", "service"])["outcome"], "uninstalled");
        assert!(!world.unit().exists());
    }
}

#[test]
fn the_agent_of_launchd_is_a_property_list_that_says_what_is_meant() {
    let start = Start {
        program: "/Applications/S & <H> ü.app/Contents/MacOS/shim",
        home: Some("/Users/u/d \"q\" 'a'"),
        folder: "/Users/u/Library/LaunchAgents",
        log: "/Users/u/d/engine.stderr.log",
        user: "501",
    };
    let text = plan(System::Launchd, &start).unwrap().text;
    let read: plist::Value = plist::from_bytes(text.as_bytes()).unwrap();
    let agent = read.as_dictionary().unwrap();
    let words = |name: &str| {
        let list = agent[name].as_array().unwrap();
        list.iter().map(|word| word.as_string().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(words("ProgramArguments"), [start.program, "run", "--wait"]);
    let environment = agent["EnvironmentVariables"].as_dictionary().unwrap();
    assert_eq!(environment["SHIM_HOME"].as_string(), start.home);
    assert_eq!(agent["RunAtLoad"].as_boolean(), Some(true));
    assert_eq!(agent["KeepAlive"].as_dictionary().unwrap()["SuccessfulExit"].as_boolean(), Some(false));
    assert_eq!(agent["StandardErrorPath"].as_string(), Some(start.log));
}

/// Under a name of its own, and never run: this machine's own service stays as it is.
#[cfg(windows)]
#[test]
fn the_task_scheduler_takes_the_task() {
    let said =
        |arguments: &[&str]| std::process::Command::new("schtasks.exe").args(arguments).output().unwrap();
    let user = std::process::Command::new("whoami.exe").output().unwrap().stdout;
    let folder = tempfile::tempdir().unwrap();
    let user = String::from_utf8_lossy(&user);
    let start = Start {
        program: "C:\\R & D ü\\shim.exe",
        home: Some("D:\\d a\\"),
        folder: "",
        log: "",
        user: user.trim(),
    };
    let text = plan(System::Tasks, &start).unwrap().text;
    let name = format!("SHIM test {}", std::process::id());
    let create = |text: &str| {
        let file = folder.path().join("task.xml");
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        std::fs::write(&file, [0xff, 0xfe].into_iter().chain(units).collect::<Vec<_>>()).unwrap();
        said(&["/create", "/f", "/tn", &name, "/xml", file.to_str().unwrap()])
    };
    let taken = create(&text);
    let removed = said(&["/delete", "/f", "/tn", &name]);
    assert!(taken.status.success(), "{taken:?}");
    assert!(removed.status.success(), "{removed:?}");
    let broken = create(&text.replace("</Settings>", ""));
    assert!(!broken.status.success(), "{broken:?}");
}
