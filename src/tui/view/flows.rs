//! The list: a row a flow. Columns are a function of the width alone; a narrow screen leaves out trace first, then size, and at last who talks to whom.

use crate::engine::view::{RowView, View};
use crate::model::{Dir, FindingKind, Flow, Origin, Party, Row, State};
use crate::time::Span;
use crate::tui::app::App;
use crate::tui::format;
use crate::tui::theme::Theme;
use crate::tui::widget::table::{self, Align, Column};
use crate::tui::widget::text::{fit, line, width};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Characters of a trace ID that are shown.
const TRACE: usize = 4;

/// What a server's name keeps beside a client that is called by its user.
const LEAST: usize = 4;
/// Cells that an operation keeps, whatever the status is.
const OPERATION: u16 = 5;

/// What a column shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Date,
    Time,
    Flag,
    Protocol,
    Parties,
    Operation,
    Status,
    Duration,
    Size,
    Trace,
}

/// Draws headings and rows.
pub fn draw(app: &App, view: &View, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let columns = columns(area.width);
    table::headings(buffer, line(area, 0), &columns, theme.dim);
    let height = usize::from(area.height.saturating_sub(1));
    let cursor = app.list.cursor(view, height);
    let visible = app.list.visible(view, height);
    for (y, at) in (1..area.height).zip(visible) {
        let Some(row) = view.rows.get(at) else { break };
        let selected = (cursor == Some(at)).then_some(theme.strong);
        table::row(buffer, line(area, y), &roomy(&columns, row, theme), selected, |cell, width| {
            runs(app, theme, row, cell, usize::from(width))
        });
    }
}

fn columns(width: u16) -> Vec<Column<Cell>> {
    use Align::{Left, Right};
    let column = |kind, title, width, align| Column { kind, title, width, align };
    let by_width = |steps| table::by_width(width, steps);
    let all = [
        column(Cell::Date, "date", by_width([0, 0, 0, 10]), Left),
        column(Cell::Time, if width < 60 { "time" } else { "time (UTC)" }, by_width([8, 12, 12, 12]), Left),
        column(Cell::Flag, "", 1, Left),
        column(Cell::Protocol, "proto", by_width([0, 5, 5, 10]), Left),
        column(Cell::Parties, "client → server", by_width([0, 1, 1, 1]), Left),
        column(Cell::Operation, "operation", 1, Left),
        column(Cell::Status, "status", by_width([6, 9, 9, 20]), Left),
        column(Cell::Duration, "dur", 9, Right),
        column(Cell::Size, "size", if width < 90 { 0 } else { 7 }, Right),
        column(Cell::Trace, "trace", by_width([0, 0, 9, 9]), Left),
    ];
    let mut columns: Vec<_> = all.into_iter().filter(|c| c.width > 0).collect();
    // parties and operation share what is left
    let parties = columns.iter().any(|c| c.kind == Cell::Parties);
    let left = table::left_over(&columns, width) + 1 + u16::from(parties);
    let parties = if parties { (left / 2).min(24).max(left * 2 / 5).min(48) } else { 0 };
    for column in &mut columns {
        match column.kind {
            Cell::Parties => column.width = parties,
            Cell::Operation => column.width = left - parties,
            _ => {}
        }
    }
    columns
}

/// The same where a status is longer than its column: it takes the room that it needs from the operation before it, in this row alone.
fn roomy(columns: &[Column<Cell>], view: &RowView, theme: &Theme) -> Vec<Column<Cell>> {
    let mut columns = columns.to_vec();
    let wanted: usize = status(&view.flow, theme, usize::MAX).iter().map(|(text, _)| width(text)).sum();
    let wanted = u16::try_from(wanted).unwrap_or(u16::MAX);
    if let Some(at) = columns.iter().position(|c| c.kind == Cell::Status)
        && let Some([operation, status]) = columns.get_mut(at.saturating_sub(1)..=at)
    {
        let given = wanted.saturating_sub(status.width).min(operation.width.saturating_sub(OPERATION));
        operation.width -= given;
        status.width += given;
    }
    columns
}

fn runs(app: &App, theme: &Theme, view: &RowView, cell: Cell, room: usize) -> Vec<(String, Style)> {
    let (flow, plain) = (&view.flow, Style::new());
    let row = &flow.row;
    match cell {
        Cell::Date => vec![(format::moment(row.time).0, theme.dim)],
        Cell::Time => vec![(format::moment(row.time).1.chars().take(room).collect(), plain)],
        Cell::Flag if view.found.is_some() => flag(view.found, theme),
        Cell::Flag if view.notes => vec![("!".to_owned(), theme.warn)],
        Cell::Flag => Vec::new(),
        Cell::Protocol => vec![(row.protocol.to_owned(), theme.name)],
        Cell::Parties => parties(flow, theme, room),
        Cell::Operation => vec![(operation(row, room).to_owned(), plain)],
        Cell::Status => status(flow, theme, room),
        Cell::Duration => match flow.row.duration {
            Some(span) => timed(app, span, theme),
            None => vec![("·  ".to_owned(), theme.dim)],
        },
        Cell::Size if row.bytes == 0 => vec![("0 B".to_owned(), theme.dim)],
        Cell::Size => vec![(format::size(row.bytes), plain)],
        Cell::Trace => match &row.trace_id {
            Some(id) => {
                let flows = match view.trace {
                    Some((_, flows)) if flows > 999 => "·999+".to_owned(),
                    Some((_, flows)) => format!("·{flows}"),
                    None => String::new(),
                };
                vec![(id.chars().take(TRACE).collect(), plain), (flows, theme.dim)]
            }
            None => vec![("·".to_owned(), theme.dim)],
        },
    }
}

/// The mark of what shows a finding.
pub fn flag(found: Option<FindingKind>, theme: &Theme) -> Vec<(String, Style)> {
    found.map(|kind| ("◆".to_owned(), theme.severity(kind.severity()).1)).into_iter().collect()
}

/// The operation; of a call, whose path is mostly package, service and method where the path does not fit.
pub fn operation(row: &Row, room: usize) -> &str {
    let path = &*row.operation;
    if row.pattern.is_call() && width(path) > room { format::method(path) } else { path }
}

/// Who to whom; what goes from the server to the client is told the other way round. Neither side takes the room that the other needs; what
/// is called by its user alone is whole before the other is, for a part of it reads like another.
pub fn parties(flow: &Flow, theme: &Theme, room: usize) -> Vec<(String, Style)> {
    let (from, to) = sides(flow);
    let arrow = " → ";
    let room = room.saturating_sub(width(arrow));
    let gone = |party: &Party| party.owner.as_ref().is_some_and(|owner| owner.origin == Origin::Exited);
    let whole = gone(from);
    let (from, to) = (party(from), party(to));
    let least = if whole { room.saturating_sub(LEAST) } else { room / 2 };
    let left = width(&from).min(least.max(room.saturating_sub(width(&to))));
    vec![(fit(&from, left), Style::new()), (arrow.to_owned(), theme.dim), (to, Style::new())]
}

/// Who sent it, and to whom.
fn sides(flow: &Flow) -> (&Party, &Party) {
    let back = flow.row.pattern.one_way() && flow.row.dir == Dir::ToClient;
    if back { (&flow.server, &flow.client) } else { (&flow.client, &flow.server) }
}

/// The same, as they are called.
pub fn ends(flow: &Flow) -> (String, String) {
    let (from, to) = sides(flow);
    (party(from), party(to))
}

/// A name; without one the address, of which on the machine itself only the port tells anything.
fn party(party: &Party) -> String {
    if let Some(name) = &party.service {
        return name.to_string();
    }
    match party.addr.rsplit_once(':') {
        Some((host, port)) if host.starts_with("127.") || host == "[::1]" => format!(":{port}"),
        _ => party.addr.to_string(),
    }
}

/// The protocol's own word, cut before the mark of a failure is.
pub fn status(flow: &Flow, theme: &Theme, room: usize) -> Vec<(String, Style)> {
    let row = &flow.row;
    let style = if row.ok { Style::new() } else { theme.error };
    match (&row.status, row.state) {
        (Some(word), _) if row.ok => vec![(word.to_string(), style)],
        (Some(word), _) => vec![(format!("{} ✗", fit(word, room.saturating_sub(2))), style)],
        (None, State::Open) => vec![("…".to_owned(), theme.dim)],
        (None, State::Complete | State::Settled) if row.ok => Vec::new(),
        (None, State::Complete | State::Settled) => vec![("✗".to_owned(), style)],
    }
}

/// The number, the unit dim, and a place for the mark of what is slow: always there, so that numbers stay below each other.
pub fn timed(app: &App, span: Span, theme: &Theme) -> Vec<(String, Style)> {
    let text = format::duration(span);
    let (number, unit) = text.split_once(' ').unwrap_or((&text, ""));
    let slow = span >= app.slow;
    let style = if slow { theme.warn } else { Style::new() };
    let mark = if slow { "◷" } else { " " };
    vec![(number.to_owned(), style), (format!(" {unit}"), theme.dim), (format!(" {mark}"), theme.warn)]
}
