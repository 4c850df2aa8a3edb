//! Which of SHIM's hooks Codex would run: those whose hash its user trusted. Trust is the user's to give,
//! and only read here.

use sha2::{Digest, Sha256};
use toml_edit::{Document, Item};

use super::{Wanted, hooks};

/// The events whose hook of SHIM's is not trusted in `config`, the text of Codex's `config.toml`.
pub fn untrusted(hooks_file: &str, config: &str, wanted: &Wanted<'_>) -> Vec<String> {
    let trusted = trusted(config);
    let standing = hooks::standing(hooks_file, wanted).unwrap_or_default();
    let is_untrusted = |hook: &hooks::Standing| {
        let end = format!("hooks.json:{}:{}:{}", snake_case(&hook.event), hook.group, hook.place);
        let hash = identity(&hook.event, &hook.value);
        !trusted.iter().any(|(key, trusted)| key.ends_with(&end) && *trusted == hash)
    };
    standing.into_iter().filter(is_untrusted).map(|hook| hook.event).collect()
}

fn trusted(config: &str) -> Vec<(String, String)> {
    let Ok(document) = Document::parse(config) else { return Vec::new() };
    let state = document.get("hooks").and_then(|hooks| hooks.get("state")).and_then(Item::as_table_like);
    let entries = state.into_iter().flat_map(|state| state.iter());
    let entry =
        |(key, item): (&str, &Item)| Some((key.to_owned(), item.get("trusted_hash")?.as_str()?.to_owned()));
    entries.filter_map(entry).collect()
}

/// As Codex 0.169 hashes a hook: its parts in this order, without spaces.
fn identity(event: &str, hook: &serde_json::Value) -> String {
    let [command, timeout] = ["command", "timeout"].map(|part| hook.get(part).cloned().unwrap_or_default());
    let identity = format!(
        r#"{{"event_name":"{}","hooks":[{{"async":false,"command":{command},"timeout":{timeout},"type":"command"}}]}}"#,
        snake_case(event)
    );
    let hash: String = Sha256::digest(identity).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hash}")
}

fn snake_case(name: &str) -> String {
    let letters = name.char_indices().flat_map(|(at, c)| {
        let gap = (at > 0 && c.is_ascii_uppercase()).then_some('_');
        gap.into_iter().chain([c.to_ascii_lowercase()])
    });
    letters.collect()
}
