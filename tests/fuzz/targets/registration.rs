//! Any bytes as a client's registry file: it is read or it is not, and nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shim_core::clients::claude_code::{project_slug, read_registration};

fuzz_target!(|data: &[u8]| {
    if let Some(read) = read_registration(data) {
        assert!(project_slug(&read.session_id).is_ascii());
    }
});
