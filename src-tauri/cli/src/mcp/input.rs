//! The client's side of the talk, with a bound: a line that never ends does not fill the memory.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

/// Longest message, in bytes. The tools take a paragraph at most; what clients add to it is small.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// Ends the talk at a longer line.
pub struct Bounded<R> {
    reader: R,
    /// Bytes since the last end of a line.
    line: usize,
}

impl<R> Bounded<R> {
    pub fn new(reader: R) -> Self {
        Self { reader, line: 0 }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Bounded<R> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.reader).poll_read(cx, buf))?;
        let new = buf.filled().get(before..).unwrap_or_default();
        match new.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => this.line = new.len() - end - 1,
            None => this.line += new.len(),
        }
        if this.line > LINE_BYTES_MAX {
            buf.set_filled(before);
            let message = format!("the client sent a line of more than {LINE_BYTES_MAX} bytes");
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, message)));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    fn reads(bytes: &[u8]) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(Bounded::new(bytes).read_to_end(&mut Vec::new())).is_ok()
    }

    #[test]
    fn only_one_line_that_is_too_long_ends_the_talk() {
        let line = vec![b'x'; LINE_BYTES_MAX];
        assert!(reads(&line));
        assert!(reads(&[line.as_slice(), b"\n", &line].concat()));
        assert!(!reads(&[line.as_slice(), b"x\n"].concat()[..LINE_BYTES_MAX + 1]));
        assert!(!reads(&[b"{}\n", line.as_slice(), b"x"].concat()));
    }
}
