//! The findings on the screen. Columns are a function of the size alone.
//!
//! ```text
//!    severity  kind         service      count  what
//!  ▌ ✗ error   trace_lost   payments         8  payments loses the trace: …
//!  ─────────────────────────────────────────────────────────────────────────
//!    the chosen one: its sentence, since when, what shows it, what to do, and examples
//! ```

use super::Findings;
use crate::engine::view::{Example, FindingLine, Spot};
use crate::model::{FindingKind, Flow};
use crate::text::{Line, Token};
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::format::{self, counted};
use crate::tui::layout::below;
use crate::tui::theme::Theme;
use crate::tui::view::flows::ends;
use crate::tui::view::{empty, more};
use crate::tui::widget::scroll::Page;
use crate::tui::widget::table::{self, Align, Column};
use crate::tui::widget::text::{fit, line, put};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// The column of the names of what is told of the chosen one, and that of times behind it.
const NAMES: u16 = 10;
const TIME: u16 = 14;
/// The list grows by so many lines at once.
const STEP: u16 = 4;
/// Screens that are less wide tell kind and service below.
const NARROW: u16 = 100;

/// What a column shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Severity,
    Kind,
    Service,
    Count,
    Title,
}

/// Where the list and what is told of the chosen one are; a rule is between them. It moves only as findings become many more.
pub fn parts(area: Rect, len: usize) -> (Rect, Rect) {
    let most = (area.height * 2 / 5).max(3);
    let wanted = u16::try_from(len + 1).unwrap_or(most).min(most).next_multiple_of(STEP).min(most);
    let list = Rect { height: wanted.min(area.height), ..area };
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
    if panel.table.is_none() {
        return;
    }
    let Some(chosen) = panel.chosen() else { return empty::draw(app, theme, buffer, area) };
    let (list, told) = parts(area, panel.list().len());
    let columns = columns(area.width);
    table::headings(buffer, line(list, 0), &columns, theme.dim);
    for (y, at) in (1..list.height).zip(panel.cursor.visible()) {
        let Some(finding) = panel.list().get(at) else { break };
        let selected = (at == panel.cursor.at).then_some(theme.strong);
        table::row(buffer, line(list, y), &columns, selected, |cell, room| runs(theme, finding, cell, usize::from(room)));
    }
    more(theme, buffer, below(list), panel.cursor.visible().start, panel.list().len());
    put(buffer, line(area, list.height), 0, &"─".repeat(usize::from(area.width)), theme.dim);
    let (sign, _) = theme.severity(chosen.kind.severity());
    let title = Page::new(&[vec![Line::of(Token::Word, format!("{sign} {}", chosen.title))]], told.width, 2);
    let about = Page::new(&[about(app, panel, chosen)], told.width, NAMES);
    let shown = Page::new(&[examples(panel.examples().unwrap_or_default())], told.width, NAMES + TIME);
    let mut left = told;
    for (page, gap) in [(&title, 1), (&about, 1), (&shown, 0)] {
        page.draw(buffer, left, 0, |token| theme.token(token));
        let taken = u16::try_from(page.height()).unwrap_or(u16::MAX).saturating_add(gap).min(left.height);
        left = Rect { y: left.y + taken, height: left.height - taken, ..left };
    }
    more(theme, buffer, Rect { width: told.width + 2, ..told }, 0, title.height() + 1 + about.height() + 1 + shown.height());
}

fn columns(width: u16) -> Vec<Column<Cell>> {
    let column = |kind, title, width, align| Column { kind, title, width, align };
    let by_width = |steps| table::by_width(width, steps);
    let all = [
        column(Cell::Severity, if width < NARROW { "" } else { "severity" }, by_width([1, 1, 9, 9]), Align::Left),
        column(Cell::Kind, "kind", by_width([0, 0, 21, 21]), Align::Left),
        column(Cell::Service, "service", by_width([0, 0, 20, 28]), Align::Left),
        column(Cell::Count, "count", by_width([5, 7, 7, 7]), Align::Right),
        column(Cell::Title, "what", 1, Align::Left),
    ];
    let mut columns: Vec<_> = all.into_iter().filter(|c| c.width > 0).collect();
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
            let word = if room > 1 { format!("{sign} {}", severity.word()) } else { sign.to_owned() };
            vec![(word, style)]
        }
        Cell::Kind => vec![(fit(finding.kind.word(), room), plain)],
        Cell::Service => match &finding.service {
            Some(service) => vec![(fit(service, room), plain)],
            None => vec![("·".to_owned(), theme.dim)],
        },
        Cell::Count => vec![(format::short(finding.count), plain)],
        Cell::Title => vec![(fit(&finding.title, room), plain)],
    }
}

/// Why nothing shows a finding.
pub(super) fn no_proof(finding: &FindingLine) -> &'static str {
    match finding.kind {
        FindingKind::CaptureLoss => "what was not captured is part of no flow",
        _ => "the flows that showed it were evicted",
    }
}

/// What is told of the chosen one below its sentence.
fn about(app: &App, panel: &Findings, finding: &FindingLine) -> Vec<Line> {
    let (date, time) = format::moment(finding.time);
    let (prove, next) = (app.keymap.key_of(Action::Prove), app.keymap.key_of(Action::NextSpot));
    let proof = match (finding.proof, panel.examples().map_or(1, <[Example]>::len)) {
        (None, _) => no_proof(finding).to_owned(),
        (Some(Spot::Hop(..)), 0 | 1) => format!("{prove}: the trace that shows it"),
        (Some(Spot::Flow(_)), 0 | 1) => format!("{prove}: the flow that shows it; it is in no trace"),
        (Some(_), n) => format!("{prove}: the first of {}; {next} there: the next", counted(n as u64, "example")),
    };
    // a narrow list has no room for them
    let kind = match &finding.service {
        Some(service) => format!("{} of {service}", finding.kind.word()),
        None => finding.kind.word().to_owned(),
    };
    let kind = (app.size.0 < NARROW).then(|| named("kind", &kind));
    let rest = [
        named("seen", &format!("{}, first noticed at {time} UTC on {date}", counted(finding.count, "time"))),
        named("evidence", &finding.evidence),
        named("advice", &finding.advice),
        named("proof", &proof),
    ];
    kind.into_iter().chain(rest).collect()
}

fn named(name: &str, text: &str) -> Line {
    let name = format!("{name:<width$}", width = usize::from(NAMES));
    Line { indent: 0, spans: vec![(Token::Dim, name), (Token::Plain, text.to_owned())] }
}

/// What shows it, a line a flow: mostly what came in, and what went out.
fn examples(examples: &[Example]) -> Vec<Line> {
    let flow = |(first, flow): (bool, &Flow)| {
        let time = format!("{}  ", format::moment(flow.row.time).1);
        let (from, to) = ends(flow);
        let status = flow.row.status.as_deref().unwrap_or_default();
        let status = if flow.row.ok { (Token::Dim, status.to_owned()) } else { (Token::Error, format!("{status} ✗")) };
        let mut line = named("", "");
        let parties = format!("{}{from} → {to}  ", if first { "" } else { "└ " });
        line.spans.extend([
            (Token::Dim, time),
            (Token::Plain, parties),
            (Token::Plain, format!("{}  ", flow.row.operation)),
            status,
        ]);
        line
    };
    let firsts = |example: &Example| example.flows.iter().enumerate().map(|(at, f)| flow((at == 0, f))).collect::<Vec<_>>();
    let mut lines: Vec<_> = examples.iter().flat_map(firsts).collect();
    if let Some(name) = lines.first_mut().and_then(|line| line.spans.first_mut()) {
        *name = (Token::Dim, format!("{:<width$}", "examples", width = usize::from(NAMES)));
    }
    lines
}
