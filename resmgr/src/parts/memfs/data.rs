//! [`Data`]: the bytes of a file, in pages; a page that nobody wrote takes no memory and reads as zeros.

use super::room::Room;
use crate::{Errno, Result};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

const PAGE_LEN: usize = 4096;
/// Bytes of a page.
pub(super) const PAGE: u64 = PAGE_LEN as u64;

type Page = Box<[u8; PAGE_LEN]>;

/// What a file holds.
#[derive(Debug)]
pub(super) struct Data {
    size: u64,
    pages: BTreeMap<u64, Page>,
    room: Arc<Room>,
}

/// The parts of a range, page by page: number of the page, and place in it.
fn parts(offset: u64, len: usize) -> impl Iterator<Item = (u64, Range<usize>)> {
    let (mut at, mut rest) = (offset, len);
    std::iter::from_fn(move || {
        let start = usize::try_from(at % PAGE).ok().filter(|_| rest > 0)?;
        let (number, len) = (at / PAGE, rest.min(PAGE_LEN - start));
        at = at.saturating_add(len as u64);
        rest -= len;
        Some((number, start..start + len))
    })
}

/// The part of page `number` that lies in `start..end`.
fn overlap(number: u64, start: u64, end: u64) -> Range<usize> {
    let base = number * PAGE;
    let within =
        |at: u64| usize::try_from(at.saturating_sub(base)).map_or(PAGE_LEN, |at| at.min(PAGE_LEN));
    within(start)..within(end)
}

fn zero(page: &mut Page, part: Range<usize>) {
    if let Some(bytes) = page.get_mut(part) {
        bytes.fill(0);
    }
}

impl Data {
    pub(super) fn new(room: &Arc<Room>) -> Self {
        Self {
            size: 0,
            pages: BTreeMap::new(),
            room: Arc::clone(room),
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that it takes.
    pub(super) fn space(&self) -> u64 {
        self.pages.len() as u64 * PAGE
    }

    /// Copies from `offset` on; 0 at or past the end.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let rest = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let len = rest.min(buffer.len());
        let mut to = buffer.get_mut(..len).unwrap_or_default();
        for (number, part) in parts(offset, len) {
            let (here, behind) = to.split_at_mut(part.len());
            match self.pages.get(&number).and_then(|page| page.get(part)) {
                Some(bytes) => here.copy_from_slice(bytes),
                None => here.fill(0),
            }
            to = behind;
        }
        len
    }

    /// Takes what there is room for; `ENOSPC` when that is nothing.
    pub(super) fn write(&mut self, offset: u64, data: &[u8]) -> Result<usize> {
        let mut done = 0;
        for (number, part) in parts(offset, data.len()) {
            let from = data.get(done..done + part.len()).ok_or(Errno::IO)?;
            let page = match self.page(number) {
                Err(_) if done > 0 => break,
                page => page?,
            };
            page.get_mut(part).ok_or(Errno::IO)?.copy_from_slice(from);
            done += from.len();
        }
        self.size = self.size.max(offset.saturating_add(done as u64));
        Ok(done)
    }

    fn page(&mut self, number: u64) -> Result<&mut Page> {
        use std::collections::btree_map::Entry;
        match self.pages.entry(number) {
            Entry::Occupied(page) => Ok(page.into_mut()),
            Entry::Vacant(place) => {
                self.room.take_pages(1)?;
                Ok(place.insert(Box::new([0; PAGE_LEN])))
            }
        }
    }

    /// Cuts the file, or lets it end in a hole.
    pub(super) fn resize(&mut self, size: u64) {
        if size < self.size {
            let gone = self.pages.split_off(&size.div_ceil(PAGE));
            self.room.give_pages(gone.len());
            if let Some(page) = self.pages.get_mut(&(size / PAGE)) {
                zero(page, overlap(size / PAGE, size, u64::MAX));
            }
        }
        self.size = size;
    }

    /// Leaves a hole. The file keeps its size.
    pub(super) fn punch(&mut self, start: u64, len: u64) {
        let end = start.saturating_add(len);
        let numbers = start / PAGE..end.div_ceil(PAGE);
        let whole = |number: u64| overlap(number, start, end).len() == PAGE_LEN;
        let mut gone = Vec::new();
        for (number, page) in self.pages.range_mut(numbers) {
            if whole(*number) {
                gone.push(*number);
            } else {
                zero(page, overlap(*number, start, end));
            }
        }
        for number in &gone {
            self.pages.remove(number);
        }
        self.room.give_pages(gone.len());
    }

    /// Takes room for a range; the file grows if it must. `ENOSPC`: there is not enough, and nothing is taken.
    pub(super) fn allocate(&mut self, start: u64, len: u64) -> Result<()> {
        let end = start.saturating_add(len);
        let numbers = start / PAGE..end.div_ceil(PAGE);
        let there = self.pages.range(numbers.clone()).count() as u64;
        self.room
            .take_pages((numbers.end - numbers.start).saturating_sub(there))?;
        for number in numbers {
            self.pages
                .entry(number)
                .or_insert_with(|| Box::new([0; PAGE_LEN]));
        }
        self.size = self.size.max(end);
        Ok(())
    }

    /// Where data begin, from `offset` on: `ENXIO` if nowhere.
    pub(super) fn data_from(&self, offset: u64) -> Result<u64> {
        let next = self.pages.range(offset / PAGE..).next();
        let at = next.map(|(number, _)| offset.max(number * PAGE));
        at.filter(|at| *at < self.size).ok_or(Errno::NXIO)
    }

    /// Where a hole begins, from `offset` on; the end is one. `ENXIO`: behind the end.
    pub(super) fn hole_from(&self, offset: u64) -> Result<u64> {
        if offset >= self.size {
            return Err(Errno::NXIO);
        }
        let mut number = offset / PAGE;
        for there in self.pages.range(number..).map(|(number, _)| *number) {
            if there != number {
                break;
            }
            number += 1;
        }
        Ok(offset.max(number.saturating_mul(PAGE)).min(self.size))
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        self.room.give_pages(self.pages.len());
    }
}

#[cfg(test)]
mod tests {
    use super::{Data, PAGE, Room};
    use crate::Errno;
    use std::sync::Arc;

    fn with_pages(count: u64) -> (Arc<Room>, Data) {
        let room = Arc::new(Room::new(count * PAGE, 9));
        let data = Data::new(&room);
        (room, data)
    }

    fn read(data: &Data, offset: u64, len: usize) -> Vec<u8> {
        let mut buffer = vec![9; len];
        let len = data.read(offset, &mut buffer);
        buffer.truncate(len);
        buffer
    }

    #[test]
    fn holes_read_as_zeros_and_take_nothing() {
        let (room, mut data) = with_pages(2);
        assert_eq!(data.write(5 * PAGE - 1, b"ab"), Ok(2));
        assert_eq!((data.size(), data.space()), (5 * PAGE + 1, 2 * PAGE));
        assert_eq!(read(&data, 5 * PAGE - 2, 9), b"\0ab");
        assert_eq!(read(&data, PAGE, 2), [0, 0]);
        assert_eq!(read(&data, 5 * PAGE + 1, 2), []);
        assert_eq!(room.pages(), (2, 0));
        assert_eq!(data.write(0, b"x"), Err(Errno::NOSPC));
        assert_eq!(data.data_from(0), Ok(4 * PAGE));
        assert_eq!(data.hole_from(4 * PAGE), Ok(5 * PAGE + 1));
        assert_eq!(data.hole_from(7), Ok(7));
        assert_eq!(data.data_from(5 * PAGE + 1), Err(Errno::NXIO));
        drop(data);
        assert_eq!(room.pages(), (2, 2));
    }

    #[test]
    fn what_is_cut_off_does_not_come_back() {
        let (room, mut data) = with_pages(4);
        data.write(0, &[7; 3 * 4096]).unwrap();
        data.resize(10);
        assert_eq!(room.pages(), (4, 3));
        data.resize(PAGE);
        assert_eq!(read(&data, 8, 4), [7, 7, 0, 0]);
        data.write(0, &[7; 3 * 4096]).unwrap();
        data.punch(100, 2 * PAGE);
        assert_eq!(data.space(), 2 * PAGE);
        assert_eq!(read(&data, 99, 2), [7, 0]);
        assert_eq!(read(&data, 2 * PAGE + 99, 2), [0, 7]);
        data.punch(0, u64::MAX);
        assert_eq!((data.size(), data.space()), (3 * PAGE, 0));
    }

    #[test]
    fn room_is_taken_whole_or_not_at_all_and_a_write_takes_what_fits() {
        let (room, mut data) = with_pages(2);
        assert_eq!(data.allocate(0, 2 * PAGE + 1), Err(Errno::NOSPC));
        assert_eq!(data.allocate(0, i64::MAX as u64), Err(Errno::NOSPC));
        assert_eq!(room.pages(), (2, 2));
        assert_eq!(data.write(1, &[1; 3 * 4096]), Ok(2 * 4096 - 1));
        assert_eq!(data.size(), 2 * PAGE);
        assert_eq!(data.allocate(PAGE - 1, 2), Ok(()));
    }
}
