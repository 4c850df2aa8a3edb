//! Torn files of Codex: the repaired copy is a chat of its own that the real client goes on with.

use std::fs;

use serde_json::json;
use shim_standin::client::{Codex, CodexStart, wait};

use crate::world::{WAIT, World};

#[test]
fn a_torn_rollout_of_codex_is_repaired_and_the_real_client_goes_on_with_it() {
    let mut world = World::furnished(|home, api| home.with_codex(api).unwrap());
    world.start_shim();
    let cwd = world.home.codex_project("p").unwrap();
    let play = |start: CodexStart| Codex::play(&world.home, &start, WAIT).unwrap();
    let thread_id = play(CodexStart::new(&cwd, "@@text ALPHA is the answer"));
    play(CodexStart::new(&cwd, "second\n@@text BETA").resuming(&thread_id));
    let id = format!("codex:{thread_id}");
    world.wait_until_kept(&id);
    let path = world.home.rollout(&thread_id).unwrap();
    let whole = fs::read(&path).unwrap();
    let text = String::from_utf8(whole.clone()).unwrap();
    let at = text.find("\"second").unwrap();
    let line = text[..at].rfind('\n').unwrap() + 1;
    let rows: [(&str, Vec<u8>); 3] = [
        ("cut last line", whole[..whole.len() - 40].to_vec()),
        ("garbage in the middle", [&whole[..line], b"gar{bage\n", &whole[line..]].concat()),
        ("NULs before a record", [&whole[..line], &[0; 512], &whole[line..]].concat()),
    ];
    for (name, bytes) in rows {
        fs::write(&path, &bytes).unwrap();
        wait(WAIT, "the damage to be journaled", || (world.export(&id, &[]) == bytes).then_some(())).unwrap();
        let report = world.json(&["repair", &id]);
        assert_eq!(report["ok"], json!(true), "{name}: {report}");
        let copy = report["copy"].as_str().unwrap().split_once(':').unwrap().1.to_owned();
        let asked = world.asked();
        play(CodexStart::new(&cwd, "third\n@@text GAMMA").resuming(&copy));
        let request = world.wait_for_request(&copy, asked);
        for words in ["ALPHA is the answer", "BETA", "third"] {
            assert!(request.text().contains(words), "{name}: {words} is not in {}", request.text());
        }
        assert_eq!(fs::read(&path).unwrap(), bytes, "{name}: the original stays as it is");
        fs::write(&path, &whole).unwrap();
        wait(WAIT, "the whole file to be journaled", || (world.export(&id, &[]) == whole).then_some(()))
            .unwrap();
    }
}
