//! A table that draws only the rows on the screen. Widths are a function of the terminal's width alone, so that no column moves when rows arrive.

use super::text;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Where a cell's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// One column of cells; `K` says what it shows.
#[derive(Clone, Copy, Debug)]
pub struct Column<K> {
    /// What it shows.
    pub kind: K,
    /// Its heading.
    pub title: &'static str,
    /// Its cells.
    pub width: u16,
    /// How its text stands.
    pub align: Align,
}

/// Cells between two columns.
const GAP: u16 = 1;
/// Cells before the first column: the marker of the selected row.
const MARGIN: u16 = 2;

/// Of four widths that for a screen of `width` cells: below 60, 100, 140, and from there on.
pub fn by_width(width: u16, steps: [u16; 4]) -> u16 {
    let [tiny, narrow, usual, wide] = steps;
    match width {
        0..60 => tiny,
        60..100 => narrow,
        100..140 => usual,
        140.. => wide,
    }
}

/// How many cells are left of `width` beside these columns.
pub fn left_over<K>(columns: &[Column<K>], width: u16) -> u16 {
    let taken: u16 = columns.iter().map(|c| c.width + GAP).sum();
    width.saturating_sub(taken.saturating_sub(GAP) + MARGIN)
}

/// Draws the headings.
pub fn headings<K>(buffer: &mut Buffer, area: Rect, columns: &[Column<K>], style: Style) {
    let mut x = MARGIN;
    for column in columns {
        cell(buffer, area, x, column, &[(column.title, style)]);
        x += column.width + GAP;
    }
}

/// Draws a row: its marker, and for each column the runs that `cells` gives for its width.
pub fn row<K: Copy>(
    buffer: &mut Buffer,
    area: Rect,
    columns: &[Column<K>],
    selected: Option<Style>,
    cells: impl Fn(K, u16) -> Vec<(String, Style)>,
) {
    let base = selected.unwrap_or_default();
    if selected.is_some() {
        text::put(buffer, area, 0, "▌", base);
    }
    let mut x = MARGIN;
    for column in columns {
        let runs = cells(column.kind, column.width);
        let runs: Vec<_> = runs.iter().map(|(t, s)| (t.as_str(), base.patch(*s))).collect();
        cell(buffer, area, x, column, &runs);
        x += column.width + GAP;
    }
}

fn cell<K>(buffer: &mut Buffer, area: Rect, x: u16, column: &Column<K>, runs: &[(&str, Style)]) {
    let cell = Rect { x: area.x + x, width: column.width.min(area.width.saturating_sub(x)), ..area };
    let taken = runs.iter().map(|(t, _)| text::width(t)).sum::<usize>();
    let mut at = match column.align {
        Align::Left => 0,
        Align::Right => cell.width.saturating_sub(u16::try_from(taken).unwrap_or(u16::MAX)),
    };
    for (text, style) in runs {
        at = text::put(buffer, cell, at, text, *style);
    }
}
