//! What the tray and its window say to each other: lines of JSON on the window's standard input and output.

use std::io::{self, BufRead, Read, Write};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use shim_api::restore::Receipt;

use super::Route;

/// No line is longer; a receipt is some kilobytes.
const LINE_BYTES_MAX: u64 = 1 << 20;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToWindow {
    Show(Route),
    /// Why no engine answers.
    EngineDown(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromWindow {
    Shown,
    /// A restore that a page asked for, and shows.
    Restored(Box<Receipt>),
}

pub fn say(to: &mut impl Write, what: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    to.write_all(&line)?;
    to.flush()
}

/// Hands on what is said until the other side is gone. Lines that are not understood are passed over: a library may
/// write there too.
pub fn hear<T: DeserializeOwned>(from: impl Read, mut heard: impl FnMut(T)) {
    let mut from = io::BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        match from.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => match serde_json::from_slice(&line) {
                Ok(what) => heard(what),
                Err(error) => tracing::warn!("a line between tray and window is not understood: {error}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_heard_and_what_is_not_understood_is_passed_over() {
        let said = [
            ToWindow::Show("/crashes/12".parse().unwrap()),
            ToWindow::EngineDown("it ended:\nkilled".to_owned()),
            ToWindow::Show(Route::default()),
        ];
        let mut bytes = Vec::new();
        for (at, what) in said.iter().enumerate() {
            say(&mut bytes, what).unwrap();
            if at == 0 {
                bytes.extend(b"Gtk-Message: hello\n{\"show\":\"javascript:x\"}\n\xff\n");
            }
        }
        let mut heard = Vec::new();
        hear(&bytes[..], |what: ToWindow| heard.push(what));
        assert_eq!(heard, said);
    }
}
