//! Searching the journals of every client's real chats.

use std::collections::BTreeSet;

use serde_json::Value;
use shim_standin::client::{Codex, CodexStart, Gemini, GeminiStart, Opencode, OpencodeStart, wait};

use crate::world::{WAIT, World, id};

fn finds(world: &World, text: &str) -> Vec<Value> {
    world.json(&["search", text]).as_array().unwrap().clone()
}

fn chats(hits: &[Value]) -> BTreeSet<String> {
    hits.iter().map(|hit| hit["chat"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn secrets_are_replaced_where_they_are_shown_and_stay_whole_in_what_is_kept() {
    const KEY: &str = "sk-ant-api03-Abc123Def456Ghi789";
    let mut world = World::new();
    let session = world.finished_chat(
        &world.home.project("p").unwrap(),
        &format!("Use {KEY} for the mango.\n@@text The mango has password=hunter22 now."),
    );
    world.wait_for_state(&session, "ended");
    let hides = |what: &str, shown: &str| {
        assert!(shown.contains("[redacted: "), "{what}: {shown}");
        assert!(!shown.contains("sk-ant-") && !shown.contains("hunter22"), "{what}: {shown}");
    };
    hides("timeline and title", &world.json(&["chat", &id(&session)]).to_string());
    for words in ["mango", "hunter22"] {
        let found = wait(WAIT, words, || Some(finds(&world, words)).filter(|hits| !hits.is_empty())).unwrap();
        hides(words, &Value::Array(found).to_string());
    }

    world.wait_until_kept(&session);
    let whole = world.export(&session, &[]);
    assert_eq!(whole, world.transcript(&session), "an export is byte for byte");
    let redacted = String::from_utf8(world.export(&session, &["--redact"])).unwrap();
    hides("export", &redacted);
    let lines: Vec<Value> = redacted.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), whole.split(|byte| *byte == b'\n').count() - 1);

    world.stop_shim();
    world.settings("privacy.redact_shown = false\nprivacy.redact_exports = true");
    world.start_shim();
    let shown = world.json(&["chat", &id(&session)]).to_string();
    assert!(shown.contains(KEY) && !shown.contains("[redacted"), "{shown}");
    hides("export, as set", &String::from_utf8(world.export(&session, &[])).unwrap());
}

#[test]
fn words_are_found_in_the_chats_of_every_client() {
    let world = World::furnished(|home, api| {
        home.with_codex(api).unwrap().with_gemini(api).unwrap().with_opencode(api).unwrap()
    });
    let cwd = world.home.codex_project("p").unwrap();
    let script = "Where is the Papaya?\n@@text It lies beside the ananas.";
    let claude = id(&world.finished_chat(&cwd, script));
    let codex = format!("codex:{}", Codex::play(&world.home, &CodexStart::new(&cwd, script), WAIT).unwrap());
    let gemini =
        format!("gemini:{}", Gemini::play(&world.home, &GeminiStart::new(&cwd, script), WAIT).unwrap());
    let opencode =
        format!("opencode:{}", Opencode::play(&world.home, &OpencodeStart::new(&cwd, script), WAIT).unwrap());
    let all = BTreeSet::from([claude, codex, gemini, opencode]);
    for words in ["papaya", "beside the ANANAS"] {
        let found = wait(WAIT, words, || (chats(&finds(&world, words)) == all).then_some(()));
        found
            .unwrap_or_else(|error| panic!("{error}: {:#?}\n{all:?}\n{}", finds(&world, words), world.log()));
    }
    let hits = finds(&world, "papaya");
    assert!(
        hits.iter().all(|hit| hit["excerpt"].as_str().unwrap().contains("Where is the Papaya?")),
        "{hits:#?}"
    );
    assert!(hits.iter().all(|hit| hit["at"].is_string()), "{hits:#?}");
    // Ids, versions and folders are the client's own bookkeeping.
    assert_eq!(finds(&world, "gpt-5-mock"), Vec::<Value>::new());
    assert_eq!(finds(&world, "no such words"), Vec::<Value>::new());
}
