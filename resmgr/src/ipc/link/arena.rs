//! Who has which piece of a link's bulk memory: one allocator on each side, in private memory.

/// A piece of bulk memory: offset and length, in whole pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) at: usize,
    pub(crate) len: usize,
}

const PAGE: usize = 4096;

/// First fit from the low end: the same pages serve again while they are warm, which counts for more than
/// anything else here (the first touch of a page costs as much as copying 16 KiB).
#[derive(Debug)]
pub(crate) struct Arena {
    /// Sorted by offset; neighbours are always joined.
    free: Vec<Block>,
}

impl Arena {
    pub(crate) fn new(len: usize) -> Self {
        Self {
            free: vec![Block { at: 0, len }],
        }
    }

    /// `None`: no piece is long enough.
    pub(crate) fn take(&mut self, len: usize) -> Option<Block> {
        let len = len.max(1).checked_next_multiple_of(PAGE)?;
        let index = self.free.iter().position(|block| block.len >= len)?;
        let found = self.free.get_mut(index)?;
        let block = Block { at: found.at, len };
        found.at += len;
        found.len -= len;
        if found.len == 0 {
            self.free.remove(index);
        }
        Some(block)
    }

    pub(crate) fn give_back(&mut self, block: Block) {
        let index = self.free.partition_point(|other| other.at < block.at);
        self.free.insert(index, block);
        self.join(index);
        if let Some(before) = index.checked_sub(1) {
            self.join(before);
        }
    }

    /// Joins a free block with the next one if they touch.
    fn join(&mut self, index: usize) {
        let (Some(block), Some(next)) = (self.free.get(index), self.free.get(index + 1)) else {
            return;
        };
        if block.at + block.len == next.at {
            let joined = Block {
                at: block.at,
                len: block.len + next.len,
            };
            self.free[index] = joined;
            self.free.remove(index + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Arena, Block};

    #[test]
    fn the_lowest_place_serves_again_and_neighbours_join() {
        let mut arena = Arena::new(5 * 4096);
        let blocks: Vec<Block> = (0..5).map(|_| arena.take(100).unwrap()).collect();
        assert_eq!(arena.take(1), None);
        arena.give_back(blocks[1]);
        arena.give_back(blocks[3]);
        assert_eq!(arena.take(8192), None);
        arena.give_back(blocks[2]);
        assert_eq!(
            arena.take(3 * 4096),
            Some(Block {
                at: 4096,
                len: 3 * 4096
            })
        );
        arena.give_back(blocks[0]);
        assert_eq!(arena.take(0), Some(Block { at: 0, len: 4096 }));
        assert_eq!(arena.take(usize::MAX), None);
    }
}
