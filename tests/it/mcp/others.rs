//! Gemini CLI and opencode, the real ones, connect to the server: their own lists say so. No model is asked.

use std::{fs, path::Path};

use serde_json::{Value, json};
use shim_standin::install::{GEMINI, OPENCODE, Package, program};

use crate::world::World;

/// Writes a client's settings and gives what its list of servers says.
fn listed(
    world: &World,
    client: &Package,
    settings: (&Path, &Value),
    environment: &[(&str, &str)],
) -> String {
    let file = world.home.folder().join(settings.0);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, settings.1.to_string()).unwrap();
    let cwd = world.home.project("p").unwrap();
    let mut command = world.home.command(program(client).unwrap(), &cwd);
    command.args(["mcp", "list"]).envs(environment.iter().copied());
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn gemini_connects() {
    let world = World::of_files();
    let server = json!({"command": world.program, "args": ["mcp", "--home", world.shim_home]});
    let settings = json!({
        "security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": false}},
        "privacy": {"usageStatisticsEnabled": false},
        "telemetry": {"enabled": false},
        "general": {"enableAutoUpdate": false, "enableAutoUpdateNotification": false},
        "mcpServers": {"shim": server},
    });
    let environment = [("GEMINI_API_KEY", "test-key"), ("GOOGLE_GEMINI_BASE_URL", &world.standin.url())];
    let said = listed(&world, &GEMINI, (Path::new(".gemini/settings.json"), &settings), &environment);
    assert!(said.contains("✓ shim: ") && said.contains("Connected"), "{said}");
}

#[test]
fn opencode_connects() {
    let world = World::of_files();
    let command = json!([world.program, "mcp", "--home", world.shim_home]);
    let settings = json!({
        "autoupdate": false,
        "share": "disabled",
        "mcp": {"shim": {"type": "local", "command": command}},
    });
    let environment = [
        ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
        ("OPENCODE_DISABLE_MODELS_FETCH", "1"),
        ("OPENCODE_DISABLE_LSP_DOWNLOAD", "1"),
        ("OPENCODE_DISABLE_DEFAULT_PLUGINS", "1"),
    ];
    let file = Path::new(".config/opencode/opencode.json");
    let said = listed(&world, &OPENCODE, (file, &settings), &environment);
    assert!(said.contains("✓ shim") && said.contains("connected"), "{said}");
}
