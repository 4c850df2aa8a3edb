//! Any bytes as a transcript: nothing panics, every byte is accounted for, and it makes no difference
//! where the file was cut while it grew. The first byte says where.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shim_core::{
    chats::Client,
    digest::{Digest, Reader},
};

fuzz_target!(|data: &[u8]| {
    let Some((cut, text)) = data.split_first() else { return };
    let whole = read(&[text]);
    let at = text.len() * usize::from(*cut) / 256;
    let (head, rest) = text.split_at(at);
    assert_eq!(whole, read(&[head, rest]), "cut at {at}");

    let lines_end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    assert_eq!(whole.offset, lines_end as u64);

    // Read on from what was stored at the end of the last whole line before the cut.
    let stored = read(&[head]);
    let offset = usize::try_from(stored.offset).unwrap();
    let mut resumed = Reader::resume(Client::ClaudeCode, stored);
    resumed.feed(&text[offset..]);
    assert_eq!(whole, resumed.digest, "resumed at {offset}");
});

fn read(chunks: &[&[u8]]) -> Digest {
    let mut reader = Reader::new(Client::ClaudeCode);
    for chunk in chunks {
        reader.feed(chunk);
    }
    reader.digest
}
