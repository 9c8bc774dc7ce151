//! Text in cells: the one way onto the screen. Control characters are escaped here, widths are the terminal's, what does not fit ends in `…`.

use crate::text::{escape, is_control};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;
use std::borrow::Cow;
use unicode_width::UnicodeWidthStr;

/// Text without anything that acts on a terminal.
pub fn safe(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_control) { Cow::Owned(escape(text)) } else { Cow::Borrowed(text) }
}

/// How many cells a text takes.
pub fn width(text: &str) -> usize {
    safe(text).width()
}

/// A text that takes at most `room` cells; `…` where something is missing.
pub fn fit(text: &str, room: usize) -> String {
    let text = safe(text);
    if text.width() <= room {
        return text.into_owned();
    }
    let mut out = String::new();
    let mut left = room.saturating_sub(1);
    for grapheme in Span::raw(text.as_ref()).styled_graphemes(Style::new()) {
        let Some(rest) = left.checked_sub(grapheme.symbol.width()) else { break };
        left = rest;
        out.push_str(grapheme.symbol);
    }
    if room > 0 {
        out.push('…');
    }
    out
}

/// Writes a text into a line of an area from a column on, cut to the area; returns the column after it.
pub fn put(buffer: &mut Buffer, area: Rect, column: u16, text: &str, style: Style) -> u16 {
    let room = area.width.saturating_sub(column);
    if room == 0 || area.height == 0 {
        return column;
    }
    let (end, _) = buffer.set_stringn(area.x + column, area.y, fit(text, usize::from(room)), usize::from(room), style);
    end - area.x
}

/// Writes a text at the right end of a line; returns the column at which it begins.
pub fn put_right(buffer: &mut Buffer, area: Rect, text: &str, style: Style) -> u16 {
    let column = area.width.saturating_sub(u16::try_from(width(text)).unwrap_or(u16::MAX));
    put(buffer, area, column, text, style);
    column
}

/// The `n`th line of an area; without cells where there is none.
pub fn line(area: Rect, n: u16) -> Rect {
    Rect { y: area.y.saturating_add(n), height: u16::from(n < area.height), ..area }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_says_so_and_wide_characters_are_not_halved() {
        assert_eq!(fit("checkout", 8), "checkout");
        assert_eq!(fit("checkout", 7), "checko…");
        assert_eq!(fit("注文サービス", 6), "注文…");
        assert_eq!(fit("注文サービス", 7), "注文サ…");
        assert_eq!(fit("👨‍👩‍👧 family", 4), "👨‍👩‍👧 …");
        assert_eq!(fit("a\x1b[31m", 20), "a\\x1b[31m");
        assert_eq!(fit("abc", 0), "");
    }
}
