//! Notifications over the session bus. One task hears all clicks, also those on what an earlier SHIM had shown.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    path::Path,
    sync::{Mutex, PoisonError},
};

use anyhow::Context;
use futures_util::StreamExt;
use tauri::{AppHandle, Manager};
use zbus::{Connection, MatchRule, Message, MessageStream, Variant, block_on, fdo::DBusProxy, message::Type};

use super::{
    Button, Note, act,
    shown::{Desk, Server},
};
use crate::{clock, desktop::words, tasks::Tasks, words::Words};

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
/// Signals that wait to be read; other programs' notifications are among them.
const SIGNALS_MAX: usize = 64;

/// The desktop, and what stands on it.
pub struct Desktop {
    desk: Mutex<Desk>,
    bus: Mutex<Option<Connection>>,
}

impl Desktop {
    pub fn new(home: &Path) -> Self {
        Self { desk: Mutex::new(Desk::open(home)), bus: Mutex::default() }
    }

    /// Carries out clicks until the bus is gone, or the process ends.
    pub fn listen(&self, app: &AppHandle) {
        let handle = app.clone();
        app.state::<Tasks>().run("clicks", move || {
            if let Err(error) = block_on(hear(&handle)) {
                tracing::warn!("clicks on notifications cannot be heard: {error}");
            }
        });
    }

    pub fn show(&self, app: &AppHandle, note: &Note) -> anyhow::Result<()> {
        let words = words(app);
        let (server, id) = block_on(async {
            let bus = self.bus().await?;
            let actions = actions(&note.buttons, words, draws_default(&bus).await);
            let hints: HashMap<&str, Variant<'_>> = HashMap::new();
            let body = ("SHIM", 0_u32, "", note.summary.as_str(), plain(&note.body), actions, hints, -1_i32);
            let shown = bus.call_method(Some(NAME), PATH, Some(NAME), "Notify", &body).await?;
            let server = server_of(&bus, &shown);
            Ok::<_, zbus::Error>((server, shown.body().deserialize::<u32>()?))
        })
        .context("the desktop did not take it")?;
        self.desk().shown(server, id, note.buttons.clone(), clock::now());
        Ok(())
    }

    /// One connection for all that is shown: some desktops take a program's notifications away with it.
    async fn bus(&self) -> zbus::Result<Connection> {
        let known = self.bus.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(bus) => Ok(bus),
            None => {
                let bus = Connection::session().await?;
                Ok(self.bus.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(bus).clone())
            }
        }
    }

    fn desk(&self) -> std::sync::MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn hear(app: &AppHandle) -> zbus::Result<()> {
    let desktop = app.state::<Desktop>();
    let bus = desktop.bus().await?;
    let rule = MatchRule::builder().msg_type(Type::Signal).interface(NAME).path(PATH).build()?;
    let mut signals = MessageStream::for_match_rule(rule, &bus, NonZeroUsize::new(SIGNALS_MAX)).await?;
    while let Some(signal) = signals.next().await {
        let signal = signal?;
        let server = server_of(&bus, &signal);
        let (header, body) = (signal.header(), signal.body());
        match header.member().map(|member| member.as_str()) {
            Some("ActionInvoked") if is_server(&bus, &server).await => {
                let Ok((id, key)) = body.deserialize::<(u32, String)>() else { continue };
                let pressed = desktop.desk().pressed(&server, id, &key, clock::now());
                if let Some(button) = pressed {
                    act(app, &button);
                }
            }
            Some("NotificationClosed") if is_server(&bus, &server).await => {
                /// Its time is over; desktops that keep a history still take clicks on it there.
                const EXPIRED: u32 = 1;
                if let Ok((id, reason)) = body.deserialize::<(u32, u32)>()
                    && reason != EXPIRED
                {
                    desktop.desk().closed(&server, id, clock::now());
                }
            }
            Some(_) | None => {}
        }
    }
    Ok(())
}

/// Each button's key and label. A desktop tells of a click beside the buttons only where that was asked for, as the
/// action `default`; one that draws a button for it as well is given no second one that does the same.
fn actions<'a>(buttons: &'a [Button], words: &dyn Words, draws_default: bool) -> Vec<&'a str> {
    let is_show = |button: &&Button| matches!(button, Button::Show(_));
    let drawn = buttons.iter().filter(|button| !(draws_default && is_show(button)));
    let mut actions: Vec<_> = drawn.flat_map(|button| [button.key(), button.label(words)]).collect();
    if buttons.iter().any(|button| is_show(&button)) {
        actions.extend(["default", words.show()]);
    }
    actions
}

/// Whether the desktop draws a button for the default action, as Xfce's does.
async fn draws_default(bus: &Connection) -> bool {
    let asked = bus.call_method(Some(NAME), PATH, Some(NAME), "GetServerInformation", &()).await;
    let named = asked.and_then(|told| told.body().deserialize::<(String, String, String, String)>());
    named.is_ok_and(|(name, ..)| name.starts_with("Xfce"))
}

/// Who sent a message, on which bus.
fn server_of(bus: &Connection, message: &Message) -> Server {
    let owner = message.header().sender().map(ToString::to_string).unwrap_or_default();
    Server { bus: bus.server_guid().to_string(), owner }
}

/// Whether it is the server of notifications that sent it: anybody can send a signal of that name.
async fn is_server(bus: &Connection, server: &Server) -> bool {
    let asked = async {
        let owner = DBusProxy::new(bus).await?.get_name_owner(NAME.try_into()?).await?;
        Ok::<_, zbus::Error>(owner.to_string())
    };
    asked.await.is_ok_and(|owner| owner == server.owner)
}

/// Desktops read a little markup in the body; a path or a message must stay what it is.
fn plain(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use shim_core::settings::desktop::Language;

    use super::*;
    use crate::{window::Route, words::of};

    #[test]
    fn what_shows_is_drawn_once() {
        let buttons = [Button::Restore { crash: 1 }, Button::Show(Route::crash(1))];
        let english = of(Language::English);
        let each = |draws| actions(&buttons, english, draws);
        assert_eq!(each(false), ["restore", "Restore", "show", "Show", "default", "Show"]);
        assert_eq!(each(true), ["restore", "Restore", "default", "Show"]);
        assert_eq!(actions(&buttons[..1], english, true), ["restore", "Restore"]);
    }
}
