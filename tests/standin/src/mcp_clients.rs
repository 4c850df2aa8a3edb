//! The MCP project's own clients and the checker of Claude Desktop's bundles: pinned, below the build's target folder,
//! fetched from npm once.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::install::{fetched, npm_install};

/// Speaks the protocol up to 2025-11-25.
const SDK: &str = "@modelcontextprotocol/sdk@1.32.2";
/// Speaks 2026-07-28 as well.
const CLIENT: &str = "@modelcontextprotocol/client@2.4.0";
/// Checks and unpacks `.mcpb` bundles.
const BUNDLES: &str = "@anthropic-ai/mcpb@2.1.2";
/// Changes with any of the versions above.
const FOLDER: &str = "mcp-1.32.2-2.4.0-2.1.2";

/// The folder that holds them in its `node_modules`.
pub fn folder() -> Result<PathBuf> {
    fetched(FOLDER, |part| npm_install(part, &[SDK, CLIENT, BUNDLES]))
}

/// Node, as the caller's search path has it: programs in a home of their own search elsewhere.
pub fn node() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let name = if cfg!(windows) { "node.exe" } else { "node" };
    let found =
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file());
    found.context("node is not on the search path: install Node 20 or later")
}
