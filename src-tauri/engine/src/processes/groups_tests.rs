//! Groups of both versions as files, and a real one where it can be made.

use std::{fs, path::Path};

use super::{GroupMemory, smallest};

const MACHINE: u64 = 8_000_000_000;
const V1: &str = "9:name=systemd:/\n4:cpu,memory:/a/b\n0::/\n";
const V2: &str = "0::/a/b\n";

fn write(folder: &Path, name: &str, text: &str) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(name), text).unwrap();
}

#[test]
fn the_smallest_limit_up_the_tree_counts_in_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let none = "9223372036854771712\n";
    for (path, one, two) in [
        ("", none, "max\n"),
        ("a", "2000000000\n", "2000000000\n"),
        ("a/b", "3000000000\n", "max\n"),
        ("a/b/c", none, "100000000000\n"),
        ("d", none, "max\n"),
    ] {
        let (first, second) = (root.join("memory").join(path), root.join(path));
        write(&first, "memory.limit_in_bytes", one);
        write(&first, "memory.usage_in_bytes", "1500000000\n");
        write(&first, "memory.stat", "cache 1\ninactive_file 7\ntotal_inactive_file 500000000\n");
        write(&second, "memory.max", two);
        write(&second, "memory.current", "1500000000\n");
        write(&second, "memory.stat", "anon 1\ninactive_file 500000000\nactive_file 7\n");
    }
    let of = |own: &str| smallest(root, own, MACHINE).and_then(|group| group.read());
    let wanted = Some(GroupMemory { used: 1_000_000_000, limit: 2_000_000_000 });
    for own in [V1, V2, "0::/a/b/c\n", "0::/a\n", "4:memory:/a/b/c/gone\n", "0::/a/gone/too\n"] {
        assert_eq!(of(own), wanted, "{own}");
    }
    // No limit, or one beyond the machine; a group of another namespace; nonsense.
    for own in [
        "0::/d\n",
        "4:memory:/d\n",
        "0::/\n",
        "0::/../x\n",
        "4:memory:/a/../b\n",
        "",
        "x\n0:\n",
        "7:cpu:/a\n",
    ] {
        assert_eq!(of(own), None, "{own:?}");
    }
    assert_eq!(smallest(root, V1, 1_000_000_000), None);
    let group = smallest(root, V2, MACHINE).unwrap();
    fs::write(root.join("a/memory.max"), "max\n").unwrap();
    assert_eq!(group.read(), None, "the limit was taken away");
}

#[cfg(target_os = "linux")]
#[test]
fn a_real_groups_limit_is_that_of_the_process_in_it() {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let path = own.lines().find_map(|line| line.split_once(":memory:")).map_or("", |(_, path)| path);
    let folder = Path::new("/sys/fs/cgroup/memory").join(path.trim_start_matches('/'));
    let folder = folder.join(format!("shim-groups-{}", std::process::id()));
    if path.is_empty() || fs::create_dir(&folder).is_err() {
        return eprintln!("no memory group may be made here: not tried");
    }
    fs::write(folder.join("memory.limit_in_bytes"), "536870912").unwrap();
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let before = super::memory_group(child.id(), u64::MAX >> 2).and_then(|group| group.read());
    fs::write(folder.join("cgroup.procs"), child.id().to_string()).unwrap();
    let found = super::memory_group(child.id(), u64::MAX >> 2).and_then(|group| group.read());
    child.kill().unwrap();
    child.wait().unwrap();
    fs::remove_dir(&folder).unwrap();
    assert_eq!(found.map(|memory| memory.limit), Some(536_870_912));
    assert_ne!(before, found);
    assert!(found.is_some_and(|memory| memory.used < memory.limit));
}
