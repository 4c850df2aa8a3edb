//! Any bytes as a damaged transcript, and any as what the journal kept of it: nothing panics, and what was repaired
//! needs no second repair. The first byte says which client's it is and where the two are parted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shim_core::{
    chats::Client,
    clinic::{Cure, Patient, examine, repair},
};

fuzz_target!(|data: &[u8]| {
    let Some((first, bytes)) = data.split_first() else { return };
    let client = [Client::ClaudeCode, Client::Codex, Client::Gemini, Client::Opencode][usize::from(first & 3)];
    let (file, before) = bytes.split_at(bytes.len() * usize::from(first >> 2) / 64);
    let kept = if before.is_empty() { Vec::new() } else { vec![before.to_vec()] };
    let patient = Patient { client, file, kept: &kept };
    let findings = examine(&patient);
    let mut number = 0;
    let repaired = repair(&patient, &mut || {
        number += 1;
        format!("new-{number}")
    });
    if let Ok(repaired) = repaired {
        assert!(!findings.is_empty());
        let left = examine(&Patient { client, file: &repaired.bytes, kept: &[] });
        assert!(left.iter().all(|finding| finding.cure != Cure::Repair), "{left:?}");
    }
});
