//! logind's word on the end of the system, over D-Bus. Heard only; nothing is asked of it.

use std::num::NonZeroUsize;

use futures_util::StreamExt;
use zbus::{Connection, MatchRule, MessageStream, message::Type};

use crate::run::{Handle, Input};

/// Signals that wait to be read.
const SIGNALS_MAX: usize = 8;

pub async fn listen(handle: &Handle) -> zbus::Result<()> {
    let bus = Connection::system().await?;
    let tell = |goes_down| {
        let told = Input::Call(Box::new(move |watch| watch.system_goes_down(goes_down)));
        handle.inputs.send(told).is_ok()
    };
    hear(&bus, tell).await
}

/// Calls `each` when the system is about to go down, and again should it be called off, until `each` says to stop.
async fn hear(bus: &Connection, mut each: impl FnMut(bool) -> bool) -> zbus::Result<()> {
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .sender("org.freedesktop.login1")
        .path("/org/freedesktop/login1")
        .interface("org.freedesktop.login1.Manager")
        .member("PrepareForShutdown")
        .build()?;
    let mut signals = MessageStream::for_match_rule(rule, bus, NonZeroUsize::new(SIGNALS_MAX)).await?;
    while let Some(signal) = signals.next().await {
        if !each(signal?.body().deserialize()?) {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader},
        process::{Child, Command, Stdio},
        sync::mpsc::channel,
        time::Duration,
    };

    use zbus::connection::Builder;

    use super::*;

    const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
      "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd"><busconfig><listen>unix:tmpdir=/tmp</listen>
      <policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
      </busconfig>"#;

    /// A bus of its own, ended with the test.
    struct Bus(Child, String);

    impl Bus {
        fn start(folder: &std::path::Path) -> Self {
            let config = folder.join("bus.conf");
            std::fs::write(&config, BUS).unwrap();
            let mut command = Command::new("dbus-daemon");
            command.arg("--config-file").arg(&config).args(["--nofork", "--print-address"]);
            let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
            let mut address = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
            Self(child, address.trim().to_owned())
        }

        async fn connect(&self) -> Connection {
            Builder::address(self.1.as_str()).build().await.unwrap()
        }
    }

    impl Drop for Bus {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    async fn say(bus: &Connection, goes_down: bool) {
        let (path, interface) = ("/org/freedesktop/login1", "org.freedesktop.login1.Manager");
        bus.emit_signal(None::<&str>, path, interface, "PrepareForShutdown", &goes_down).await.unwrap();
    }

    #[test]
    fn the_system_says_that_it_goes_down_and_that_it_does_not_and_others_are_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let bus = Bus::start(folder.path());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (heard, hears) = channel();
        let (login, stranger) = runtime.block_on(async {
            let (listener, login, stranger) = (bus.connect().await, bus.connect().await, bus.connect().await);
            login.request_name("org.freedesktop.login1").await.unwrap();
            let listening = async move {
                let _ = hear(&listener, |goes_down| heard.send(goes_down).is_ok()).await;
            };
            tokio::spawn(listening);
            (login, stranger)
        });
        // It says so until it is heard: when the listener is ready cannot be seen from here.
        let first = (0..600).find_map(|_| {
            runtime.block_on(async {
                say(&stranger, false).await;
                say(&login, true).await;
            });
            hears.recv_timeout(Duration::from_millis(100)).ok()
        });
        assert_eq!(first, Some(true), "a stranger's word counts for nothing");
        runtime.block_on(say(&login, false));
        let mut later = std::iter::from_fn(|| hears.recv_timeout(Duration::from_secs(30)).ok());
        assert!(later.any(|goes_down| !goes_down), "then that it was called off");
    }
}
