//! The waterfall on the screen.
//!
//! ```text
//!  title: what began it, hops, services, duration, errors
//!  gateway      ▕██████████▏          38 ms  http   POST /checkout        201
//!   ├ orders        ▕███▏            6.2 ms  grpc   shop.Orders/Place     OK
//!   queue ┄ billing     ┄┄           1.8 ms
//!  the selected flow: who to whom, what ties it to its parent, when
//! ```

use super::{Line, Waterfall};
use crate::engine::view::{self, HopLine};
use crate::model::Link;
use crate::time::{Span, Time};
use crate::tui::app::App;
use crate::tui::format;
use crate::tui::theme::Theme;
use crate::tui::view::flows::{operation, status, timed};
use crate::tui::view::more;
use crate::tui::widget::table::{self, Align, Column};
use crate::tui::widget::text::{fit, line, put, width};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Lines around the picture: the title, and what is told of the selected flow.
pub const AROUND: u16 = 2;
/// Levels of the tree that are indented; deeper ones stand below each other.
const INDENT: usize = 8;

/// What a column shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Service,
    Bar,
    Duration,
    Protocol,
    Operation,
    Status,
}

/// Draws it.
pub fn draw(panel: &Waterfall, app: &App, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let Some(shown) = &panel.shown else {
        put(buffer, line(area, 0), 2, "reading …", theme.dim);
        return;
    };
    title(shown, theme, buffer, line(area, 0));
    let columns = columns(area.width);
    let picture = Rect { y: area.y + 1, height: area.height.saturating_sub(AROUND), ..area };
    for (y, at) in (0..picture.height).zip(panel.cursor.visible()) {
        let (Some(row), Some(hop)) = (panel.lines.get(at), panel.hop(at)) else { break };
        let selected = (at == panel.cursor.at).then_some(theme.strong);
        table::row(buffer, line(picture, y), &columns, selected, |cell, width| match row {
            Line::Hop(_) => hop_runs(panel, shown, app, theme, hop, cell, usize::from(width)),
            Line::Queue(_) => queue_runs(panel, theme, hop, cell, usize::from(width)),
        });
    }
    more(theme, buffer, picture, panel.cursor.visible().start, panel.lines.len());
    if let Some(hop) = panel.hop(panel.cursor.at) {
        told(panel, shown, theme, buffer, line(area, area.height.saturating_sub(1)), hop);
    }
}

fn columns(width: u16) -> Vec<Column<Cell>> {
    let column = |kind, width, align| Column { kind, title: "", width, align };
    let by_width = |steps| table::by_width(width, steps);
    let all = [
        column(Cell::Service, (width / 5).clamp(12, 40), Align::Left),
        column(Cell::Bar, width / if width < 140 { 4 } else { 3 }, Align::Left),
        column(Cell::Duration, by_width([0, 9, 9, 9]), Align::Right),
        column(Cell::Protocol, by_width([0, 0, 5, 10]), Align::Left),
        column(Cell::Operation, 1, Align::Left),
        column(Cell::Status, by_width([6, 6, 9, 12]), Align::Left),
    ];
    let mut columns: Vec<_> = all.into_iter().filter(|c| c.width > 0).collect();
    let left = table::left_over(&columns, width).saturating_sub(1);
    columns.iter_mut().filter(|c| c.kind == Cell::Operation).for_each(|c| c.width += left);
    columns
}

fn title(shown: &view::Waterfall, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let trace = &shown.line;
    let room = usize::from(area.width) / 3;
    let root = trace.root.as_ref().map_or("its first flow was evicted", |flow| operation(&flow.row, room));
    let mut at = put(buffer, area, 1, &fit(root, room), theme.strong);
    let duration = if trace.open { "open".to_owned() } else { format::duration(trace.duration) };
    let services = format::counted(shown.services.len() as u64, "service");
    at = put(buffer, area, at, &format!(" · {} · {services} · {duration}", format::counted(trace.hops, "hop")), Style::new());
    if trace.errors > 0 {
        at = put(buffer, area, at, &format!(" · {} ✗", format::counted(trace.errors, "error")), theme.error);
    }
    if shown.more > 0 {
        at = put(buffer, area, at, &format!(" · {} more not kept", format::count(shown.more)), theme.warn);
    }
    put(buffer, area, at, &format!(" · {}", trace.trace_id), theme.dim);
}

fn hop_runs(
    panel: &Waterfall,
    shown: &view::Waterfall,
    app: &App,
    theme: &Theme,
    hop: &HopLine,
    cell: Cell,
    room: usize,
) -> Vec<(String, Style)> {
    let flow = hop.flow.as_ref();
    match cell {
        Cell::Service => {
            let indent = " ".repeat(hop.node.depth.min(INDENT));
            let via = if hop.node.leg { "via " } else { "" };
            let style = if hop.node.leg { theme.dim } else { service(shown, hop, theme) };
            vec![(indent, theme.dim), (format!("{}{via}", tier(hop.node.link)), theme.dim), (hop.to.to_string(), style)]
        }
        Cell::Bar => bar(panel, hop, room, if hop.ok { service(shown, hop, theme) } else { theme.error }),
        Cell::Duration => match hop.last {
            // what a tap tells of a message, and what came after it was lost
            Some(last) if last == hop.time => vec![("·  ".to_owned(), theme.dim)],
            Some(last) => timed(app, last.since(hop.time), theme),
            None => vec![("…  ".to_owned(), theme.dim)],
        },
        Cell::Protocol => vec![(flow.map_or("", |flow| flow.row.protocol).to_owned(), theme.name)],
        Cell::Operation => {
            let found = hop.found.map(|kind| {
                let (sign, style) = theme.severity(kind.severity());
                (format!("{sign} {} ", kind.word().replace('_', " ")), style)
            });
            let room = room.saturating_sub(found.iter().map(|(text, _)| width(text)).sum());
            let style = if hop.node.leg { theme.dim } else { Style::new() };
            let what = flow.map_or(("evicted".to_owned(), theme.dim), |flow| (operation(&flow.row, room).to_owned(), style));
            found.into_iter().chain([what]).collect()
        }
        Cell::Status => flow.map(|flow| status(flow, theme, room)).unwrap_or_default(),
    }
}

/// The mark of what ties a flow that is tied by less than an ID.
fn tier(link: Option<Link>) -> &'static str {
    match link {
        Some(Link::PayloadId) => "=",
        Some(Link::SoleInFlight) => "≈",
        Some(Link::Time) => "~",
        Some(Link::TraceId | Link::RequestId | Link::MessageId) | None => "",
    }
}

/// A message that waited: from when it was published.
fn queue_runs(panel: &Waterfall, theme: &Theme, hop: &HopLine, cell: Cell, room: usize) -> Vec<(String, Style)> {
    let since = hop.queued.unwrap_or(hop.time);
    match cell {
        Cell::Service => vec![(format!("{}queue", " ".repeat(hop.node.depth.min(INDENT))), theme.dim)],
        Cell::Bar => cells(panel, since, Some(hop.time), room, "┄", theme.dim),
        Cell::Duration => vec![(format!("{}  ", format::duration(hop.time.since(since))), theme.dim)],
        Cell::Operation => vec![("waited to be delivered".to_owned(), theme.dim)],
        Cell::Protocol | Cell::Status => Vec::new(),
    }
}

fn bar(panel: &Waterfall, hop: &HopLine, room: usize, style: Style) -> Vec<(String, Style)> {
    let full = if hop.last.is_some() { "█" } else { "▒" };
    cells(panel, hop.time, hop.last, room, full, style)
}

/// The part of the window from `begin` to `end`, at least a cell; without an end up to the window's.
fn cells(panel: &Waterfall, begin: Time, end: Option<Time>, room: usize, full: &str, style: Style) -> Vec<(String, Style)> {
    let (from, to) = panel.window();
    let width = to.since(from).nanos().max(1) as f64;
    let place = |time: Time| (time.nanos() - from.nanos()) as f64 / width * room as f64;
    let (left, right) = (place(begin), end.map_or(room as f64, place));
    if right < 0.0 || left > room as f64 {
        // outside of what is zoomed into: on which side
        let (at, arrow) = if right < 0.0 { (0, "◂") } else { (room.saturating_sub(1), "▸") };
        return vec![(" ".repeat(at), style), (arrow.to_owned(), style)];
    }
    let first = (left.max(0.0) as usize).min(room.saturating_sub(1));
    let last = (right.ceil().max(0.0) as usize).clamp(first + 1, room.max(first + 1));
    vec![(" ".repeat(first), style), (full.repeat(last - first), style)]
}

/// The style of the service that received a flow, or that sent it where only that one is a service.
fn service(shown: &view::Waterfall, hop: &HopLine, theme: &Theme) -> Style {
    let place = |name| shown.services.iter().position(|service| service == name);
    place(&hop.to).or_else(|| place(&hop.from)).map_or(Style::new(), |at| theme.service(at))
}

/// What is told of the selected flow.
fn told(panel: &Waterfall, shown: &view::Waterfall, theme: &Theme, buffer: &mut Buffer, area: Rect, hop: &HopLine) {
    let first = shown.hops.first().map(|first| first.node.flow);
    let tie = match hop.node.link {
        Some(_) if hop.node.leg => "the same request, passed on by a proxy",
        Some(link) => link.reason(),
        None => "its parent was not seen, or is one of several",
    };
    let after = format::duration(hop.time.since(shown.line.time));
    let place =
        if first == Some(hop.node.flow) { "the first one seen".to_owned() } else { format!("{tie} · began after {after}") };
    let mut at = put(buffer, area, 1, &format!("{} → {}", hop.from, hop.to), theme.strong);
    at = put(buffer, area, at, &format!(" · {place}"), Style::new());
    if panel.zoom > 0 {
        let (from, to) = panel.window();
        let window: Span = to.since(from);
        put(buffer, area, at, &format!(" · zoomed to {}", format::duration(window)), theme.dim);
    }
}
