//! [`Children`]: the children of one node in the order of their names, for listings.
//!
//! Sorted pages of node numbers: 4 to 8 bytes a child, an insertion moves at most a page, and a page of a
//! listing begins with two binary searches. The names are the nodes' own, so every search is given the
//! comparison.

use super::nodes::At;
use std::cmp::Ordering;

/// Children of one page before it is split.
const PAGE: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Children {
    /// None is empty.
    pages: Vec<Vec<At>>,
}

impl Children {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// The page that has, or would have, the child for which `order` is equal.
    fn page(&self, order: &impl Fn(At) -> Ordering) -> usize {
        let before = |page: &Vec<At>| page.first().is_some_and(|one| order(*one).is_le());
        self.pages.partition_point(before).saturating_sub(1)
    }

    /// Inserts a child; `order` says where others stand relative to it.
    pub(super) fn insert(&mut self, child: At, order: impl Fn(At) -> Ordering) {
        let index = self.page(&order);
        let Some(page) = self.pages.get_mut(index) else {
            self.pages.push(vec![child]);
            return;
        };
        let place = page.partition_point(|one| order(*one).is_lt());
        page.insert(place, child);
        if page.len() > PAGE {
            // Names that come in order are put behind the last: a full page then stays full.
            let keep = if place == PAGE { PAGE } else { PAGE / 2 };
            let mut rest = page.split_off(keep);
            page.shrink_to_fit();
            rest.shrink_to_fit();
            self.pages.insert(index + 1, rest);
        }
    }

    /// Removes the child for which `order` is equal.
    pub(super) fn remove(&mut self, order: impl Fn(At) -> Ordering) {
        let index = self.page(&order);
        let Some(page) = self.pages.get_mut(index) else {
            return;
        };
        if let Ok(place) = page.binary_search_by(|one| order(*one)) {
            page.remove(place);
        }
        if page.is_empty() {
            self.pages.remove(index);
        }
    }

    /// The children behind those that are `passed`, which are the first ones.
    pub(super) fn behind(&self, passed: impl Fn(At) -> bool) -> impl Iterator<Item = At> {
        let starts = |page: &Vec<At>| page.first().is_some_and(|one| passed(*one));
        let index = self.pages.partition_point(starts).saturating_sub(1);
        let pages = self.pages.get(index..).unwrap_or_default();
        let first = pages.first();
        let skip = first.map_or(0, |page| page.partition_point(|one| passed(*one)));
        pages.iter().flatten().skip(skip).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::{Children, PAGE};

    /// The numbers are the names.
    fn of(numbers: impl Iterator<Item = u32>) -> Children {
        let mut children = Children::default();
        for number in numbers {
            children.insert(number, |other| other.cmp(&number));
        }
        children
    }

    #[test]
    fn children_are_in_order_however_they_came_and_went() {
        let count = u32::try_from(PAGE).unwrap() * 5;
        let orders: [Vec<u32>; 3] = [
            (0..count).collect(),
            (0..count).rev().collect(),
            (0..count).map(|one| one * 7 % count).collect(),
        ];
        for order in orders {
            let mut children = of(order.into_iter());
            assert!(children.behind(|_| false).eq(0..count));
            assert!(children.behind(|one| one <= 700).eq(701..count));
            assert_eq!(children.behind(|_| true).next(), None);
            for gone in 0..count / 2 {
                children.remove(|other| other.cmp(&gone));
            }
            assert!(children.behind(|_| false).eq(count / 2..count));
            for gone in (count / 2..count).rev() {
                children.remove(|other| other.cmp(&gone));
            }
            assert!(children.is_empty());
        }
    }
}
