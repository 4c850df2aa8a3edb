//! Files that a power loss, a kill or a dropped disk tore, every form of them.

use std::fs;

use serde_json::{Value, json};
use shim_standin::client::wait;

use super::{STRICT, Sample, go_on, repaired, said, wait_until_known};
use crate::world::{WAIT, World, id};

/// A form, its bytes, what the model must be told, and what cannot be there any more.
type Form = (&'static str, Vec<u8>, &'static [&'static str], &'static [&'static str]);

fn forms(sample: &Sample) -> Vec<Form> {
    let end = sample.lines.len();
    let (beta, gamma) = (sample.line("assistant", "BETA"), sample.line("assistant", "GAMMA"));
    let (call, result) = (sample.line("assistant", "echo out-3"), sample.line("user", "\"out-3"));
    let cut = |at: usize, length: usize| sample.lines[at].as_bytes()[..length].to_vec();
    let cut_line = |at: usize| sample.with(at, |line| [&line.as_bytes()[..200], b"\n"].concat());
    let third = sample.line("user", "@@text GAMMA");
    let circle = |line: &str| {
        let mut record: Value = serde_json::from_str(line).unwrap();
        let last: Value = serde_json::from_str(&sample.lines[gamma]).unwrap();
        record["parentUuid"] = last["uuid"].clone();
        format!("{record}\n").into_bytes()
    };
    vec![
        ("cut last line", [sample.bytes(0..gamma), cut(gamma, 200)].concat(), &["ALPHA", "BETA"], &["GAMMA"]),
        (
            "cut tool result at the end",
            [sample.bytes(0..result), cut(result, 200)].concat(),
            &["BETA", "echo out-3"],
            &["GAMMA"],
        ),
        (
            "cut tool call at the end",
            [sample.bytes(0..call), cut(call, 200)].concat(),
            &["ALPHA", "BETA"],
            &["GAMMA"],
        ),
        ("cut tool call", cut_line(call), &["ALPHA", "BETA", "GAMMA"], &["echo out-3"]),
        ("cut tool result", cut_line(result), &["BETA", "echo out-3", "GAMMA"], &[]),
        (
            "garbage line",
            sample.with(beta, |line| format!("gar{{bage\n{line}\n").into_bytes()),
            &["ALPHA", "BETA", "GAMMA"],
            &[],
        ),
        ("NUL tail", [sample.whole(), vec![0; 4096]].concat(), &["ALPHA", "BETA", "GAMMA"], &[]),
        (
            "NULs before a record",
            sample.with(beta, |line| [&[0; 512][..], line.as_bytes(), b"\n"].concat()),
            &["ALPHA", "BETA", "GAMMA"],
            &[],
        ),
        (
            "missing parent",
            [sample.bytes(0..beta), sample.bytes(beta + 1..end)].concat(),
            &["ALPHA", "GAMMA"],
            &["BETA"],
        ),
        ("glued", sample.with(third - 1, |line| line.as_bytes().to_vec()), &["ALPHA", "BETA", "GAMMA"], &[]),
        (
            "cut and glued",
            sample.with(beta, |line| line.as_bytes()[..200].to_vec()),
            &["ALPHA", "GAMMA"],
            &["BETA"],
        ),
        (
            "circle",
            sample.with(sample.line("user", "@@text ALPHA"), circle),
            &["ALPHA", "BETA", "GAMMA"],
            &[],
        ),
        ("all twice", [sample.whole(), sample.whole()].concat(), &["ALPHA", "BETA", "GAMMA"], &[]),
    ]
}

#[test]
fn every_torn_form_is_repaired_and_the_real_client_goes_on_with_it() {
    let world = World::new();
    let sample = Sample::play(&world);
    world.standin.hold_to(STRICT);
    for (name, bytes, there, gone) in forms(&sample) {
        let (session_id, path) = sample.plant(&world, &bytes);
        let before = fs::read(&path).unwrap();
        wait_until_known(&world, &session_id);
        let rehearsal = world.json(&["repair", &id(&session_id), "--dry-run"]);
        assert_eq!(
            (&rehearsal["ok"], &rehearsal["copy"]),
            (&json!(true), &Value::Null),
            "{name}: {rehearsal}"
        );
        let copy = repaired(&world, &session_id);
        let (request, answered) = go_on(&world, &sample.cwd, &copy, "@@text DELTA");
        assert!(answered, "{name}: {request:?}");
        let request = request.unwrap();
        for words in there {
            assert!(said(&request).contains(words), "{name}: {words} is not in {}", request.text());
        }
        for words in gone {
            assert!(!said(&request).contains(words), "{name}: {words} is in {}", request.text());
        }
        if name == "cut tool result" {
            assert!(request.text().contains("its outcome is unknown"), "{}", request.text());
        }
        assert_eq!(fs::read(&path).unwrap(), before, "{name}: the original stays as it is");
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn what_the_file_lost_comes_back_from_the_journal() {
    let mut world = World::new();
    let sample = Sample::play(&world);
    world.standin.hold_to(STRICT);
    let beta = sample.line("assistant", "BETA");
    let damages: [(&str, Vec<u8>); 4] = [
        ("cut short", sample.bytes(0..beta)),
        ("NULs over two records", sample.with(beta, |line| vec![0; line.len()])),
        ("emptied", Vec::new()),
        ("garbage", sample.with(beta, |_| b"\xff\xfe{{\n".to_vec())),
    ];
    for (name, bytes) in damages {
        let (session_id, path) = sample.plant(&world, &sample.whole());
        wait_until_known(&world, &session_id);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, super::renamed(&bytes, &sample.session_id, &session_id)).unwrap();
        wait_until_known(&world, &session_id);
        let examined = world.json(&["examine", &id(&session_id)]);
        assert!(examined["findings"].to_string().contains("\"lost\""), "{name}: {examined}");
        let copy = repaired(&world, &session_id);
        assert_eq!(world.transcript(&copy), super::renamed(&whole, &session_id, &copy), "{name}");
        let (request, answered) = go_on(&world, &sample.cwd, &copy, "@@text DELTA");
        assert!(answered && said(&request.unwrap()).contains("BETA"), "{name}");
        // The same in place, byte for byte.
        let refused = world.shim(&["repair", &id(&session_id), "--in-place"]);
        assert!(!refused.status.success() && fs::read(&path).unwrap() != whole, "{name}: {refused:?}");
        let report = world.json(&["repair", &id(&session_id), "--in-place", "--yes"]);
        assert_eq!(report["ok"], json!(true), "{name}: {report}");
        assert_eq!(fs::read(&path).unwrap(), whole, "{name}");
        let aside = fs::read_dir(world.shim_home.join("backups")).unwrap().count();
        assert!(aside > 0, "{name}: a copy is put aside");
    }
    assert!(world.stop_shim().success());
}

#[test]
fn a_torn_file_is_a_crash_that_a_restore_mends() {
    let mut world = World::without_shim();
    world.settings("watch.sweep_seconds = 1");
    world.start_shim();
    let sample = Sample::play(&world);
    world.standin.hold_to(STRICT);
    let beta = sample.line("assistant", "BETA");
    world.wait_until_kept(&sample.session_id);
    let path = world.home.transcript(&sample.session_id).unwrap();
    fs::write(&path, sample.with(beta, |line| vec![0; line.len() + 1])).unwrap();
    let crash = world.wait_for_crash(&sample.session_id);
    assert_eq!(crash["kind"], json!("torn"), "{crash}");
    let receipt = world.restore(&sample.session_id, &["--headless"]);
    assert_eq!(
        (&receipt["ok"], &receipt["fork_of"]),
        (&json!(true), &json!(id(&sample.session_id))),
        "{receipt}"
    );
    let copy = receipt["chat"].as_str().unwrap().split_once(':').unwrap().1.to_owned();
    assert_eq!(world.transcript(&copy), super::renamed(&sample.whole(), &sample.session_id, &copy));
    let resolved = wait(WAIT, "the crash to be history", || {
        (world.crashes_of(&sample.session_id)[0]["resolved"] == json!(true)).then_some(())
    });
    resolved.unwrap();
}

#[test]
fn a_running_chat_is_not_repaired_in_place() {
    let world = World::new();
    let cwd = world.home.project("p").unwrap();
    let session_id = world.finished_chat(&cwd, "@@text ALPHA");
    let path = world.home.transcript(&session_id).unwrap();
    let mut start = shim_standin::client::Start::new(&cwd, "@@slow 2000 0.05 1");
    start.session_id.clone_from(&session_id);
    start.resume = true;
    let mut chat = shim_standin::client::Headless::start(&world.home, &start).unwrap();
    chat.wait_for_words(WAIT, 3).unwrap();
    world.wait_for_state(&session_id, "working");
    fs::File::options()
        .append(true)
        .open(&path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"garbage\n"))
        .unwrap();
    let report = world.json(&["repair", &id(&session_id), "--in-place", "--yes"]);
    assert_eq!(
        (&report["ok"], &report["refused"]["reason"]),
        (&json!(false), &json!("still_alive")),
        "{report}"
    );
    chat.kill().unwrap();
}
