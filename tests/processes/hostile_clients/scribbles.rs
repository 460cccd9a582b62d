//! Clients that write what they like while their server works: words at places that matter, every byte, old
//! calls, and calls whose answers nobody reads.

use super::Victim;
use resmgr_tests::hostile::layout::{
    self, BULK_AT, CALL, CELLS_AT, FIELDS, IN_SLOT, LEN, RING, SLOTS, announced, request, ring_word,
};
use resmgr_tests::hostile::{Noise, RawClient};
use resmgr_tests::observe::{
    comes_to_rest, descriptors, link_mappings, own_memory, settles, shared_memory,
};
use std::sync::atomic::Ordering;

/// Links that are scribbled on, one after the other, in each of the threads.
const LINKS: usize = 40;
/// Words that are written to each of them, unless it is closed before.
const WORDS: usize = 4000;
/// What a server may have grown by, in KiB: what its allocator keeps.
const GROWTH: usize = 64 << 10;

/// What the server has: descriptors, mappings of links, its own memory, shared memory.
fn possessions(victim: &Victim) -> Vec<usize> {
    let pid = victim.server.pid();
    let memory = [own_memory(pid), shared_memory(pid)];
    [vec![descriptors(pid), link_mappings(pid)], memory.into()].concat()
}

/// It has no more than before, and does nothing.
fn recovers(victim: Victim, before: &[usize]) {
    let mut limits = before.to_vec();
    limits[2] += GROWTH;
    limits[3] += GROWTH;
    settles("descriptors, mappings and memory", &limits, || {
        possessions(&victim)
    });
    victim.worker.ask("stop");
    comes_to_rest(victim.server.pid());
    victim.goes_on();
}

fn store(client: &RawClient, at: usize, value: u64) {
    let value = u32::try_from(value & 0xffff_ffff).unwrap();
    client.ours.word(at).store(value, Ordering::SeqCst);
}

/// A word somewhere, or a call, which is nearly right.
fn scribble(client: &RawClient, noise: &mut Noise, position: &mut u32) {
    let word = noise.number();
    let slot = layout::slot(u32::try_from(word >> 32).unwrap() % 8);
    match noise.number() % 16 {
        0 => store(client, ring_word(word as u32), noise.number()),
        1 => store(client, ring_word(*position), word),
        2 => store(client, CELLS_AT + word as usize % 512 * 4, noise.number()),
        3 | 4 => store(client, slot, word & 0x3f),
        5 => store(client, slot + 4, word & 1),
        6..=8 => store(
            client,
            slot + FIELDS + word as usize % 12 * 4,
            noise.number(),
        ),
        9 => store(client, (word as usize % LEN) & !3, noise.number()),
        _ => {
            let slot = u32::try_from(word % 8).unwrap();
            let header = request(noise.number() % 5000, IN_SLOT, 5000);
            let last = client.ours.word(layout::slot(slot)).load(Ordering::SeqCst) >> 2;
            client.fill(slot, last + 1, &announced(header, *position));
            client.entry(*position % RING, CALL, slot);
            *position += 1;
        }
    }
    client.ring();
}

#[test]
fn a_client_that_scribbles_while_it_runs_hurts_nobody_else() {
    let victim = Victim::new();
    let before = possessions(&victim);
    std::thread::scope(|scope| {
        for seed in [11, 13] {
            let (world, pid) = (&victim.world, victim.server.pid());
            scope.spawn(move || {
                let mut noise = Noise::new(seed);
                for _ in 0..LINKS {
                    let (client, mut position) = (RawClient::attach(world, pid, 1), 0);
                    for _ in 0..WORDS {
                        scribble(&client, &mut noise, &mut position);
                        if client.is_closed_now() {
                            break;
                        }
                    }
                }
            });
        }
    });
    recovers(victim, &before);
}

#[test]
fn a_client_that_scribbles_over_every_byte_hurts_nobody_else() {
    let victim = Victim::new();
    let before = possessions(&victim);
    let mut noise = Noise::new(17);
    let client = victim.attach(1);
    // From the end on: it is closed for what it does to the ring.
    for at in (0..LEN).step_by(4).rev() {
        store(&client, at, noise.number());
        if at % (1 << 16) == 0 {
            client.ring();
        }
    }
    drop(client);
    recovers(victim, &before);
}

#[test]
fn old_entries_and_old_numbers_hurt_nobody_else() {
    let victim = Victim::new();
    let before = possessions(&victim);
    let client = victim.attach(1);
    let header = |position| announced(request(4, IN_SLOT, 4), position);
    for (position, number) in [(0, 7), (1, 8)] {
        client.fill(0, number, &header(position));
        client.entry(position, CALL, 0);
        client.ring();
        assert!(client.is_answered(0, number));
    }
    // The same call again, and one that was answered long ago: calls of their own.
    for (position, number) in [(2, 8), (3, 7), (4, 7)] {
        client.fill(0, number, &header(position));
        client.entry(position, CALL, 0);
        client.ring();
    }
    // A whole lap of old entries.
    for position in 0..RING {
        client.entry(position, CALL, 0);
    }
    client.ring();
    drop(client);
    recovers(victim, &before);
}

#[test]
fn a_client_that_reads_no_answer_uses_its_own_memory_only() {
    let victim = Victim::new();
    let before = possessions(&victim);
    let client = victim.attach(1);
    // More than the server has room for on one link, in answers that nobody takes.
    let len = 100_000;
    for slot in 0..SLOTS {
        client.fill(slot, 1, &announced(request(len, 0, len), slot));
        client.entry(slot, CALL, slot);
        client.ring();
    }
    for slot in 0..SLOTS {
        assert!(client.is_answered(slot, 1), "slot {slot}");
    }
    assert!(!client.is_closed_now());
    assert!(link_mappings(victim.server.pid()) <= before[1] + 2);
    assert!(own_memory(victim.server.pid()) < before[2] + GROWTH);
    let mut first = [0; 4];
    client.theirs.read(BULK_AT, &mut first).unwrap();
    drop(client);
    recovers(victim, &before);
}
