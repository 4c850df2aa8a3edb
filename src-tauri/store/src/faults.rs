//! Places where a test lets the engine die at once, to see that its next start finishes or undoes what was half
//! done. Each has its name here; released builds have none of it.

/// Every place, in the order in which a death and a restore come by.
pub const BOUNDARIES: [&str; 33] = [
    "journal.piece.before",
    "journal.piece.after",
    "commit.before",
    "commit.after",
    "crash.before",
    "crash.recorded",
    "crash.after",
    "checkpoint.before",
    "checkpoint.after",
    "restore.before",
    "restore.numbered",
    "restore.allowed",
    "restore.look_around.after",
    "restore.end_orphans.before",
    "restore.end_orphans.noted",
    "restore.end_orphans.after",
    "restore.transcript.before",
    "restore.transcript.after",
    "restore.context.before",
    "restore.context.after",
    "restore.count.after",
    "restore.start.before",
    "restore.start.marked",
    "restore.start.spawned",
    "restore.start.after",
    "restore.await.after",
    "restore.compare.before",
    "restore.compare.after",
    "restore.ended",
    "restore.receipt.before",
    "restore.receipt.after",
    "resolve.before",
    "resolve.after",
];

/// Every place in what else SHIM does to processes, to a user's files and in a user's repository.
pub const BESIDE: [&str; 23] = [
    "restore.hung.noted",
    "restore.hung.ended",
    "stop.noted",
    "stop.remembered",
    "stop.asked",
    "stop.ended",
    "stop.recorded",
    "policy.begun",
    "policy.ended",
    "fleet.item.begun",
    "fleet.item.ended",
    "snapshot.begun",
    "snapshot.indexed",
    "snapshot.committed",
    "snapshot.referred",
    "snapshot.noted",
    "workspace.noted",
    "workspace.removed",
    "workspace.put",
    "repair.noted",
    "repair.replaced",
    "undelete.noted",
    "undelete.replaced",
];

/// Names the file in which a test writes where the engine dies: a name of the list, and how often it comes by
/// before it does, such as `commit.after 3`.
#[cfg(debug_assertions)]
const VARIABLE: &str = "SHIM_TEST_DIE_AT";

/// Dies here if a test wants it.
#[cfg(debug_assertions)]
pub fn boundary(name: &str) {
    use std::sync::{LazyLock, Mutex, PoisonError};

    static FILE: LazyLock<Option<std::ffi::OsString>> = LazyLock::new(|| std::env::var_os(VARIABLE));
    static PASSED: Mutex<u32> = Mutex::new(0);
    debug_assert!(
        BOUNDARIES.contains(&name) || BESIDE.contains(&name),
        "{name} is not on the list of boundaries"
    );
    let Some(wanted) = FILE.as_ref().and_then(|file| std::fs::read_to_string(file).ok()) else { return };
    let mut words = wanted.split_whitespace();
    if words.next() != Some(name) {
        return;
    }
    let times = words.next().and_then(|times| times.parse().ok()).unwrap_or(1);
    let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    *passed += 1;
    if *passed >= times {
        eprintln!("dies at {name}, as a test wants it");
        std::process::abort();
    }
}

#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn boundary(_name: &str) {}

/// What a test has this life of the machine be called: the text of the file that this variable names.
#[cfg(debug_assertions)]
pub fn other_boot() -> Option<String> {
    let file = std::env::var_os("SHIM_TEST_BOOT")?;
    std::fs::read_to_string(file).ok()
}

#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn other_boot() -> Option<String> {
    None
}
