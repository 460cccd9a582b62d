//! libFuzzer calls [`resmgr_fuzz::hostile_client`] with what it has come upon.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| resmgr_fuzz::hostile_client(data));
