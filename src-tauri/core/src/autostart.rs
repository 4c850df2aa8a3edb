//! What starts the engine when its user logs in: the texts of a systemd user unit, a launchd agent and a task
//! of Windows, and the commands that put them to use. Nothing is written or run from here.

use std::fmt::Write;

/// Stands in each definition that SHIM wrote. One without it is somebody else's and left alone.
const MARK: &str = "Written by `shim install service`; `shim uninstall service` removes it.";

const UNIT: &str = "shim.service";
const LABEL: &str = "dev.shim.engine";
const TASK: &str = "SHIM engine";
const ABOUT: &str = "SHIM's engine, which keeps AI chats alive";

/// What an engine that is kept running is started as.
const ARGUMENTS: [&str; 2] = ["run", "--wait"];

/// Characters that systemd refuses in a program's path.
const NOT_IN_A_UNIT: [char; 3] = ['\\', '"', '\''];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    Systemd,
    Launchd,
    /// Windows' Task Scheduler. A service of Windows runs as another user, who has none of the chats.
    Tasks,
}

impl System {
    pub fn name(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Launchd => "launchd",
            Self::Tasks => "the Task Scheduler",
        }
    }
}

/// Whom the engine is started for, and how.
#[derive(Clone, Debug)]
pub struct Start<'a> {
    /// SHIM's own program.
    pub program: &'a str,
    /// The data folder, where it is not the one that SHIM would use by itself.
    pub home: Option<&'a str>,
    /// The folder in which the system looks for definitions; for Windows one to hand the definition over in.
    pub folder: &'a str,
    /// Where launchd lets the engine write what it says.
    pub log: &'a str,
    /// As the system knows the user: the number for launchd, `DOMAIN\name` for Windows.
    pub user: &'a str,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path} cannot be written into a definition of {system}: it has {what} in it; put SHIM elsewhere", system = system.name())]
pub struct Unwritable {
    pub system: System,
    pub path: String,
    pub what: &'static str,
}

/// What makes the engine start, in this order: the file, then the commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub system: System,
    pub file: String,
    pub text: String,
    /// Whether the system reads the file each time; else it is handed over once and not needed any more.
    pub stays: bool,
    /// Succeeds where the system can be spoken to.
    pub reach: Vec<Command>,
    /// Prints the definition that the system has taken in; for those that keep none of the files.
    pub show: Option<Command>,
    pub enable: Vec<Command>,
    /// As `enable`, and what runs goes on as it is: for when the engine that carries it out is what runs.
    pub renew: Vec<Command>,
    /// Before the file is removed.
    pub disable: Vec<Command>,
    /// As `disable`, and what runs goes on.
    pub unhook: Vec<Command>,
    /// After the file is removed.
    pub forget: Vec<Command>,
    pub start: Vec<Command>,
    pub stop: Vec<Command>,
    /// Succeeds while the system keeps the engine running.
    pub state: Command,
}

pub type Command = Vec<String>;

/// Whether a definition is one of SHIM's.
pub fn is_ours(text: &str) -> bool {
    text.contains(MARK)
}

pub fn plan(system: System, start: &Start<'_>) -> Result<Plan, Unwritable> {
    for path in [Some(start.program), start.home, Some(start.log)].into_iter().flatten() {
        let refused = |what| Err(Unwritable { system, path: path.to_owned(), what });
        if path.chars().any(char::is_control) {
            return refused("a control character");
        }
        if system == System::Tasks && (path.contains('%') || path.contains("$(")) {
            return refused("what the Task Scheduler takes for a variable");
        }
    }
    Ok(match system {
        System::Systemd => systemd(start),
        System::Launchd => launchd(start),
        System::Tasks => tasks(start),
    })
}

fn systemd(start: &Start<'_>) -> Plan {
    let systemctl = |words: &[&str]| command(&[&["systemctl", "--user"], words].concat());
    Plan {
        system: System::Systemd,
        file: format!("{}/{UNIT}", start.folder),
        text: unit(start),
        stays: true,
        reach: vec![systemctl(&["show-environment"])],
        show: None,
        enable: vec![
            systemctl(&["daemon-reload"]),
            systemctl(&["enable", UNIT]),
            systemctl(&["restart", UNIT]),
        ],
        renew: vec![systemctl(&["daemon-reload"]), systemctl(&["enable", UNIT])],
        disable: vec![systemctl(&["disable", "--now", UNIT])],
        unhook: vec![systemctl(&["disable", UNIT])],
        forget: vec![systemctl(&["daemon-reload"])],
        start: vec![systemctl(&["start", UNIT])],
        stop: vec![systemctl(&["stop", UNIT])],
        state: systemctl(&["is-active", "--quiet", UNIT]),
    }
}

/// Chats that were restored run below the engine and inherit what the unit sets: fencing in the engine
/// would fence them in. For the same reason they are not ended with it.
fn unit(start: &Start<'_>) -> String {
    let home = start.home.map(|home| format!("Environment={}\n", quoted(&format!("SHIM_HOME={home}"))));
    format!(
        "# {MARK}\n\
         [Unit]\n\
         Description={ABOUT}\n\
         StartLimitIntervalSec=300\n\
         StartLimitBurst=10\n\
         \n\
         [Service]\n\
         Type=exec\n\
         ExecStart={line}\n\
         {home}\
         Restart=on-failure\n\
         RestartSec=2\n\
         # Restored chats are children of the engine: they outlive it, one that takes too much memory does not\n\
         # end it, and they may do what they could before, so that nothing here restricts them.\n\
         KillMode=process\n\
         OOMPolicy=continue\n\
         \n\
         [Install]\n\
         WantedBy=default.target\n",
        line = exec_line(start.program),
        home = home.unwrap_or_default(),
    )
}

fn exec_line(program: &str) -> String {
    let arguments = ARGUMENTS.join(" ");
    if program.contains(NOT_IN_A_UNIT) {
        let script = quoted(&format!("exec \"$0\" {arguments}")).replace('$', "$$");
        return format!("/bin/sh -c {script} {}", quoted(program).replace('$', "$$"));
    }
    format!("{} {arguments}", quoted(program))
}

/// In systemd's quotes. A `$` is doubled by the caller where variables are filled in: in arguments only.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%"))
}

fn launchd(start: &Start<'_>) -> Plan {
    let file = format!("{}/{LABEL}.plist", start.folder);
    let domain = format!("gui/{}", start.user);
    let target = format!("{domain}/{LABEL}");
    let launchctl = |words: &[&str]| command(&[&["launchctl"], words].concat());
    Plan {
        system: System::Launchd,
        text: agent(start),
        stays: true,
        reach: vec![launchctl(&["print", &domain])],
        show: None,
        enable: vec![
            // One that was told to stay away once would not be taken in.
            launchctl(&["enable", &target]),
            launchctl(&["bootstrap", &domain, &file]),
        ],
        // The file is read anew at the next login.
        renew: vec![launchctl(&["enable", &target])],
        disable: vec![launchctl(&["bootout", &target])],
        unhook: Vec::new(),
        forget: Vec::new(),
        start: vec![launchctl(&["kickstart", &target])],
        stop: vec![launchctl(&["kill", "SIGTERM", &target])],
        state: launchctl(&["print", &target]),
        file,
    }
}

/// `AbandonProcessGroup` and `ProcessType` are for the restored chats below the engine: they are not ended
/// with it, and not slowed down as work in the background.
fn agent(start: &Start<'_>) -> String {
    let words = [start.program].into_iter().chain(ARGUMENTS);
    let words: String = words.map(|word| format!("    <string>{}</string>\n", escaped(word))).collect();
    let home = start.home.map(|home| {
        format!(
            "  <key>EnvironmentVariables</key>\n  <dict>\n    <key>SHIM_HOME</key>\n    <string>{}</string>\n  </dict>\n",
            escaped(home)
        )
    });
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <!-- {MARK} -->\n\
         <plist version=\"1.0\">\n<dict>\n\
         \x20 <key>Label</key>\n  <string>{LABEL}</string>\n\
         \x20 <key>ProgramArguments</key>\n  <array>\n{words}  </array>\n\
         {home}\
         \x20 <key>RunAtLoad</key>\n  <true/>\n\
         \x20 <key>KeepAlive</key>\n  <dict>\n    <key>SuccessfulExit</key>\n    <false/>\n  </dict>\n\
         \x20 <key>AbandonProcessGroup</key>\n  <true/>\n\
         \x20 <key>ProcessType</key>\n  <string>Interactive</string>\n\
         \x20 <key>LimitLoadToSessionType</key>\n  <string>Aqua</string>\n\
         \x20 <key>StandardErrorPath</key>\n  <string>{log}</string>\n\
         </dict>\n</plist>\n",
        home = home.unwrap_or_default(),
        log = escaped(start.log),
    )
}

fn tasks(start: &Start<'_>) -> Plan {
    let file = format!("{}\\autostart.xml", start.folder);
    let schtasks = |words: &[&str]| command(&[&["schtasks.exe"], words].concat());
    Plan {
        system: System::Tasks,
        text: task(start),
        stays: false,
        reach: Vec::new(),
        show: Some(schtasks(&["/query", "/tn", TASK, "/xml"])),
        enable: vec![
            schtasks(&["/create", "/f", "/tn", TASK, "/xml", &file]),
            schtasks(&["/run", "/tn", TASK]),
        ],
        renew: vec![schtasks(&["/create", "/f", "/tn", TASK, "/xml", &file])],
        disable: vec![schtasks(&["/end", "/tn", TASK]), schtasks(&["/delete", "/f", "/tn", TASK])],
        unhook: vec![schtasks(&["/delete", "/f", "/tn", TASK])],
        forget: Vec::new(),
        start: vec![schtasks(&["/change", "/enable", "/tn", TASK]), schtasks(&["/run", "/tn", TASK])],
        // Enabled, it would be started again within a minute.
        stop: vec![schtasks(&["/change", "/disable", "/tn", TASK]), schtasks(&["/end", "/tn", TASK])],
        state: schtasks(&["/query", "/tn", TASK]),
        file,
    }
}

/// The Task Scheduler starts a program that failed only where it could not be started at all: what starts
/// the engine again is the repetition, passed over while one runs. `conhost --headless` gives it a console
/// without a window.
fn task(start: &Start<'_>) -> String {
    let mut arguments = format!("--headless {}", in_quotes(start.program));
    if let Some(home) = start.home {
        // Writing into a string does not fail.
        let _ = write!(arguments, " --home {}", in_quotes(home));
    }
    let _ = write!(arguments, " {}", ARGUMENTS.join(" "));
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-16\"?>\r\n");
    text.push_str(
        "<Task version=\"1.2\" xmlns=\"http://schemas.microsoft.com/windows/2004/02/mit/task\">\r\n",
    );
    for line in [
        "<RegistrationInfo>",
        "  <Author>SHIM</Author>",
        &format!("  <Description>{}. {}</Description>", escaped(ABOUT), escaped(MARK)),
        "</RegistrationInfo>",
        "<Triggers>",
        "  <LogonTrigger>",
        "    <Repetition>",
        "      <Interval>PT1M</Interval>",
        "      <StopAtDurationEnd>false</StopAtDurationEnd>",
        "    </Repetition>",
        "    <Enabled>true</Enabled>",
        &format!("    <UserId>{}</UserId>", escaped(start.user)),
        "  </LogonTrigger>",
        "</Triggers>",
        "<Principals>",
        "  <Principal id=\"Author\">",
        &format!("    <UserId>{}</UserId>", escaped(start.user)),
        "    <LogonType>InteractiveToken</LogonType>",
        "    <RunLevel>LeastPrivilege</RunLevel>",
        "  </Principal>",
        "</Principals>",
        "<Settings>",
        "  <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>",
        "  <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>",
        "  <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>",
        "  <AllowHardTerminate>true</AllowHardTerminate>",
        "  <StartWhenAvailable>true</StartWhenAvailable>",
        "  <RunOnlyIfNetworkAvailable>false</RunOnlyIfNetworkAvailable>",
        "  <AllowStartOnDemand>true</AllowStartOnDemand>",
        "  <Enabled>true</Enabled>",
        "  <Hidden>false</Hidden>",
        "  <RunOnlyIfIdle>false</RunOnlyIfIdle>",
        "  <WakeToRun>false</WakeToRun>",
        "  <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>",
        "  <Priority>5</Priority>",
        "</Settings>",
        "<Actions Context=\"Author\">",
        "  <Exec>",
        "    <Command>%SystemRoot%\\System32\\conhost.exe</Command>",
        &format!("    <Arguments>{}</Arguments>", escaped(&arguments)),
        "  </Exec>",
        "</Actions>",
    ] {
        let _ = write!(text, "  {line}\r\n");
    }
    text + "</Task>\r\n"
}

/// A path in quotes, as Windows programs take their command line apart. Paths have no quotes; backslashes
/// before the closing one are doubled.
fn in_quotes(path: &str) -> String {
    let last = path.chars().rev().take_while(|character| *character == '\\').count();
    format!("\"{path}{}\"", "\\".repeat(last))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn command(words: &[&str]) -> Command {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Start, System, is_ours, plan};

    fn start<'a>(program: &'a str, home: Option<&'a str>) -> Start<'a> {
        Start { program, home, folder: "/f", log: "/d/<log>", user: "501" }
    }

    fn text(system: System, start: &Start<'_>) -> String {
        let text = plan(system, start).unwrap().text;
        assert!(is_ours(&text), "{text}");
        text
    }

    #[test]
    fn systemd_gets_any_path_in_its_own_quotes() {
        for (program, home, line, environment) in [
            ("/usr/bin/shim", None, r#"ExecStart="/usr/bin/shim" run --wait"#, None),
            (
                "/o p/ü & $x 100%/shim",
                Some("/d a/$x 100% \"q\" \\"),
                r#"ExecStart="/o p/ü & $x 100%%/shim" run --wait"#,
                Some(r#"Environment="SHIM_HOME=/d a/$x 100%% \"q\" \\""#),
            ),
            (
                "/it's $x/shim",
                None,
                r#"ExecStart=/bin/sh -c "exec \"$$0\" run --wait" "/it's $$x/shim""#,
                None,
            ),
        ] {
            let text = text(System::Systemd, &start(program, home));
            let named = |name: &str| text.lines().find(|line| line.starts_with(name));
            assert_eq!(named("ExecStart="), Some(line));
            assert_eq!(named("Environment="), environment);
        }
    }

    #[test]
    fn launchd_gets_any_path_as_xml() {
        let text = text(System::Launchd, &start("/Applications/S & <H>.app/shim", Some("/d \"q\"")));
        for part in [
            "<string>/Applications/S &amp; &lt;H&gt;.app/shim</string>\n    <string>run</string>\n    <string>--wait</string>",
            "<key>SHIM_HOME</key>\n    <string>/d &quot;q&quot;</string>",
            "<key>StandardErrorPath</key>\n  <string>/d/&lt;log&gt;</string>",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("--wait --"), "a comment of XML would end there");
    }

    #[test]
    fn a_task_of_windows_gets_any_path_in_quotes_and_as_xml() {
        let start =
            Start {
                program: "C:\\R & D\\shim.exe", home: Some("D:\\"), user: "PC\\Ünï", ..start("", None)
            };
        let text = text(System::Tasks, &start);
        for part in [
            "<Arguments>--headless &quot;C:\\R &amp; D\\shim.exe&quot; --home &quot;D:\\\\&quot; run --wait</Arguments>",
            "<UserId>PC\\Ünï</UserId>",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_refused_with_the_path() {
        for (system, program, words) in [
            (
                System::Systemd,
                "/a\nb",
                "/a\nb cannot be written into a definition of systemd: it has a control character in it",
            ),
            (System::Tasks, "C:\\100%\\shim.exe", "takes for a variable"),
            (System::Tasks, "C:\\$(a)\\shim.exe", "takes for a variable"),
        ] {
            let error = plan(system, &start(program, None)).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn the_commands_name_what_was_written() {
        let lines =
            |commands: &[Vec<String>]| commands.iter().map(|words| words.join(" ")).collect::<Vec<_>>();
        let agent = plan(System::Launchd, &start("/shim", None)).unwrap();
        assert_eq!(agent.file, "/f/dev.shim.engine.plist");
        assert_eq!(
            lines(&agent.enable),
            [
                "launchctl enable gui/501/dev.shim.engine",
                "launchctl bootstrap gui/501 /f/dev.shim.engine.plist"
            ]
        );
        let unit = plan(System::Systemd, &start("/shim", None)).unwrap();
        assert_eq!(unit.file, "/f/shim.service");
        assert_eq!(lines(&unit.disable), ["systemctl --user disable --now shim.service"]);
        let task = plan(System::Tasks, &start("/shim", None)).unwrap();
        assert_eq!(
            lines(&task.stop),
            ["schtasks.exe /change /disable /tn SHIM engine", "schtasks.exe /end /tn SHIM engine"]
        );
    }
}
