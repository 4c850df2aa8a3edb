//! Changes single keys in the file's text. Everything else in it stays as its user wrote it.

use std::collections::BTreeMap;

use toml_edit::{Array, DocumentMut, Item, Table, TableLike};

use super::{Value, Wrong, broken, key, parse, unknown};

/// The text with these keys set, or taken out where nothing is given. What would not be right is told and not done.
pub fn edit(text: &str, changes: &BTreeMap<String, Option<Value>>) -> Result<String, Vec<Wrong>> {
    let stranger = |name: &&String| key(name).is_none();
    let unknown: Vec<_> = changes
        .keys()
        .filter(stranger)
        .map(|name| Wrong { line: 0, key: name.clone(), message: unknown(name) })
        .collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        vec![broken(text, error.span().map_or(0, |span| span.start), error.message())]
    })?;
    for (name, value) in changes {
        let path: Vec<_> = name.split('.').collect();
        match value {
            Some(value) => set(document.as_table_mut(), &path, value),
            None => remove(document.as_table_mut(), &path),
        }
    }
    let edited = document.to_string();
    parse(&edited).map(|_| edited)
}

fn set(table: &mut dyn TableLike, path: &[&str], value: &Value) {
    match path {
        [] => {}
        [last] => match table.get_mut(last).and_then(Item::as_value_mut) {
            Some(before) => {
                let decor = before.decor().clone();
                *before = written(value);
                *before.decor_mut() = decor;
            }
            None => {
                table.insert(last, Item::Value(written(value)));
            }
        },
        [first, rest @ ..] => {
            let mut inner = Table::new();
            // Its line is written only where a key stands right below it.
            inner.set_implicit(true);
            let item = table.entry(first).or_insert(Item::Table(inner));
            if let Some(inner) = item.as_table_like_mut() {
                set(inner, rest, value);
            }
        }
    }
}

fn remove(table: &mut dyn TableLike, path: &[&str]) {
    match path {
        [] => {}
        [last] => {
            table.remove(last);
        }
        [first, rest @ ..] => {
            if let Some(inner) = table.get_mut(first).and_then(Item::as_table_like_mut) {
                remove(inner, rest);
            }
        }
    }
}

fn written(value: &Value) -> toml_edit::Value {
    match value {
        Value::Switch(on) => (*on).into(),
        // The bounds of every key lie far below.
        Value::Whole(number) => i64::try_from(*number).unwrap_or(i64::MAX).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Texts(texts) => toml_edit::Value::Array(texts.iter().map(String::as_str).collect::<Array>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::keys;

    fn changes(changes: &[(&str, Option<Value>)]) -> BTreeMap<String, Option<Value>> {
        changes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    fn text(text: &str) -> Option<Value> {
        Some(Value::Text(text.to_owned()))
    }

    #[test]
    fn comments_order_and_other_keys_stay() {
        let before = "# mine\n[watch] # here\nsweep_seconds = 5 # often\n\n[policy]\ndry_run = true\n";
        let wanted = changes(&[
            ("watch.sweep_seconds", Some(Value::Whole(20))),
            ("policy.auto_restore", text("once")),
            ("clients.codex.command", text("/opt/codex")),
        ]);
        let expected = "# mine\n[watch] # here\nsweep_seconds = 20 # often\n\n[policy]\ndry_run = true\nauto_restore = \"once\"\n\n[clients.codex]\ncommand = \"/opt/codex\"\n";
        assert_eq!(edit(before, &wanted).unwrap(), expected);
    }

    #[test]
    fn a_key_is_found_in_every_form_a_table_has() {
        for before in
            ["policy.dry_run = true\n", "policy = { dry_run = true }\n", "[policy]\ndry_run = true\n"]
        {
            let edited = edit(before, &changes(&[("policy.dry_run", Some(Value::Switch(false)))])).unwrap();
            assert_eq!(edited, before.replace("true", "false"));
            let without = edit(before, &changes(&[("policy.dry_run", None)])).unwrap();
            assert_eq!(parse(&without).unwrap().set, BTreeMap::new(), "{without}");
        }
    }

    #[test]
    fn what_would_not_be_right_is_not_done() {
        let wrong = |text: &str, name: &str, value: Option<Value>| {
            edit(text, &changes(&[(name, value)])).unwrap_err().remove(0)
        };
        let far = wrong("", "watch.sweep_seconds", Some(Value::Whole(301)));
        assert_eq!(
            (far.key.as_str(), far.message.as_str()),
            ("watch.sweep_seconds", "must be a whole number from 1 to 300")
        );
        let stranger = wrong("", "watch.sweep", None);
        assert!(stranger.message.contains("`watch.sweep_seconds`"), "{stranger:?}");
        let broken = wrong("[watch]\n[[", "watch.discover", Some(Value::Switch(true)));
        assert_eq!((broken.line, broken.key.as_str()), (2, "config.toml"));
    }

    #[test]
    fn every_key_is_written_as_it_is_read() {
        for key in keys() {
            let edited = edit("", &changes(&[(key.name, Some(key.default()))])).unwrap();
            assert_eq!(parse(&edited).unwrap().set, [(key.name, key.default())].into(), "{edited}");
            let without = edit(&edited, &changes(&[(key.name, None)])).unwrap();
            assert_eq!(parse(&without).unwrap().set, BTreeMap::new());
        }
    }
}
