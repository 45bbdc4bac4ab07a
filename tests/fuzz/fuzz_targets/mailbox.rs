#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peer_tests::fuzzing::mailbox(data));
