//! A server that writes what it likes while its client works.

use super::Victim;
use resmgr_tests::hostile::{Lie, Noise};
use resmgr_tests::observe::{comes_to_rest, descriptors, link_mappings, own_memory, settles};

/// Links that are scribbled on, one after the other.
const LINKS: usize = 60;
/// Words that are written to each of them.
const WORDS: usize = 3000;
/// What a client may have grown by, in KiB: what its allocator keeps.
const GROWTH: usize = 32 << 10;

#[test]
fn a_server_that_scribbles_while_it_runs_hurts_only_its_own_connection() {
    let victim = Victim::new();
    let pid = victim.client.pid();
    let possessions = || vec![descriptors(pid), link_mappings(pid), own_memory(pid)];
    let mut limits = possessions();
    let mut noise = Noise::new(19);
    for _ in 0..LINKS {
        let attach = victim.attach();
        let taken = victim.liar.welcome(&Lie::None).unwrap();
        assert!(attach.end().starts_with("connection "));
        let calls = ["check c", "check c", "pulse c 1 2"].map(|call| victim.client.begin(call));
        for _ in 0..WORDS {
            taken.scribble(&mut noise);
        }
        // Whoever still waits, waits for somebody who has gone.
        drop(taken);
        let said: Vec<_> = calls.into_iter().map(resmgr_tests::Pending::end).collect();
        assert!(
            said.iter().all(|said| !said.contains("not possible")),
            "{said:?}"
        );
        victim.client.ask("detach c");
    }
    limits[2] += GROWTH;
    settles("descriptors, mappings and memory", &limits, possessions);
    victim.client.ask("stop");
    comes_to_rest(pid);
    victim.goes_on();
}
