//! The findings on the screen. Columns and the place of the rule are functions of the size alone.
//!
//! ```text
//!    severity  kind         service      count  what
//!  ▌ ✗ error   trace_lost   payments         8  payments loses the trace: …
//!  ─────────────────────────────────────────────────────────────────────────
//!    the chosen one: its sentence, since when, what shows it, what to do
//! ```

use super::Findings;
use crate::engine::view::{FindingLine, Proof};
use crate::text::{Line, Token};
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::format::{self, counted};
use crate::tui::theme::Theme;
use crate::tui::view::{empty, more};
use crate::tui::widget::scroll::Page;
use crate::tui::widget::table::{self, Align, Column};
use crate::tui::widget::text::{fit, line, put};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// The column of the names of what is told of the chosen one.
const NAMES: u16 = 10;

/// What a column shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Severity,
    Kind,
    Service,
    Count,
    Title,
}

/// Where the list and what is told of the chosen one are; a rule is between them.
pub fn parts(area: Rect) -> (Rect, Rect) {
    let list = Rect { height: (area.height * 2 / 5).max(3).min(area.height), ..area };
    let told = Rect {
        x: area.x + 2,
        y: area.y + list.height + 1,
        width: area.width.saturating_sub(4),
        height: area.height.saturating_sub(list.height + 1),
    };
    (list, told)
}

/// Draws it; where nothing was found, what was looked for.
pub fn draw(panel: &Findings, app: &App, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let Some(chosen) = panel.chosen() else { return empty::draw(app, theme, buffer, area) };
    let (list, told) = parts(area);
    let columns = columns(area.width);
    table::headings(buffer, line(list, 0), &columns, theme.dim);
    for (y, at) in (1..list.height).zip(panel.cursor.visible()) {
        let Some(finding) = panel.table.list.get(at) else { break };
        let selected = (at == panel.cursor.at).then_some(theme.strong);
        table::row(buffer, line(list, y), &columns, selected, |cell, room| runs(theme, finding, cell, usize::from(room)));
    }
    let below = Rect { y: list.y + 1, height: list.height.saturating_sub(1), ..list };
    more(theme, buffer, below, panel.cursor.visible().start, panel.table.list.len());
    put(buffer, line(area, list.height), 0, &"─".repeat(usize::from(area.width)), theme.dim);
    let (sign, _) = theme.severity(chosen.kind.severity());
    let title = Page::new(&[vec![Line::of(Token::Word, format!("{sign} {}", chosen.title))]], told.width, 2);
    let page = Page::new(&[lines(app, chosen)], told.width, NAMES);
    let taken = u16::try_from(title.height() + 1).unwrap_or(u16::MAX).min(told.height);
    title.draw(buffer, told, 0, |token| theme.token(token));
    let rest = Rect { y: told.y + taken, height: told.height - taken, ..told };
    page.draw(buffer, rest, 0, |token| theme.token(token));
    more(theme, buffer, Rect { width: told.width + 2, ..told }, 0, usize::from(taken) + page.height());
}

fn columns(width: u16) -> Vec<Column<Cell>> {
    let column = |kind, title, width, align| Column { kind, title, width, align };
    let by_width = |steps| table::by_width(width, steps);
    let all = [
        column(Cell::Severity, if width < 60 { "" } else { "severity" }, by_width([1, 9, 9, 9]), Align::Left),
        column(Cell::Kind, "kind", by_width([12, 21, 21, 21]), Align::Left),
        column(Cell::Service, "service", by_width([10, 12, 20, 28]), Align::Left),
        column(Cell::Count, "count", by_width([5, 7, 7, 7]), Align::Right),
        column(Cell::Title, "what", 1, Align::Left),
    ];
    let mut columns: Vec<_> = all.into();
    // the last column is that of the mark of more lines
    let left = table::left_over(&columns, width).saturating_sub(1);
    columns.iter_mut().filter(|c| c.kind == Cell::Title).for_each(|c| c.width += left);
    columns
}

fn runs(theme: &Theme, finding: &FindingLine, cell: Cell, room: usize) -> Vec<(String, Style)> {
    let plain = Style::new();
    match cell {
        Cell::Severity => {
            let severity = finding.kind.severity();
            let (sign, style) = theme.severity(severity);
            vec![(fit(&format!("{sign} {}", severity.word()), room.max(2)).replace('…', ""), style)]
        }
        Cell::Kind => vec![(fit(finding.kind.word(), room), plain)],
        Cell::Service => match &finding.service {
            Some(service) => vec![(fit(service, room), plain)],
            None => vec![("·".to_owned(), theme.dim)],
        },
        Cell::Count => vec![(format::short(finding.count), plain)],
        Cell::Title => vec![(fit(&finding.title, room), theme.dim)],
    }
}

/// What is told of the chosen one below its sentence.
fn lines(app: &App, finding: &FindingLine) -> Vec<Line> {
    let named = |name: &str, text: &str| {
        let name = format!("{name:<width$}", width = usize::from(NAMES));
        Line { indent: 0, spans: vec![(Token::Dim, name), (Token::Plain, text.to_owned())] }
    };
    let (date, time) = format::moment(finding.time);
    let key = app.keymap.key_of(Action::Prove);
    let proof = match finding.proof {
        Proof::Hop(..) => format!("{key}: the trace of the last one that is still there"),
        Proof::Flow(_) => format!("{key}: the last flow that is still there; it is in no trace"),
        Proof::Gone => "the flows that showed it were evicted".to_owned(),
    };
    vec![
        named("seen", &format!("{}, first at {time} UTC on {date}", counted(finding.count, "time"))),
        named("evidence", &finding.evidence),
        named("advice", &finding.advice),
        named("proof", &proof),
    ]
}
