//! The table of brokers on the screen, with the columns of the services', and what queues hold.

use super::Brokers;
use super::table::{Line, What};
use crate::model::{Attachment, Dir, Queue};
use crate::tui::app::App;
use crate::tui::format;
use crate::tui::panel::services::draw::{self as services, numbers};
use crate::tui::theme::Theme;
use crate::tui::view::{empty, more};
use crate::tui::widget::table::{self, Align, Column};
use crate::tui::widget::text::line;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use std::sync::Arc;

/// From this width on there is room for all columns.
const WIDE: u16 = 140;
/// The same for how many take from a queue, and for what it holds.
const USUAL: u16 = 100;
/// See [`USUAL`].
const NARROW: u16 = 60;

/// What a column shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    /// What went through.
    Load(services::Cell),
    /// Messages that wait.
    Ready,
    /// Messages that are not acknowledged.
    Unacked,
    /// Who takes from it.
    Consumers,
}

/// Draws headings and lines; where there are none, why.
pub fn draw(panel: &Brokers, app: &App, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    if panel.lines.is_empty() {
        return empty::draw(app, theme, buffer, area);
    }
    let columns = columns(area.width, !panel.table.taps.is_empty());
    table::headings(buffer, line(area, 0), &columns, theme.dim);
    for (y, at) in (1..area.height).zip(panel.cursor.visible()) {
        let Some(row) = panel.lines.get(at) else { break };
        let selected = (at == panel.cursor.at).then_some(theme.strong);
        // a note has the line to itself
        let whole = [Column { width: area.width.saturating_sub(4), ..columns[0] }];
        let columns = if matches!(row.what, What::Note(_)) { &whole[..] } else { &columns[..] };
        table::row(buffer, line(area, y), columns, selected, |cell, room| runs(panel, row, cell, usize::from(room), theme));
    }
    let below = Rect { y: area.y + 1, height: area.height - 1, ..area };
    more(theme, buffer, below, panel.cursor.visible().start, panel.lines.len());
}

/// The columns of a screen of `width` cells. What queues hold, where a tap tells of it, stands for the lesser percentiles where there is no
/// room for both.
fn columns(width: u16, held: bool) -> Vec<Column<Cell>> {
    let mut columns: Vec<_> = services::columns(width, None)
        .into_iter()
        .map(|Column { kind, title, width, align }| {
            let title = if kind == services::Cell::Name { "exchange, queue, topic" } else { title };
            Column { kind: Cell::Load(kind), title, width, align }
        })
        .collect();
    if !held || width < NARROW {
        return columns;
    }
    if width < WIDE {
        columns.retain(|column| !matches!(column.kind, Cell::Load(services::Cell::P50 | services::Cell::P99)));
    }
    let held = [(Cell::Ready, "ready", 7), (Cell::Unacked, "unacked", 7), (Cell::Consumers, "consumers", 9)];
    let held = held.into_iter().filter(|(kind, ..)| *kind != Cell::Consumers || width >= USUAL);
    columns.splice(1..1, held.map(|(kind, title, width)| Column { kind, title, width, align: Align::Right }));
    // the name gives way to them, and takes what is left
    columns[0].width = 1;
    columns[0].width += table::left_over(&columns, width).saturating_sub(1).min(services::NAME);
    columns
}

fn runs(panel: &Brokers, row: &Line, cell: Cell, room: usize, theme: &Theme) -> Vec<(String, Style)> {
    match (cell, &row.what) {
        (Cell::Load(services::Cell::Name), what) => name(what, theme),
        (Cell::Load(cell), _) => {
            row.load.as_ref().map(|load| numbers(load, cell, room, panel.table.at, theme)).unwrap_or_default()
        }
        (cell, What::Topic { queue: Some(queue), .. }) => held(queue, cell, theme),
        _ => Vec::new(),
    }
}

/// What a queue holds; nothing of it is dim that somebody should see.
fn held(queue: &Queue, cell: Cell, theme: &Theme) -> Vec<(String, Style)> {
    let number = match cell {
        Cell::Ready => queue.ready,
        Cell::Unacked => queue.unacked,
        Cell::Consumers => Some(queue.consumers.len() as u64),
        Cell::Load(_) => None,
    };
    match number {
        None => vec![("·".to_owned(), theme.dim)],
        Some(0) if cell == Cell::Consumers => vec![("0".to_owned(), theme.warn)],
        Some(0) => vec![("0".to_owned(), theme.dim)],
        Some(n) => vec![(format::short(n), Style::new())],
    }
}

fn name(what: &What, theme: &Theme) -> Vec<(String, Style)> {
    let plain = Style::new();
    match what {
        What::Broker { name, protocol, taps } => {
            let (name, protocol) = ((name.to_string(), theme.strong), (format!(" {protocol}"), theme.name));
            let [mark, word] = tapped(taps, theme);
            vec![mark, name, protocol, word]
        }
        What::Topic { name, dir, kind, .. } => {
            let (arrow, name) = (if *dir == Dir::ToServer { "  → " } else { "  ← " }, (name.to_string(), plain));
            vec![
                (arrow.to_owned(), theme.dim),
                name,
                (kind.as_ref().map(|kind| format!(" {kind}")).unwrap_or_default(), theme.dim),
            ]
        }
        What::Party { name, dir: Dir::ToServer } => vec![("    from ".to_owned(), theme.dim), (name.to_string(), plain)],
        What::Party { name, dir: Dir::ToClient } => vec![("    to ".to_owned(), theme.dim), (name.to_string(), plain)],
        What::Consumer { at, tag } => {
            vec![("    to ".to_owned(), theme.dim), (at.clone(), plain), (format!(" {tag}"), theme.dim)]
        }
        What::Bound(binding) => {
            let arrow = if binding.to_exchange { "    ⇒ → " } else { "    ⇒ " };
            let key = if binding.key.is_empty() { String::new() } else { format!(" {}", binding.key) };
            vec![(arrow.to_owned(), theme.dim), (binding.destination.clone(), plain), (key, theme.dim)]
        }
        What::Note(text) => vec![("  ".to_owned(), plain), (text.clone(), theme.warn)],
    }
}

/// Whether taps are attached: one that is not, is what matters. A mark, which there is room for, and a word.
fn tapped(taps: &[Arc<Attachment>], theme: &Theme) -> [(String, Style); 2] {
    let (mark, word, style) = match taps {
        [] => ("", "", Style::new()),
        taps if taps.iter().any(|tap| tap.detached.is_some()) => ("○ ", " not attached", theme.warn),
        _ => ("● ", " attached", theme.good),
    };
    [(mark.to_owned(), style), (word.to_owned(), style)]
}
