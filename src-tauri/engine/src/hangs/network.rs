//! When a process last took a byte over its TCP connections, as Linux's socket diagnosis tells any user of their own
//! processes. It only asks; no connection is touched.

use std::{collections::HashSet, fs, time::Duration};

use rustix::{
    fd::OwnedFd,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType,
        netlink::{self, SocketAddrNetlink},
        recv, sendto, socket_with,
        sockopt::{Timeout, set_socket_timeout},
    },
};
use shim_core::hangs::Network;

/// Bytes of one answer; the kernel sends no larger ones.
const ANSWER_BYTES_MAX: usize = 32 * 1024;
/// Answers read at most; each holds some hundred connections.
const ANSWERS_MAX: usize = 256;
/// The kernel answers at once or not at all.
const PATIENCE: Duration = Duration::from_millis(500);

/// `SOCK_DIAG_BY_FAMILY` of linux/sock_diag.h.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST | NLM_F_DUMP` of linux/netlink.h.
const DUMP: u16 = 0x301;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const TCP: u8 = 6;
/// `INET_DIAG_INFO` of linux/inet_diag.h, which carries a `tcp_info`.
const INFO: u16 = 2;
/// Established, both kinds of FIN_WAIT, CLOSE_WAIT: bits of linux/tcp_states.h.
const OPEN_STATES: u32 = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 8;
/// Where fields lie in an `inet_diag_msg`, and how long it is.
const QUEUE_AT: usize = 56;
const INODE_AT: usize = 68;
const MESSAGE_BYTES: usize = 72;
/// Where `tcpi_last_data_recv`, in milliseconds, lies in a `tcp_info`.
const LAST_RECEIVED_AT: usize = 52;

pub fn network(pid: u32) -> Network {
    let Some(own) = sockets(pid) else { return Network::Unknown };
    let mut connections = Vec::new();
    for family in [AddressFamily::INET, AddressFamily::INET6] {
        match connections_of(family) {
            Some(all) => connections.extend(all.into_iter().filter(|one| own.contains(&one.inode))),
            None => return Network::Unknown,
        }
    }
    let taken = connections.iter().filter(|one| one.unread == 0).map(|one| one.quiet).min();
    match taken {
        Some(quiet) => Network::QuietFor(quiet),
        None if connections.is_empty() => Network::NoConnection,
        None => Network::Unread,
    }
}

/// Numbers of the sockets that a process has open.
fn sockets(pid: u32) -> Option<HashSet<u32>> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let names = open.filter_map(Result::ok).filter_map(|entry| fs::read_link(entry.path()).ok());
    let number =
        |name: std::path::PathBuf| name.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok();
    Some(names.filter_map(number).collect())
}

struct Connection {
    inode: u32,
    unread: u32,
    quiet: Duration,
}

fn connections_of(family: AddressFamily) -> Option<Vec<Connection>> {
    let kernel =
        socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(netlink::SOCK_DIAG))
            .ok()?;
    set_socket_timeout(&kernel, Timeout::Recv, Some(PATIENCE)).ok()?;
    sendto(&kernel, &question(family), SendFlags::empty(), &SocketAddrNetlink::new(0, 0)).ok()?;
    answers(&kernel)
}

fn question(family: AddressFamily) -> Vec<u8> {
    let mut words = Vec::with_capacity(MESSAGE_BYTES);
    words.extend(u32::try_from(MESSAGE_BYTES).unwrap_or(0).to_ne_bytes());
    words.extend(BY_FAMILY.to_ne_bytes());
    words.extend(DUMP.to_ne_bytes());
    // Number and sender: there is one question, and the kernel knows who asks.
    words.extend([0; 8]);
    let family = u8::try_from(family.as_raw()).unwrap_or(0);
    words.extend([family, TCP, 1 << (INFO - 1), 0]);
    words.extend(OPEN_STATES.to_ne_bytes());
    words.resize(MESSAGE_BYTES, 0);
    words
}

fn answers(kernel: &OwnedFd) -> Option<Vec<Connection>> {
    let (mut all, mut buffer) = (Vec::new(), vec![0; ANSWER_BYTES_MAX]);
    for _ in 0..ANSWERS_MAX {
        let (_, read) = recv(kernel, buffer.as_mut_slice(), RecvFlags::empty()).ok()?;
        let mut rest = buffer.get(..read)?;
        while !rest.is_empty() {
            let length = usize::try_from(word(rest, 0)?).ok()?;
            let message = rest.get(..length)?;
            match u16::from_ne_bytes(message.get(4..6)?.try_into().ok()?) {
                DONE => return Some(all),
                ERROR => return None,
                _ => all.extend(message.get(16..).and_then(connection)),
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
    }
    None
}

fn connection(message: &[u8]) -> Option<Connection> {
    let mut attributes = message.get(MESSAGE_BYTES..)?;
    while let Some(head) = attributes.get(..4) {
        let length = usize::from(u16::from_ne_bytes(head.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(head.get(2..)?.try_into().ok()?);
        if kind == INFO {
            let quiet = word(attributes.get(4..length)?, LAST_RECEIVED_AT)?;
            return Some(Connection {
                inode: word(message, INODE_AT)?,
                unread: word(message, QUEUE_AT)?,
                quiet: Duration::from_millis(u64::from(quiet)),
            });
        }
        attributes = attributes.get(length.max(4).next_multiple_of(4)..)?;
    }
    None
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::{Ipv4Addr, TcpListener},
        process::{Child, Command, Stdio},
        time::{Duration, Instant},
    };

    use shim_core::hangs::Network;

    use super::network;

    /// A program of its own that connects, takes as many lines as it is asked to, and waits.
    struct Caller(Child);

    impl Caller {
        fn start(port: u16) -> Self {
            let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; read line <&3; echo >&3; read line");
            let mut command = Command::new("bash");
            Self(command.args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap())
        }
    }

    impl Drop for Caller {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[track_caller]
    fn wait(what: &str, mut done: impl FnMut() -> bool) {
        let until = Instant::now() + Duration::from_secs(30);
        while !done() {
            assert!(Instant::now() < until, "waited for {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn the_last_byte_a_process_took_is_told() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let caller = Caller::start(listener.local_addr().unwrap().port());
        let mut line = listener.accept().unwrap().0;
        let quiet = || match network(caller.0.id()) {
            Network::QuietFor(quiet) => quiet,
            other => panic!("{other:?}"),
        };
        wait("it to be quiet for a while", || quiet() >= Duration::from_millis(300));
        line.write_all(b"x\n").unwrap();
        line.read_exact(&mut [0]).unwrap();
        assert!(quiet() < Duration::from_secs(300));
        wait("it to be quiet again", || quiet() >= Duration::from_millis(300));
        line.write_all(b"this is not taken\n").unwrap();
        wait("it not to take it", || network(caller.0.id()) == Network::Unread);
    }

    #[test]
    fn a_process_without_a_connection_and_one_that_is_not_there_are_told_apart() {
        let mut sleeper = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
        assert_eq!(network(sleeper.id()), Network::NoConnection);
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        assert_eq!(network(sleeper.id()), Network::Unknown);
    }
}
