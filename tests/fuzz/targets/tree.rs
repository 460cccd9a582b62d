//! libFuzzer calls [`resmgr_fuzz::tree`] with what it has come upon.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| resmgr_fuzz::tree(data));
