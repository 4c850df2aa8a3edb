//! The bundle for Claude Desktop: the official tool accepts it, and what it unpacks to is a server that works and has
//! the tools the bundle names.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};
use shim_standin::mcp_clients;

use super::{line::Line, names};
use crate::world::World;

/// The official command line, in this world's home.
fn mcpb(world: &World, args: &[&Path]) -> String {
    let tool = mcp_clients::folder().unwrap().join("node_modules/@anthropic-ai/mcpb/dist/cli/cli.js");
    let mut command = world.home.command(mcp_clients::node().unwrap(), world.home.folder());
    let output = command.arg(tool).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_official_tool_accepts_the_bundle_and_its_server_works() {
    let mut world = World::of_files();
    let bundle = world.root().join("shim.mcpb");
    let mut xtask = Command::new(env!("CARGO"));
    xtask.args(["run", "--quiet", "-p", "xtask", "--", "bundle-mcpb", "--program"]).arg(&world.program);
    let output = xtask.arg("-o").arg(&bundle).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let about = mcpb(&world, &[Path::new("info"), &bundle]);
    assert!(about.contains("shim.mcpb"), "{about}");
    let folder = world.root().join("unpacked");
    mcpb(&world, &[Path::new("unpack"), &bundle, &folder]);
    let said = mcpb(&world, &[Path::new("validate"), &folder.join("manifest.json")]);
    assert!(said.contains("passes"), "{said}");

    let manifest: Value = serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    let server = &manifest["server"];
    assert_eq!(
        (&server["type"], &manifest["compatibility"]),
        (&json!("binary"), &json!({"platforms": ["linux"]}))
    );
    let command = server["mcp_config"]["command"].as_str().unwrap();
    let program = command.replace("${__dirname}", folder.to_str().unwrap());
    assert_eq!(fs::read(&program).unwrap(), fs::read(&world.program).unwrap());
    world.program = program.into();
    let mut line = Line::greeted(&world, world.home.folder(), "claude-ai");
    let listed = line.ask("tools/list", json!({}))["result"].take();
    assert_eq!(names(&manifest), names(&listed));
    for (told, tool) in manifest["tools"].as_array().unwrap().iter().zip(listed["tools"].as_array().unwrap())
    {
        assert_eq!(told["description"], tool["description"]);
    }
    let prompts = line.ask("prompts/list", json!({}))["result"].take();
    assert_eq!(manifest["prompts"][0]["name"], prompts["prompts"][0]["name"]);
    line.close();
}
