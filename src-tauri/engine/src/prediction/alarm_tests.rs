//! What an alarm causes, and a word about memory: a watch with a chat in danger, and the checkpoints on its disk.

use std::{path::Path, sync::Arc};

use shim_core::{
    chats::{ChatId, Client, ProcessKey},
    checkpoints::Trigger,
    time::Timestamp,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clients::Transcript,
    home::Home,
    metrics::Metrics,
    run::{Handle, Tasks, Watch},
};

const SESSION: &str = "11111111-1111-4111-8111-111111111111";
const TRANSCRIPT: &str = include_str!("../../../../tests/data/claude/clean.jsonl");
/// One answer of the transcript is danger already.
const SETTINGS: &str = "risk.danger.messages = 1\nrisk.danger.context_percent = 1\n";

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_ms(minute * 60_000)
}

fn chat() -> ChatId {
    ChatId::new(Client::ClaudeCode, SESSION)
}

/// The chat, and a process that no system has.
fn living() -> Vec<(ChatId, ProcessKey)> {
    vec![(chat(), ProcessKey { pid: 0x7fff_fff0, start: "77".to_owned() })]
}

/// A watch that nobody runs, whose draw at this moment is as wanted.
fn watch(runtime: &tokio::runtime::Runtime, folder: &Path, held_out: bool, at: Timestamp) -> Watch {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("config.toml"), SETTINGS).unwrap();
    let home = Arc::new(Home::open(folder).unwrap());
    let (inputs, _) = std::sync::mpsc::channel();
    let handle = Handle::new(Arc::clone(&home), inputs, Metrics::default());
    let tasks = Tasks {
        runtime: runtime.handle().clone(),
        tracker: TaskTracker::new(),
        stop: CancellationToken::new(),
    };
    let mut watch = Watch::open(home, handle, tasks, true).unwrap();
    watch.foresight.salt = salt(held_out, at);
    let path = folder.join(format!("{SESSION}.jsonl"));
    std::fs::write(&path, TRANSCRIPT).unwrap();
    watch.catch_up_wholly(&Transcript { path, chat: chat(), sub_agent: String::new() });
    watch
}

fn salt(held_out: bool, at: Timestamp) -> String {
    let drawn = |salt: &String| super::Alarm::default().is_held_out(salt, &chat(), at);
    (0..).map(|number| number.to_string()).find(|salt| drawn(salt) == held_out).unwrap()
}

/// Checkpoints on disk that danger is a reason of.
fn of_danger(watch: &mut Watch) -> usize {
    watch.take_what_waits();
    watch.settle();
    let rows = watch.home.store.read(|store| store.checkpoints(&chat())).unwrap();
    let is_of_danger = |row: &&shim_store::CheckpointRow| {
        row.checkpoint.trigger == Trigger::DangerRisk || row.checkpoint.also.contains(&Trigger::DangerRisk)
    };
    rows.iter().filter(is_of_danger).count()
}

/// Of each alarm that was said, when, and whether it was acted on.
fn said(watch: &mut Watch) -> Vec<(i64, bool)> {
    watch.settle();
    let rows = watch.home.store.read(|store| store.predictions(Client::ClaudeCode)).unwrap();
    let alarms = rows.into_iter().filter(|row| row.alarm);
    alarms.map(|row| (row.at.ms() / 60_000, row.acted)).collect()
}

#[test]
fn a_danger_that_is_held_out_takes_no_checkpoint_and_any_other_does() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (name, held_out) in [("held-out", true), ("acted-on", false)] {
        let at = minute(10);
        let mut watch = watch(&runtime, &folder.path().join(name), held_out, at);
        assert_eq!(of_danger(&mut watch), 0);
        // The zones see it first, with a reading.
        watch.follow(&living(), at);
        assert_eq!(of_danger(&mut watch), usize::from(!held_out), "{name}");
        // The alarm is said a moment later and again while it stays up. It was drawn once for all of these.
        for minute_of in 11..60 {
            watch.foresight.salt = salt(!held_out, minute(minute_of));
            watch.predict(living(), minute(minute_of));
        }
        let wanted = [11, 26, 41, 56].map(|minute| (minute, !held_out));
        assert_eq!(said(&mut watch), wanted, "{name}");
        assert_eq!(of_danger(&mut watch) > 0, !held_out, "{name}");
    }
}

#[test]
fn an_engine_that_begins_anew_leaves_a_held_out_danger_alone() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let at = crate::run::now();
    let mut first = watch(&runtime, folder.path(), true, at);
    first.predict(living(), at);
    first.follow(&living(), at);
    first.predict(living(), at);
    assert_eq!(said(&mut first).len(), 1);
    drop(first);
    let later = at.plus(std::time::Duration::from_secs(600));
    let mut second = watch(&runtime, folder.path(), false, later);
    second.follow(&living(), later);
    assert_eq!(of_danger(&mut second), 0);
}

/// A process whose group may take 64 MiB and takes nearly all of it, in a file that lies in memory.
#[cfg(target_os = "linux")]
struct Crowded {
    child: std::process::Child,
    group: std::path::PathBuf,
    file: std::path::PathBuf,
}

#[cfg(target_os = "linux")]
impl Crowded {
    /// `None` where no memory group may be made.
    fn make() -> Option<Self> {
        let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = own.lines().find_map(|line| line.split_once(":memory:"))?.1.to_owned();
        let name = format!("shim-crowded-{}", std::process::id());
        let group = Path::new("/sys/fs/cgroup/memory").join(own.trim_start_matches('/')).join(&name);
        std::fs::create_dir(&group).ok()?;
        std::fs::write(group.join("memory.limit_in_bytes"), (64 << 20).to_string()).unwrap();
        let file = Path::new("/dev/shm").join(name);
        let fill = "echo $$ > $1/cgroup.procs; head -c 64000000 /dev/zero > $2; echo full; exec sleep 60";
        let mut command = std::process::Command::new("sh");
        command.args(["-c", fill, "sh"]).args([&group, &file]).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = [0; 5];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut said).unwrap();
        Some(Self { child, group, file })
    }
}

#[cfg(target_os = "linux")]
impl Drop for Crowded {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
        let _ = (std::fs::remove_file(&self.file), std::fs::remove_dir(&self.group));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_group_whose_memory_runs_out_is_told_whatever_was_drawn_for_alarms() {
    let Some(crowded) = Crowded::make() else {
        return eprintln!("no memory group may be made here: not tried");
    };
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut watch = watch(&runtime, folder.path(), true, minute(10));
    let mut told = watch.handle.events.subscribe();
    let living = vec![(chat(), ProcessKey { pid: crowded.child.id(), start: String::new() })];
    watch.readings.insert(chat(), shim_core::readings::Reading::default());
    watch.host.memory_total = 1 << 40;
    watch.host.memory_available = 1 << 39;
    watch.look_at_memory(&living);
    let notice = std::iter::from_fn(|| told.try_recv().ok()).find_map(|event| match event {
        shim_api::events::Event::Notice { chat: of, what, .. } => Some((of, what)),
        _ => None,
    });
    let (of, what) = notice.unwrap();
    assert_eq!(of, Some(chat()));
    let shim_api::notices::Said::GroupFills { chats: 1, memory } = what else { panic!("{what:?}") };
    assert!(memory.percent > 0 && memory.used_mib > 0, "{memory:?}");
    assert_eq!(of_danger(&mut watch), 1);
}
