//! Replays the committed corpus, and some noise, on every toolchain.
// Noise is cut to what fits.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

use resmgr_fuzz::TARGETS;
use resmgr_tests::hostile::Noise;
use std::path::Path;

/// Scripts of noise for each target.
const NOISE: usize = 200;

#[test]
fn every_script_of_the_corpus_keeps_the_promises() {
    for (name, target) in TARGETS {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(name);
        let entries = std::fs::read_dir(&corpus).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        assert!(!paths.is_empty(), "{name} has no corpus");
        for path in paths {
            println!("{}", path.display());
            target(&std::fs::read(&path).unwrap());
        }
    }
}

#[test]
fn noise_keeps_the_promises() {
    let mut noise = Noise::new(20_261_122);
    for (name, target) in TARGETS {
        for _ in 0..NOISE {
            let len = noise.number() as usize % 600;
            let script = noise.bytes(len);
            println!("{name}: {script:02x?}");
            target(&script);
        }
    }
}
