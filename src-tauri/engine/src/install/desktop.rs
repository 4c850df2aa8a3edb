//! Whether Claude Desktop is wholly closed: the app writes its settings from memory, and an entry made
//! while it runs is lost.

use std::path::Path;

use super::file::NotWritten;
use crate::clients::claude_desktop::pids_of;

/// The refusal says what to do. `file` is the app's settings, in its data folder.
pub fn is_closed(file: &Path) -> Result<(), NotWritten> {
    let home = file.parent().unwrap_or(file);
    let home = crate::paths::canonical(home).unwrap_or_else(|_| home.to_owned());
    let found = pids_of(&home).map_err(|error| {
        let why = format!(
            "whether Claude Desktop runs cannot be told ({error}): close it and add the entry by hand"
        );
        NotWritten::Refused(why)
    })?;
    match found.first() {
        None => Ok(()),
        Some(app) => Err(NotWritten::Refused(format!(
            "Claude Desktop runs (process {app}) and would write over it: quit it, in the tray or menu bar too, and try again"
        ))),
    }
}
