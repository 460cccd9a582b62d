//! The other process of a test: reads commands from its input, one a line, until that ends.
#![forbid(unsafe_code)]

fn main() {
    resmgr_tests::assist::run();
}
