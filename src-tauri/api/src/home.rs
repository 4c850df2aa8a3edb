//! Where SHIM keeps its data, and the file in which a running engine says how it is reached.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use shim_core::time::Timestamp;

use crate::error::{ApiError, ErrorCode};

pub const ENGINE_FILE: &str = "engine.json";
pub const LOCK_FILE: &str = "engine.lock";
pub const DATABASE_FILE: &str = "shim.db";
/// What an engine that the tray started said on stderr since then; the engine keeps it small.
pub const ENGINE_LOG_FILE: &str = "engine.stderr.log";
pub const SETTINGS_FILE: &str = "config.toml";
/// Marks a data folder as a demo's, and says how its chats stood when the week ended.
pub const DEMO_FILE: &str = "demo.json";

/// `engine.json`, mode 0600: what a client of the running engine needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineFile {
    pub port: u16,
    pub token: String,
    pub pid: u32,
    pub version: String,
    pub started_at: Timestamp,
}

/// The data folder: `--home`, else `SHIM_HOME`, else the platform's own.
pub fn data_folder(given: Option<PathBuf>) -> Result<PathBuf, ApiError> {
    if let Some(folder) = given.or_else(|| std::env::var_os("SHIM_HOME").map(PathBuf::from)) {
        return std::path::absolute(&folder).map_err(|e| {
            ApiError::new(
                ErrorCode::BadRequest,
                format!("{} is not a usable data folder: {e}", folder.display()),
            )
        });
    }
    own_folder()
}

/// The platform's own place for SHIM's data.
pub fn own_folder() -> Result<PathBuf, ApiError> {
    directories::ProjectDirs::from("dev", "shim", "shim")
        .map(|dirs| dirs.data_local_dir().to_owned())
        .ok_or_else(|| {
            ApiError::new(
                ErrorCode::BadRequest,
                "no home folder is known: set HOME, or SHIM_HOME to a folder for SHIM's data",
            )
        })
}

/// What the running engine wrote; `None` when there is no such file or it is not whole.
pub fn read_engine_file(home: &Path) -> Option<EngineFile> {
    serde_json::from_slice(&std::fs::read(home.join(ENGINE_FILE)).ok()?).ok()
}
