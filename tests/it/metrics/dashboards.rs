//! The dashboards of `deploy`, held against Grafana's own types of one and against the table of metrics.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};
use shim_standin::{mcp_clients::node, observers};

use super::deploy;

/// Names that are kept for what does not exist yet; `docs/metrics.md` says so.
const KEPT: [&str; 2] = ["shim_routing_decisions_total", "shim_saved_tokens_total"];

pub struct Dashboard {
    name: String,
    pub json: Value,
}

impl Dashboard {
    /// What its panels ask for: where, what, and that there should be an answer.
    pub fn expressions(&self) -> Vec<(String, String, bool)> {
        let panels = self.json["panels"].as_array().unwrap().iter();
        let asked = panels.flat_map(|panel| {
            let targets = panel["targets"].as_array().cloned().unwrap_or_default();
            targets.into_iter().map(|target| {
                let place = format!("{}: {}", self.name, panel["title"]);
                (place, target["expr"].as_str().unwrap().to_owned(), true)
            })
        });
        asked.collect()
    }
}

pub fn dashboards() -> Vec<Dashboard> {
    let files = fs::read_dir(deploy().join("grafana/dashboards")).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = files
        .map(|path| Dashboard {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            json: serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap(),
        })
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

#[test]
fn the_dashboards_are_what_grafana_takes_for_one() {
    let all = dashboards();
    let names: Vec<_> = all.iter().map(|dashboard| dashboard.name.as_str()).collect();
    assert_eq!(names, ["crash-and-recovery", "experiments", "health-and-prediction", "routing-and-savings"]);
    for dashboard in &all {
        let checked = check(&dashboard.json);
        assert!(checked.status.success(), "{}: {}", dashboard.name, String::from_utf8_lossy(&checked.stdout));
    }
    // The check itself finds what is wrong.
    for (pointer, wrong) in [
        ("/refresh", json!(7)),
        ("/schemaVersion", json!("x")),
        ("/panels/0/gridPos", json!({"x": 0, "y": 0, "w": "4", "h": 4})),
        ("/panels/0/gridPos", json!({"x": 0, "y": 0, "w": 4})),
        ("/panels/1/colour", json!("red")),
        ("/panels/0/fieldConfig/defaults/thresholds/mode", json!("about")),
    ] {
        let mut spoilt = all[0].json.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        spoilt.pointer_mut(parent).unwrap()[key] = wrong;
        assert!(!check(&spoilt).status.success(), "{pointer}");
    }
}

/// In JSON an enumeration is the text of its value.
const AS_JSON: &str = "type AsJson<T> = T extends string ? `${T}` : T extends (infer Item)[] ? AsJson<Item>[] \
                       : T extends object ? { [Key in keyof T]: AsJson<T[Key]> } : T;";

/// Has the compiler hold a dashboard against Grafana's types, as a literal: one that is read from a file may have
/// more than the types know.
fn check(dashboard: &Value) -> Output {
    let types = observers::grafana_types().unwrap();
    let folder = tempfile::Builder::new().prefix("dashboard-").tempdir_in(&types).unwrap();
    let file = folder.path().join("dashboard.ts");
    let text = format!(
        "import type * as grafana from '../node_modules/@grafana/schema/dist/types/raw/dashboard/x/types.gen';\n\
         {AS_JSON}\n\
         type Panel = grafana.Panel | grafana.RowPanel;\n\
         type Whole = Omit<grafana.Dashboard, 'panels'> & {{ panels: Panel[] }};\n\
         export const dashboard: AsJson<Whole> = {dashboard};\n"
    );
    fs::write(&file, text).unwrap();
    let compiler = types.join("node_modules/typescript/lib/tsc.js");
    Command::new(node().unwrap())
        .arg(compiler)
        .args(["--noEmit", "--strict", "--skipLibCheck", "--ignoreConfig"])
        .args(["--module", "preserve", "--moduleResolution", "bundler"])
        .arg(&file)
        .current_dir(Path::new(&types))
        .output()
        .unwrap()
}

#[test]
fn panels_and_rules_name_only_what_there_is() {
    let known = shim_core::metrics::ALL.iter().flat_map(|family| {
        let name = family.exposed();
        let parts = ["", "_bucket", "_sum", "_count"].map(|part| format!("{name}{part}"));
        if matches!(family.kind, shim_core::metrics::Kind::Histogram(_)) {
            parts.to_vec()
        } else {
            vec![name]
        }
    });
    let mut known: BTreeSet<_> = known.collect();
    known.extend(KEPT.map(str::to_owned));
    let rules = ["recording.yml", "alerts.yml"]
        .map(|file| fs::read_to_string(deploy().join("prometheus/rules").join(file)).unwrap());
    known.extend(rules[0].lines().filter_map(|line| Some(line.split_once("record: ")?.1.to_owned())));
    let panels = dashboards().into_iter().flat_map(|dashboard| dashboard.expressions());
    let mut texts: Vec<_> = panels.map(|(_, expression, _)| expression).collect();
    texts.extend(rules);
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = texts.iter().flat_map(|text| text.split(move |c| !is_word(c)));
    let named: BTreeSet<_> =
        words.filter(|word| word.trim_start_matches("client:").starts_with("shim_")).collect();
    let unknown: Vec<_> = named.iter().filter(|name| !known.contains(**name)).collect();
    assert!(named.len() > 30 && unknown.is_empty(), "{} named, unknown: {unknown:?}", named.len());
}
