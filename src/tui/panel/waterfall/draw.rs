//! The waterfall on the screen.
//!
//! ```text
//!  title: what began it, hops, services, duration, errors
//!  cause  the call that the failure began with
//!  time   where it went: services, queues, proxies, the longest first
//!  gateway      ▕██████████▏          38 ms  http   POST /checkout        201
//!   ├ orders        ▕███▏            6.2 ms  grpc   shop.Orders/Place     OK
//!   queue ┄ billing     ┄┄           1.8 ms
//!  the selected flow: who to whom, what ties it to its parent, when
//! ```

use super::{Line, Waterfall};
use crate::engine::view::{self, Guests, HopLine};
use crate::model::{Link, MAX_CANDIDATES, Step, StepKind};
use crate::time::{Span, Time};
use crate::tui::action::Action;
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
use std::sync::Arc;

/// Lines above the picture, and of them those of a screen that has room for no more; below it is a line for the selected flow.
const ABOVE: u16 = 3;
const TITLE: u16 = 1;
/// Screens that are less high have no room for more.
const LOW: u16 = 14;
/// Screens that are less wide have no room for shares.
const NARROW: u16 = 100;
/// Cells for the names of the lines above.
const NAMES: u16 = 8;
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
    let (columns, picture) = (columns(area.width), picture(area));
    if picture.y > area.y + TITLE {
        cause(shown, theme, buffer, line(area, 1));
        time(shown, theme, buffer, line(area, 2));
    }
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
        told(panel, shown, app, theme, buffer, line(area, area.height.saturating_sub(1)), hop);
    }
}

/// The part of the screen that has the flows.
pub fn picture(area: Rect) -> Rect {
    let above = if area.height < LOW { TITLE } else { ABOVE };
    Rect { y: area.y + above, height: area.height.saturating_sub(above + 1), ..area }
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
    let left: u64 = shown.hops.iter().map(|hop| hop.guests.left).sum();
    if left > 0 {
        at = put(buffer, area, at, &format!(" · {} more ? not shown", format::count(left)), theme.warn);
    }
    let id = if trace.trace_id.is_empty() { "no flow carries an ID" } else { &trace.trace_id };
    put(buffer, area, at, &format!(" · {id}"), theme.dim);
}

/// Which call the failure began with.
fn cause(shown: &view::Waterfall, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let mut at = put(buffer, area, 1, "cause", theme.dim).max(NAMES);
    let Some(hop) = shown.hops.iter().find(|hop| Some(hop.node.flow) == shown.why.cause && !hop.guest) else {
        put(buffer, area, at, "nothing failed", theme.dim);
        return;
    };
    let what = hop.flow.as_ref().map_or("a flow that was evicted", |flow| operation(&flow.row, usize::from(area.width) / 3));
    at = put(buffer, area, at, &fit(what, usize::from(area.width) / 3), theme.strong);
    at = put(buffer, area, at, " · ", theme.dim);
    at = put(buffer, area, at, &format!("{} → {}", hop.from, hop.to), service(shown, hop, theme));
    at = put(buffer, area, at, " · ", theme.dim);
    for (text, style) in hop.flow.iter().flat_map(|flow| status(flow, theme, usize::from(area.width) / 4)) {
        at = put(buffer, area, at, &text, style);
    }
    let more = match shown.line.errors.saturating_sub(1) {
        0 => " · nothing else failed".to_owned(),
        n => format!(" · one of {} that failed", n + 1),
    };
    put(buffer, area, at, &more, theme.dim);
}

/// Where the time went: what everything else waited for, by who took it.
fn time(shown: &view::Waterfall, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let mut spent: Vec<(StepKind, &Arc<str>, Span)> = Vec::new();
    for Step { service, kind, own, .. } in &shown.why.path {
        match spent.iter_mut().find(|(other, who, _)| other == kind && *who == service) {
            Some((.., sum)) => *sum = sum.and(*own),
            None => spent.push((*kind, service, *own)),
        }
    }
    spent.sort_by_key(|(.., own)| std::cmp::Reverse(*own));
    let all = spent.iter().fold(Span::default(), |sum, (.., own)| sum.and(*own));
    let mut at = put(buffer, area, 1, "time", theme.dim).max(NAMES);
    for (n, (kind, who, own)) in spent.iter().enumerate() {
        let role = match kind {
            StepKind::Work => "",
            StepKind::Queue => "queue ",
            StepKind::Proxy => "proxy ",
            StepKind::Sending => "sending ",
        };
        let share = format!(" ({})", format::percent(own.nanos(), all.nanos()));
        let took = format!(" {}{}", format::duration(*own), if area.width < NARROW { "" } else { &share });
        let (gap, rest) = (if n > 0 { " · " } else { "" }, format!(" · {} more", spent.len() - n));
        let wanted = width(gap) + width(role) + width(who) + width(&took);
        // what follows may need the room of its number
        let spare = if n + 1 < spent.len() { width(&rest) } else { 0 };
        if usize::from(at) + wanted + spare > usize::from(area.width) {
            put(buffer, area, at, &rest, theme.dim);
            break;
        }
        at = put(buffer, area, at, gap, theme.dim);
        at = put(buffer, area, at, role, theme.dim);
        at = put(buffer, area, at, who, known(shown, who, theme));
        at = put(buffer, area, at, &took, Style::new());
    }
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
            let tie = if hop.maybe.is_empty() { tier(hop.node.link) } else { "?" };
            let style = if hop.node.leg { theme.dim } else { service(shown, hop, theme) };
            vec![
                (indent, theme.dim),
                (format!("{tie}{via}"), if hop.maybe.is_empty() { theme.dim } else { theme.warn }),
                (hop.to.to_string(), style),
            ]
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
    let to = shown.services.contains(&hop.to);
    known(shown, if to { &hop.to } else { &hop.from }, theme)
}

/// The style of a service by its name.
fn known(shown: &view::Waterfall, name: &Arc<str>, theme: &Theme) -> Style {
    shown.services.iter().position(|service| service == name).map_or(Style::new(), |at| theme.service(at))
}

/// What is told of the selected flow.
fn told(panel: &Waterfall, shown: &view::Waterfall, app: &App, theme: &Theme, buffer: &mut Buffer, area: Rect, hop: &HopLine) {
    let first = shown.hops.first().map(|first| first.node.flow);
    let tie = match (hop.node.link, hop.maybe.len()) {
        (Some(_), _) if hop.node.leg => "the same, passed on by a proxy or NAT".to_owned(),
        (Some(link), _) => link.reason().to_owned(),
        (None, 0) => "nothing that was seen caused it".to_owned(),
        (None, 1) if hop.guest => "may be caused by this one, or by one that is gone".to_owned(),
        (None, n) => {
            let least = if n < MAX_CANDIDATES { "" } else { "at least " };
            format!("as likely caused by {least}{n} flows: {} shows them", app.keymap.key_of(Action::Maybe))
        }
    };
    let after = format::duration(hop.time.since(shown.line.time));
    let place = match first == Some(hop.node.flow) && hop.maybe.is_empty() {
        true => "the first one seen".to_owned(),
        false => format!("{tie} · +{after}"),
    };
    let place = match hop.guests {
        Guests { left: 0, .. } => place,
        Guests { shown, left } => format!("{shown} of {} ? below it are shown · {place}", shown + left),
    };
    let mut at = put(buffer, area, 1, &format!("{} → {}", hop.from, hop.to), theme.strong);
    at = put(buffer, area, at, &format!(" · {place}"), Style::new());
    if panel.zoom > 0 {
        let (from, to) = panel.window();
        let window: Span = to.since(from);
        at = put(buffer, area, at, &format!(" · zoomed to {}", format::duration(window)), theme.dim);
    }
    let here = shown.why.path.iter().filter(|step| step.flow == hop.node.flow && !hop.guest);
    let sum = |kinds: &[StepKind]| {
        here.clone().filter(|step| kinds.contains(&step.kind)).fold(Span::default(), |sum, step| sum.and(step.own))
    };
    for (what, spent) in [("own", sum(&[StepKind::Work, StepKind::Proxy])), ("sending", sum(&[StepKind::Sending]))] {
        if spent > Span::default() {
            at = put(buffer, area, at, &format!(" · {what} {}", format::duration(spent)), theme.dim);
        }
    }
}
