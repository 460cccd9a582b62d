//! Where things lie in a link, and what its two packets say.

/// Slots of a link.
pub const SLOTS: u32 = 1024;
/// Pulse cells.
pub const CELLS: u32 = 128;
/// Ring entries.
pub const RING: u32 = 4096;
/// Bytes of bulk memory.
pub const BULK: u64 = BULK_LEN as u64;
const BULK_LEN: usize = 64 << 20;
/// Both parts: the first slot.
pub const SLOTS_AT: usize = 1024;
/// Bytes of a slot.
pub const SLOT: usize = 1024;
/// Client's part: the ring, but for its first entries, which lie in the head.
pub const RING_AT: usize = SLOTS_AT + SLOTS as usize * SLOT;
const HEAD_ENTRIES: usize = 240;
/// Client's part: the first pulse cell.
pub const CELLS_AT: usize = RING_AT + (RING as usize - HEAD_ENTRIES) * 4;
/// Both parts: the bulk memory.
pub const BULK_AT: usize = (CELLS_AT + CELLS as usize * 16).next_multiple_of(4096);
/// Bytes of either part.
pub const LEN: usize = BULK_AT + BULK_LEN;
/// In a slot: the header's fields.
pub const FIELDS: usize = 8;
/// In a slot: small data.
pub const DATA: usize = 64;
/// In a slot of the server's part: the call that a receiver has.
pub const TAKEN: usize = 960;
/// "The bytes lie in the slot."
pub const IN_SLOT: u64 = u64::MAX;
/// "The bytes lie in the client's own memory."
pub const DIRECT: u64 = u64::MAX - 1;
/// The most bytes that lie in a slot.
pub const INLINE: u64 = 896;

/// Kinds of ring entries.
pub const CALL: u32 = 0;
/// A pulse.
pub const PULSE: u32 = 1;
/// An unblock request.
pub const UNBLOCK: u32 = 2;
/// No kind at all.
pub const NONSENSE: u32 = 3;

/// How the packets begin.
pub const MAGIC: u32 = u32::from_ne_bytes(*b"RSM1");
/// The layout's version.
pub const VERSION: u32 = 7;
/// Pages of bulk memory.
pub const PAGES: u32 = 16_384;
const _: () = assert!(PAGES as usize * 4096 == BULK_LEN);

/// Words as a packet.
pub fn packet(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// Client's part: where an entry of the ring lies.
pub fn ring_word(index: u32) -> usize {
    let index = (index % RING) as usize;
    match index.checked_sub(HEAD_ENTRIES) {
        None => 64 + index * 4,
        Some(index) => RING_AT + index * 4,
    }
}

/// Where a slot begins.
pub fn slot(index: u32) -> usize {
    SLOTS_AT + index as usize * SLOT
}

/// In a request's header: how many ring entries its sender had published before (the lower byte).
pub const ANNOUNCED: usize = 34;

/// A request's header: how long the message is, where it lies, and how much room there is for the reply.
pub fn request(len: u64, at: u64, room: u64) -> Vec<u8> {
    let mut bytes = [len, room, at].map(u64::to_ne_bytes).concat();
    // Connection and thread; priority 10; no ids.
    bytes.extend([0; 8]);
    bytes.extend([10, 0, 0, 0]);
    bytes.extend([0; 12]);
    bytes
}

/// The same of a client that has announced so much before.
pub fn announced(mut request: Vec<u8>, entries: u32) -> Vec<u8> {
    let [low, high, _, _] = entries.to_le_bytes();
    request[34..36].copy_from_slice(&u16::from_le_bytes([low, high]).to_ne_bytes());
    request
}

/// An answer's header.
pub fn answer(errno: u32, ranges: u32, len: u64, at: u64) -> Vec<u8> {
    let mut bytes = [errno, ranges].map(u32::to_ne_bytes).concat();
    bytes.extend([0, len, at].map(u64::to_ne_bytes).concat());
    bytes
}
