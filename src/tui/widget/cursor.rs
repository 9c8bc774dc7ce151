//! A place in a list of lines of which some are on the screen. It knows no line, only how many there are.

use std::ops::Range;

/// The place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    /// The line with the cursor.
    pub at: usize,
    top: usize,
    height: usize,
    len: usize,
}

impl Cursor {
    /// There are `len` lines, and room for `height` of them.
    pub fn fit(&mut self, len: usize, height: usize) {
        (self.len, self.height) = (len, height);
        self.to(self.at);
    }

    /// Moves the cursor; the lines move as little as it takes to have it on the screen.
    pub fn to(&mut self, at: usize) {
        self.at = at.min(self.len.saturating_sub(1));
        self.top = self.top.min(self.at).max((self.at + 1).saturating_sub(self.height.max(1)));
        self.top = self.top.min(self.len.saturating_sub(self.height));
    }

    /// Down (up where negative).
    pub fn go(&mut self, by: isize) {
        self.to(self.at.saturating_add_signed(by));
    }

    /// To the first line or the last.
    pub fn ends(&mut self, start: bool) {
        self.to(if start { 0 } else { usize::MAX });
    }

    /// How many lines fit.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Whether the cursor is on the last line.
    pub fn is_last(&self) -> bool {
        self.at + 1 >= self.len
    }

    /// The lines on the screen.
    pub fn visible(&self) -> Range<usize> {
        self.top..(self.top + self.height).min(self.len)
    }

    /// The line that is the `n`th on the screen.
    pub fn line(&self, n: usize) -> Option<usize> {
        Some(self.top + n).filter(|at| self.visible().contains(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_move_as_little_as_it_takes() {
        let mut cursor = Cursor::default();
        cursor.fit(10, 4);
        cursor.go(3);
        assert_eq!((cursor.at, cursor.visible()), (3, 0..4));
        cursor.go(1);
        assert_eq!((cursor.at, cursor.visible()), (4, 1..5));
        cursor.ends(false);
        assert_eq!((cursor.at, cursor.visible(), cursor.is_last()), (9, 6..10, true));
        cursor.go(-1);
        assert_eq!((cursor.at, cursor.visible(), cursor.line(1), cursor.line(4)), (8, 6..10, Some(7), None));
        cursor.fit(3, 4);
        assert_eq!((cursor.at, cursor.visible()), (2, 0..3));
        cursor.fit(0, 4);
        assert_eq!((cursor.at, cursor.visible(), cursor.is_last()), (0, 0..0, true));
    }
}
