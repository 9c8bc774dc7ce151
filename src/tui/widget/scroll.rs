//! Text that scrolls: columns of lines, wrapped once when they or the width change; only what is on the screen is drawn.

use super::text::{self, safe};
use crate::text::{Line, Token};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;
use unicode_width::UnicodeWidthStr;

/// Cells of one step of indent.
const STEP: u16 = 2;
/// Cells between two columns.
const GAP: u16 = 3;

/// Columns of text that scroll together.
#[derive(Clone, Debug, Default)]
pub struct Page {
    columns: Vec<Column>,
}

/// A column: lines cut to its width.
#[derive(Clone, Debug, Default)]
struct Column {
    width: u16,
    rows: Vec<Row>,
}

/// What is on one line of the screen.
type Row = (u16, Vec<(Token, String)>);

impl Page {
    /// Lays out columns of equal width side by side. `hang` is how far a line's continuation is indented more than its beginning.
    pub fn new(columns: &[Vec<Line>], width: u16, hang: u16) -> Self {
        let n = u16::try_from(columns.len()).unwrap_or(1).max(1);
        let each = width.saturating_sub(GAP * (n - 1)) / n;
        let column = |lines: &Vec<Line>| Column { width: each, rows: lines.iter().flat_map(|l| wrap(l, each, hang)).collect() };
        Self { columns: columns.iter().map(column).collect() }
    }

    /// How many lines of the screen it takes.
    pub fn height(&self) -> usize {
        self.columns.iter().map(|c| c.rows.len()).max().unwrap_or(0)
    }

    /// The lines of the screen that have something that was looked for.
    pub fn found(&self) -> Vec<usize> {
        let has = |row: &Row| row.1.iter().any(|(token, _)| *token == Token::Found);
        let has = |at: &usize| self.columns.iter().any(|column| column.rows.get(*at).is_some_and(has));
        (0..self.height()).filter(has).collect()
    }

    /// The furthest that it can be scrolled on a screen of `height` lines.
    pub fn furthest(&self, height: usize) -> usize {
        self.height().saturating_sub(height)
    }

    /// Draws what is on the screen.
    pub fn draw(&self, buffer: &mut Buffer, area: Rect, scroll: usize, style: impl Fn(Token) -> Style) {
        let mut x = area.x;
        for (i, column) in self.columns.iter().enumerate() {
            if i > 0 {
                for y in 0..area.height {
                    text::put(buffer, text::line(Rect { x: x - 2, width: 1, ..area }, y), 0, "│", style(Token::Dim));
                }
            }
            let place = Rect { x, width: column.width, ..area }.intersection(area);
            for (y, (indent, spans)) in (0..area.height).zip(column.rows.iter().skip(scroll)) {
                let mut at = *indent;
                for (token, span) in spans {
                    at = text::put(buffer, text::line(place, y), at, span, style(*token));
                }
            }
            x += column.width + GAP;
        }
    }
}

/// Cuts a line into as many as it takes: after a space where one is in the second half, else where the room ends.
fn wrap(line: &Line, width: u16, hang: u16) -> Vec<Row> {
    // deep nesting may not push the text off the screen
    let indent = (line.indent.saturating_mul(STEP)).min(width / 2);
    let hanging = indent.saturating_add(hang).min(width.saturating_sub(10).max(width / 2));
    let spans: Vec<_> = line.spans.iter().map(|(token, text)| (*token, Span::raw(safe(text)))).collect();
    let graphemes: Vec<_> =
        spans.iter().flat_map(|(token, span)| span.styled_graphemes(Style::new()).map(|g| (*token, g.symbol))).collect();
    let mut rows = Vec::new();
    let (mut rest, mut start) = (graphemes.as_slice(), indent);
    loop {
        let end = line_end(rest, usize::from(width - start));
        let (row, after) = rest.split_at(end);
        rows.push((start, runs(row)));
        if after.is_empty() {
            return rows;
        }
        (rest, start) = (after, hanging);
    }
}

/// How many graphemes go on a line; at least one, however narrow it is.
fn line_end(graphemes: &[(Token, &str)], room: usize) -> usize {
    let mut taken = 0;
    let fits = graphemes.iter().take_while(|(_, g)| {
        taken += g.width();
        taken <= room
    });
    let end = fits.count();
    if end == graphemes.len() {
        return end;
    }
    let space = graphemes.iter().take(end).rposition(|(_, g)| *g == " ");
    space.map(|at| at + 1).filter(|at| *at > end / 2).unwrap_or(end).max(1)
}

/// Graphemes of one kind in a row as one text.
fn runs(graphemes: &[(Token, &str)]) -> Vec<(Token, String)> {
    graphemes
        .chunk_by(|a, b| a.0 == b.0)
        .filter_map(|chunk| Some((chunk.first()?.0, chunk.iter().map(|g| g.1).collect())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(line: &Line, width: u16, hang: u16) -> Vec<String> {
        let text = |(indent, spans): Row| {
            let text: String = spans.into_iter().map(|(_, s)| s).collect();
            format!("{}{text}", " ".repeat(usize::from(indent)))
        };
        wrap(line, width, hang).into_iter().map(text).collect()
    }

    #[test]
    fn long_lines_go_on_below_and_nothing_is_lost() {
        let line = Line { indent: 1, spans: vec![(Token::Key, "name: ".into()), (Token::Plain, "abcdefgh".into())] };
        assert_eq!(rows(&line, 10, 2), ["  name: ", "    abcdef", "    gh"]);
        assert_eq!(rows(&Line::of(Token::Plain, "注文サ"), 5, 0), ["注文", "サ"]);
        assert_eq!(rows(&Line::of(Token::Plain, ""), 5, 0), [""]);
        assert_eq!(rows(&Line::of(Token::Plain, "a\tb"), 9, 0), ["a\\tb"]);
    }

    #[test]
    fn deep_nesting_and_no_width_end() {
        let line = Line { indent: u16::MAX, spans: vec![(Token::Plain, "漢字".into())] };
        assert_eq!(rows(&line, 4, 2), ["  漢", "  字"]);
        for width in 0..3 {
            assert!(rows(&line, width, 9).concat().contains('字'));
        }
    }

    #[test]
    fn words_stay_whole_where_that_costs_little() {
        let line = Line::of(Token::Plain, "stream bytes that belong to no message");
        assert_eq!(rows(&line, 16, 1), ["stream bytes ", " that belong to ", " no message"]);
        assert_eq!(rows(&Line::of(Token::Plain, "a bcdefghijkl"), 6, 0), ["a bcde", "fghijk", "l"]);
    }
}
