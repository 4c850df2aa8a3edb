//! Which crate may use which: the arrows of `docs/ARCHITECTURE.md`, checked against what cargo says.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::rules::Violation;

/// A crate of ours and the crates of ours that it may use. Dev-dependencies are free.
const ARROWS: [(&str, &[&str]); 6] = [
    ("shim-core", &[]),
    ("shim-store", &["shim-core"]),
    ("shim-api", &["shim-core"]),
    ("shim-engine", &["shim-core", "shim-store", "shim-api"]),
    ("shim-cli", &["shim-core", "shim-api", "shim-engine"]),
    ("shim-desktop", &["shim-core", "shim-api"]),
];

/// What developers and tests call; it may use any crate, and no crate of the house may use it.
const OUTSIDE: [&str; 4] = ["xtask", "shim-bench", "shim-standin", "shim-torture"];

/// Crates that only one of ours may use.
const RESERVED: [(&str, &str); 3] =
    [("rusqlite", "shim-store"), ("rusqlite_migration", "shim-store"), ("tauri", "shim-desktop")];

/// What core would need for IO, a clock, randomness or async.
const NOT_IN_CORE: [&str; 11] =
    ["tokio", "tokio-util", "axum", "ureq", "rand", "uuid", "notify", "sysinfo", "rustix", "tempfile", "fs4"];

/// Checks what `cargo metadata --no-deps` printed.
pub fn check(metadata: &Value, root: &Path) -> Result<Vec<Violation>> {
    let arrows: BTreeMap<_, _> = ARROWS.into_iter().collect();
    let mut violations = Vec::new();
    for package in metadata["packages"].as_array().context("cargo metadata names no packages")? {
        let name = package["name"].as_str().context("a package has no name")?;
        let manifest = Path::new(package["manifest_path"].as_str().unwrap_or(name));
        let path = manifest.strip_prefix(root).unwrap_or(manifest).display().to_string();
        let mut add = |rule: String| violations.push(Violation { path: path.clone(), line: 1, rule });
        let allowed = arrows.get(name).copied();
        if allowed.is_none() && !OUTSIDE.contains(&name) {
            add(format!("`{name}` has no place in the house: name what it may use in tests/tidy/crates.rs"));
        }
        if programs(package) > 1 && package["default_run"].is_null() {
            add(format!(
                "`{name}` has several programs: say in `default-run` which one `cargo run -p {name}` starts"
            ));
        }
        for used in dependencies(package) {
            let ours = arrows.contains_key(used) || OUTSIDE.contains(&used);
            if ours && allowed.is_some_and(|allowed| !allowed.contains(&used)) {
                add(format!("`{name}` may not use `{used}`: arrows point down only"));
            }
            if let Some((_, owner)) =
                RESERVED.iter().find(|(crate_, owner)| *crate_ == used && *owner != name)
            {
                add(format!("only `{owner}` uses `{used}`"));
            }
            if name == "shim-core" && NOT_IN_CORE.contains(&used) {
                add(format!("core does no IO, knows no clock, no randomness, no async: not `{used}`"));
            }
        }
    }
    Ok(violations)
}

/// What a package is built with; dev-dependencies are left out.
fn dependencies(package: &Value) -> impl Iterator<Item = &str> {
    package["dependencies"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
        .filter_map(|dependency| dependency["name"].as_str())
}

/// How many programs it has beside its library.
fn programs(package: &Value) -> usize {
    let is_program =
        |target: &&Value| target["kind"].as_array().is_some_and(|kinds| kinds.contains(&"bin".into()));
    package["targets"].as_array().into_iter().flatten().filter(is_program).count()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::check;

    #[test]
    fn arrows_that_point_up_are_found() {
        for (name, uses, kind, rule) in [
            ("shim-engine", "shim-store", None, None),
            ("shim-core", "shim-store", Some("dev"), None),
            ("shim-bench", "shim-engine", None, None),
            (
                "shim-core",
                "shim-store",
                None,
                Some("`shim-core` may not use `shim-store`: arrows point down only"),
            ),
            (
                "shim-desktop",
                "shim-engine",
                None,
                Some("`shim-desktop` may not use `shim-engine`: arrows point down only"),
            ),
            ("shim-cli", "xtask", None, Some("`shim-cli` may not use `xtask`: arrows point down only")),
            (
                "shim-api",
                "shim-store",
                Some("build"),
                Some("`shim-api` may not use `shim-store`: arrows point down only"),
            ),
            ("shim-engine", "rusqlite", None, Some("only `shim-store` uses `rusqlite`")),
            (
                "shim-core",
                "uuid",
                None,
                Some("core does no IO, knows no clock, no randomness, no async: not `uuid`"),
            ),
            (
                "shim-new",
                "serde",
                None,
                Some("`shim-new` has no place in the house: name what it may use in tests/tidy/crates.rs"),
            ),
        ] {
            let metadata = json!({ "packages": [{
                "name": name, "manifest_path": "/house/x/Cargo.toml", "dependencies": [{ "name": uses, "kind": kind }],
            }]});
            let found = check(&metadata, Path::new("/house")).unwrap();
            let found: Vec<_> = found.iter().map(|v| (v.path.as_str(), v.rule.as_str())).collect();
            assert_eq!(found, rule.map(|rule| ("x/Cargo.toml", rule)).into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_package_of_several_programs_says_which_one_is_run() {
        let program = json!({ "kind": ["bin"] });
        for (targets, default_run, found) in [
            (vec![&program], json!(null), 0),
            (vec![&program, &program], json!(null), 1),
            (vec![&program, &program], json!("one"), 0),
        ] {
            let metadata = json!({ "packages": [{
                "name": "shim-standin", "manifest_path": "/house/x/Cargo.toml", "targets": targets,
                "default_run": default_run,
            }]});
            assert_eq!(check(&metadata, Path::new("/house")).unwrap().len(), found, "{metadata}");
        }
    }
}
