//! Where a window stands in a strip of rows that nobody has measured as a whole.
//!
//! A strip is a sequence of blocks; each knows its neighbours and, once somebody asks, its height.
//! The window is held by the block at its top, not by a row number, so it stays put while blocks
//! grow below it, appear above it, or change their height elsewhere. Each question asks for the
//! heights of the blocks it passes over and of no others.

/// A sequence of blocks, each some rows high (perhaps none).
pub trait Strip {
    /// Names a block.
    type Key: Copy + PartialEq;
    /// The first block.
    fn first(&mut self) -> Option<Self::Key>;
    /// The last block.
    fn last(&mut self) -> Option<Self::Key>;
    /// The block behind `key`.
    fn next(&mut self, key: Self::Key) -> Option<Self::Key>;
    /// The block before `key`.
    fn prev(&mut self, key: Self::Key) -> Option<Self::Key>;
    /// How many rows the block has.
    fn height(&mut self, key: Self::Key) -> usize;
    /// `key` if it is (still) a block, else the one to show in its place.
    fn nearest(&mut self, key: Self::Key) -> Option<Self::Key>;
}

/// Where the top of a window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place<K> {
    /// The window shows the end and follows it.
    End,
    /// The window begins with this row of this block.
    At(K, usize),
}

/// The part of a block that a window shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice<K> {
    /// Which block.
    pub key: K,
    /// How many of its rows lie above the window.
    pub skip: usize,
    /// How many of its rows are shown.
    pub take: usize,
}

/// A window onto a [`Strip`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window<K> {
    place: Place<K>,
    height: usize,
}

impl<K: Copy + PartialEq> Default for Window<K> {
    fn default() -> Self {
        Self { place: Place::End, height: 0 }
    }
}

impl<K: Copy + PartialEq> Window<K> {
    /// Whether the window follows the end.
    pub fn at_end(&self) -> bool {
        self.place == Place::End
    }

    /// How many rows the window shows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Follows the end from now on.
    pub fn to_end(&mut self) {
        self.place = Place::End;
    }

    /// Begins with row `row` of block `key`, for the next [`settle`](Self::settle) to judge.
    pub fn hold(&mut self, key: K, row: usize) {
        self.place = Place::At(key, row);
    }

    /// Shows the beginning.
    pub fn to_start(&mut self, strip: &mut impl Strip<Key = K>) {
        self.place = strip.first().map_or(Place::End, |first| Place::At(first, 0));
    }

    /// Learns its height and says what it shows, from top to bottom. A window that reaches the end
    /// follows it from now on.
    pub fn settle(&mut self, strip: &mut impl Strip<Key = K>, height: usize) -> Vec<Slice<K>> {
        self.height = height;
        if height == 0 {
            return Vec::new();
        }
        if let Some((key, row)) = self.held(strip) {
            let slices = fill(strip, key, row, height);
            if slices.iter().map(|slice| slice.take).sum::<usize>() == height
                && !ends_with(strip, &slices)
            {
                self.place = Place::At(key, row);
                return slices;
            }
        }
        self.place = Place::End;
        match end(strip, height) {
            Some((key, row)) => fill(strip, key, row, height),
            None => Vec::new(),
        }
    }

    /// Moves by `rows`, down if positive.
    pub fn scroll(&mut self, strip: &mut impl Strip<Key = K>, rows: i64) {
        let Some((mut key, mut row)) = self.top(strip) else { return };
        let mut left = usize::try_from(rows.unsigned_abs()).unwrap_or(usize::MAX);
        if rows < 0 {
            while row < left {
                left -= row;
                let Some(prev) = strip.prev(key) else {
                    (row, left) = (0, 0);
                    break;
                };
                key = prev;
                row = strip.height(key);
            }
            row -= left;
        } else {
            row += left;
            loop {
                let height = strip.height(key);
                if row < height {
                    break;
                }
                let Some(next) = strip.next(key) else {
                    self.place = Place::End;
                    return;
                };
                row -= height;
                key = next;
            }
        }
        self.place = Place::At(key, row);
        self.settle(strip, self.height);
    }

    /// Puts row `row` of block `key` on row `line` of the window, as far as the strip goes.
    pub fn put(&mut self, strip: &mut impl Strip<Key = K>, key: K, row: usize, line: usize) {
        self.place = Place::At(key, row);
        let Some((mut key, mut row)) = self.held(strip) else { return };
        let mut left = line;
        while row < left {
            left -= row;
            let Some(prev) = strip.prev(key) else {
                (row, left) = (0, 0);
                break;
            };
            key = prev;
            row = strip.height(key);
        }
        self.place = Place::At(key, row - left);
        self.settle(strip, self.height);
    }

    /// The block and the row at the top.
    pub fn top(&mut self, strip: &mut impl Strip<Key = K>) -> Option<(K, usize)> {
        self.held(strip).or_else(|| end(strip, self.height))
    }

    /// The place it is held at, made to fit the strip as it is now.
    fn held(&mut self, strip: &mut impl Strip<Key = K>) -> Option<(K, usize)> {
        let Place::At(key, row) = self.place else { return None };
        let near = strip.nearest(key)?;
        if near != key {
            return Some((near, 0));
        }
        Some((key, row.min(strip.height(key).saturating_sub(1))))
    }
}

/// The top of a window of `height` rows that shows the end.
fn end<K: Copy + PartialEq>(strip: &mut impl Strip<Key = K>, height: usize) -> Option<(K, usize)> {
    let mut key = strip.last()?;
    let mut left = height;
    loop {
        let rows = strip.height(key);
        if rows >= left {
            return Some((key, rows - left));
        }
        left -= rows;
        match strip.prev(key) {
            Some(prev) => key = prev,
            None => return Some((key, 0)),
        }
    }
}

fn fill<K: Copy + PartialEq>(
    strip: &mut impl Strip<Key = K>,
    key: K,
    row: usize,
    height: usize,
) -> Vec<Slice<K>> {
    let mut slices = Vec::new();
    let (mut next, mut skip, mut left) = (Some(key), row, height);
    while let Some(key) = next
        && left > 0
    {
        let take = strip.height(key).saturating_sub(skip).min(left);
        if take > 0 {
            slices.push(Slice { key, skip, take });
        }
        left -= take;
        skip = 0;
        next = strip.next(key);
    }
    slices
}

/// Whether nothing lies below the slices.
fn ends_with<K: Copy + PartialEq>(strip: &mut impl Strip<Key = K>, slices: &[Slice<K>]) -> bool {
    let Some(last) = slices.last() else { return true };
    if last.skip + last.take < strip.height(last.key) {
        return false;
    }
    let mut key = last.key;
    while let Some(next) = strip.next(key) {
        if strip.height(next) > 0 {
            return false;
        }
        key = next;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks by number, with their heights.
    struct Heights(Vec<(u32, usize)>);

    impl Heights {
        fn at(&self, key: u32) -> Option<usize> {
            self.0.iter().position(|(other, _)| *other == key)
        }
    }

    impl Strip for Heights {
        type Key = u32;
        fn first(&mut self) -> Option<u32> {
            self.0.first().map(|(key, _)| *key)
        }
        fn last(&mut self) -> Option<u32> {
            self.0.last().map(|(key, _)| *key)
        }
        fn next(&mut self, key: u32) -> Option<u32> {
            self.0.get(self.at(key)? + 1).map(|(key, _)| *key)
        }
        fn prev(&mut self, key: u32) -> Option<u32> {
            self.0.get(self.at(key)?.checked_sub(1)?).map(|(key, _)| *key)
        }
        fn height(&mut self, key: u32) -> usize {
            self.at(key).map_or(0, |at| self.0[at].1)
        }
        fn nearest(&mut self, key: u32) -> Option<u32> {
            self.0.iter().map(|(key, _)| *key).find(|other| *other >= key).or(self.last())
        }
    }

    fn strip() -> Heights {
        Heights(vec![(1, 3), (2, 0), (3, 5), (4, 1), (5, 4)])
    }

    /// Moves of a window 4 rows high over blocks of 3, 0, 5, 1 and 4 rows; what it shows then.
    fn check(moves: &[i64], expected: &[(u32, usize, usize)], at_end: bool) {
        let (mut strip, mut window) = (strip(), Window::default());
        window.settle(&mut strip, 4);
        for rows in moves {
            window.scroll(&mut strip, *rows);
        }
        let slices = window.settle(&mut strip, 4);
        let seen: Vec<_> = slices.iter().map(|slice| (slice.key, slice.skip, slice.take)).collect();
        assert_eq!(seen, expected, "{moves:?}");
        assert_eq!(window.at_end(), at_end, "{moves:?}");
    }

    #[test]
    fn scrolling_moves_over_blocks_and_stops_at_both_ends() {
        check(&[], &[(5, 0, 4)], true);
        check(&[-1], &[(4, 0, 1), (5, 0, 3)], false);
        check(&[-3], &[(3, 3, 2), (4, 0, 1), (5, 0, 1)], false);
        check(&[-3, 3], &[(5, 0, 4)], true);
        check(&[-6], &[(3, 0, 4)], false);
        check(&[-100], &[(1, 0, 3), (3, 0, 1)], false);
        check(&[-100, 2], &[(1, 2, 1), (3, 0, 3)], false);
        check(&[-100, 100], &[(5, 0, 4)], true);
        check(&[i64::MIN, i64::MAX], &[(5, 0, 4)], true);
    }

    #[test]
    fn growth_below_and_above_does_not_move_a_window_that_is_held() {
        let (mut strip, mut window) = (strip(), Window::default());
        window.settle(&mut strip, 4);
        window.scroll(&mut strip, -3);
        let before = window.settle(&mut strip, 4);
        strip.0.push((6, 40));
        strip.0.insert(0, (0, 17));
        strip.0[1].1 = 99;
        assert_eq!(window.settle(&mut strip, 4), before);
        window.to_end();
        strip.0.push((7, 1));
        assert_eq!(window.settle(&mut strip, 4)[1], Slice { key: 7, skip: 0, take: 1 });
    }

    #[test]
    fn a_window_whose_block_is_gone_shows_the_one_in_its_place() {
        let (mut strip, mut window) = (strip(), Window::default());
        window.settle(&mut strip, 4);
        window.scroll(&mut strip, -5);
        strip.0.remove(2);
        strip.0[2].1 = 30;
        assert_eq!(window.settle(&mut strip, 4), [Slice { key: 4, skip: 0, take: 4 }]);
    }

    #[test]
    fn a_strip_shorter_than_the_window_begins_at_the_top() {
        let (mut strip, mut window) = (strip(), Window::default());
        window.settle(&mut strip, 50);
        window.scroll(&mut strip, -5);
        assert!(window.at_end());
        assert_eq!(window.settle(&mut strip, 50)[0], Slice { key: 1, skip: 0, take: 3 });
        assert_eq!(window.settle(&mut strip, 0), []);
        assert_eq!(Window::default().settle(&mut Heights(Vec::new()), 9), []);
    }

    #[test]
    fn a_block_can_be_put_on_any_row() {
        let (mut strip, mut window) = (strip(), Window::default());
        window.settle(&mut strip, 4);
        window.put(&mut strip, 3, 1, 2);
        let slices = window.settle(&mut strip, 4);
        assert_eq!(slices[0], Slice { key: 1, skip: 2, take: 1 });
        window.put(&mut strip, 1, 0, 3);
        assert_eq!(window.settle(&mut strip, 4)[0], Slice { key: 1, skip: 0, take: 3 });
    }
}
