//! `shim settings`: what can be set and what is, and changes of it.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use clap::Args as ClapArgs;
use shim_api::{
    Engine,
    settings::{Setting, SettingsChange, SettingsView},
};
use shim_core::settings::{Takes, Value, key};

use crate::print;

#[derive(ClapArgs)]
pub struct Args {
    /// Only this key, such as `policy.auto_restore`.
    key: Option<String>,
    /// Set it to this: a number, true or false, a text, or a list such as `["a", "b"]`.
    #[arg(requires = "key")]
    value: Option<String>,
    /// Set it back to its default.
    #[arg(long, requires = "key", conflicts_with = "value")]
    default: bool,
    #[arg(long)]
    json: bool,
}

pub fn settings(engine: &Engine, args: &Args) -> anyhow::Result<()> {
    let Some(name) = &args.key else { return all(&engine.settings()?, args.json) };
    let known = key(name).with_context(|| format!("there is no key `{name}`: `shim settings` lists all"))?;
    let value = args.value.as_deref().map(|text| read(&known.takes(), text)).transpose()?;
    let view = if value.is_some() || args.default {
        let changes = BTreeMap::from([(name.clone(), value)]);
        engine.change_settings(&SettingsChange { changes, text: None })?
    } else {
        engine.settings()?
    };
    let setting = view.keys.into_iter().find(|setting| setting.name == *name);
    let setting = setting.context("the engine is of another version: it does not know this key")?;
    if args.json {
        return print::json(&setting);
    }
    say!("{}", shown(setting.value.as_ref().unwrap_or(&setting.default)));
    if setting.waits_for_start {
        eprintln!("shim: it holds wholly from the engine's next start on");
    }
    Ok(())
}

fn all(view: &SettingsView, json: bool) -> anyhow::Result<()> {
    if json {
        return print::json(view);
    }
    say!("{} may hold these keys:\n", view.path);
    for setting in &view.keys {
        let default = shown(&setting.default);
        say!("{} = {}\n    {} Default {default}.", setting.name, now(setting), setting.about);
    }
    if view.wrong.is_empty() {
        return Ok(());
    }
    let lines: Vec<_> = view.wrong.iter().map(ToString::to_string).collect();
    bail!("{} is not right, and what was set before holds on:\n{}", view.path, lines.join("\n"))
}

fn now(setting: &Setting) -> String {
    setting.value.as_ref().map_or_else(|| format!("{} (default)", shown(&setting.default)), shown)
}

/// As it stands in the file.
fn shown(value: &Value) -> String {
    match value {
        Value::Switch(on) => on.to_string(),
        Value::Whole(number) => number.to_string(),
        Value::Text(text) => format!("{text:?}"),
        Value::Texts(texts) => format!("{texts:?}"),
    }
}

/// A word of the command line as what the key takes. The engine tells what is out of bounds.
fn read(takes: &Takes, text: &str) -> anyhow::Result<Value> {
    Ok(match takes {
        Takes::Whole { min, max } => {
            let number = text.replace('_', "").parse();
            Value::Whole(number.with_context(|| format!("must be a whole number from {min} to {max}"))?)
        }
        Takes::Switch => Value::Switch(text.parse().context("must be true or false")?),
        Takes::Text | Takes::OneOf { .. } => Value::Text(text.to_owned()),
        Takes::Texts => {
            let list = serde_json::from_str(text);
            Value::Texts(list.context("must be a list of texts in quotes, such as [\"a\", \"b\"]")?)
        }
    })
}
