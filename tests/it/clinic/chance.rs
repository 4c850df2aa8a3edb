//! Transcripts of the real client damaged by chance, the same each time: every one is repaired, found well or refused
//! with a reason, and whatever is not refused goes on in the real client.

use std::fs;

use fastrand::Rng;
use serde_json::{Value, json};

use super::{STRICT, Sample, go_on, said, wait_until_known};
use crate::world::{World, id};

const SEED: u64 = 4;
const DAMAGED: usize = 12;
/// Harms done to one transcript, at most.
const HARMS_MAX: usize = 3;

/// A place in the file: of a line, and so far into it. What the client writes is some bytes longer or shorter each
/// time, so places are told in shares.
fn place(dice: &mut Rng, lines: &[Vec<u8>]) -> (usize, usize) {
    let line = dice.usize(..1000) * lines.len() / 1000;
    (line, dice.usize(..1000) * lines[line].len() / 1000)
}

/// Does one harm. Gives its name.
fn harm(dice: &mut Rng, bytes: &mut Vec<u8>) -> String {
    let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let (what, (line, into), few) = (dice.usize(..6), place(dice, &lines), 1 + dice.usize(..200));
    let at = lines[..line].iter().map(Vec::len).sum::<usize>() + into;
    let end = (at + few).min(bytes.len());
    match what {
        0 => {
            // What a power loss leaves: the first turn at least.
            bytes.truncate(bytes.len() / 2 + at / 2);
            "cut".to_owned()
        }
        1 => {
            bytes.drain(at..end);
            format!("{few} bytes lost in line {line}")
        }
        2 => {
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
            format!("{few} bytes twice in line {line}")
        }
        3 => {
            bytes[at] ^= 1 << (few % 8);
            format!("a bit flipped in line {line}")
        }
        4 => {
            bytes[at..end].fill(0);
            format!("{few} NULs in line {line}")
        }
        _ => {
            // Of those farther apart the order cannot be told where the record between them is gone.
            let other = (line + 1).min(lines.len() - 1);
            lines.swap(line, other);
            *bytes = lines.concat();
            format!("lines {line} and {other} swapped")
        }
    }
}

/// Which of the answers are in there, whole.
fn answers(bytes: &[u8]) -> Vec<&'static str> {
    let records =
        bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let own: Vec<_> = records
        .filter(|record| record["type"] == "assistant" && record["uuid"].is_string())
        .map(|record| record["message"]["content"].to_string())
        .collect();
    ["ALPHA", "BETA", "GAMMA"]
        .into_iter()
        .filter(|words| own.iter().any(|said| said.contains(words)))
        .collect()
}

#[test]
fn damage_by_chance_is_repaired_or_refused_and_the_real_client_goes_on_with_each_repair() {
    let world = World::new();
    let sample = Sample::play(&world);
    world.standin.hold_to(STRICT);
    let (mut dice, mut seen) = (Rng::with_seed(SEED), Vec::new());
    for number in 0..DAMAGED {
        let mut bytes = sample.whole();
        let harms: Vec<_> = (0..=dice.usize(..HARMS_MAX)).map(|_| harm(&mut dice, &mut bytes)).collect();
        let name = format!("{number}: {harms:?}");
        let (session_id, path) = sample.plant(&world, &bytes);
        let before = fs::read(&path).unwrap();
        wait_until_known(&world, &session_id);
        let examined = world.json(&["examine", &id(&session_id)]);
        let report = world.json(&["repair", &id(&session_id)]);
        assert_eq!(fs::read(&path).unwrap(), before, "{name}: the original stays as it is");
        let is_well = examined["findings"] == json!([]);
        let goes_on = match report["copy"].as_str() {
            Some(copy) => copy.split_once(':').unwrap().1.to_owned(),
            None if is_well => session_id,
            None => {
                let why = report["refused"]["message"].as_str().unwrap_or_default();
                assert!(!why.is_empty(), "{name}: {report}");
                assert_eq!(answers(&before), [""; 0], "{name}: refused though there is something: {why}");
                seen.push("refused");
                fs::remove_file(path).unwrap();
                continue;
            }
        };
        seen.push(if is_well { "well" } else { "repaired" });
        println!("{name} {seen:?}");
        let whole = answers(&world.transcript(&goes_on));
        let (request, answered) = go_on(&world, &sample.cwd, &goes_on, "and then?\n@@text DELTA");
        assert!(answered, "{name}: {examined} {request:?}");
        let request = request.unwrap();
        assert!(request.text().contains("and then?"), "{name}");
        for words in answers(&before) {
            assert!(whole.contains(&words), "{name}: {words} was there, and the repair lost it");
            assert!(said(&request).contains(words), "{name}: {words} is not in {}", request.text());
        }
        fs::remove_file(path).ok();
    }
    assert!(seen.iter().filter(|what| **what == "repaired").count() * 2 >= DAMAGED, "{seen:?}");
}
