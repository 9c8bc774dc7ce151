//! Every counter: what was seen, what was lost, and where it came from.

use super::status::losses;
use crate::engine::view::{SourceStatus, View};
use crate::text::{Line, Token};
use crate::tui::format::{count, share, size};
use crate::tui::widget::scroll::Page;

/// Cells for a counter's name.
const NAMES: usize = 24;
/// Cells for a number.
const NUMBERS: usize = 15;

/// Its text.
pub fn page(view: Option<&View>, width: u16) -> Page {
    let Some(view) = view else { return Page::default() };
    let status = &view.status;
    let mut lines = vec![
        Line::of(Token::Word, "Seen"),
        row(Token::Plain, "packets", &count(status.packets), ""),
        row(Token::Plain, "bytes", &size(status.bytes), ""),
        row(Token::Plain, "connections", &count(status.connections), ""),
        row(Token::Plain, "  of unknown protocol", &count(status.unknown_connections), "-d PORT=PROTO names it"),
        row(Token::Plain, "flows", &count(status.flows), ""),
        row(Token::Plain, "  in the list", &count(view.total), ""),
        row(Token::Plain, "flows a second", &count(status.rate), "over the last second of packet time"),
        row(Token::Plain, "memory", &share(status.memory, status.memory_limit), "--max-memory sets the limit"),
        Line::default(),
        Line::of(Token::Word, "Lost"),
        lost("dropped by the kernel", status.kernel_drops, "packets it had no room for"),
        lost("dropped by meshtop", status.own_drops, "packets and messages, under load"),
    ];
    lines.extend(losses(status).into_iter().skip(1).map(|(name, n, meaning)| lost(name, n, meaning)));
    if status.tap_bytes > 0 {
        lines.push(row(Token::Plain, "taps of meshtop", &size(status.tap_bytes), "left out: copies of what others send"));
    }
    lines.extend([Line::default(), Line::of(Token::Word, "Sources")]);
    lines.extend(status.sources.iter().map(source));
    if let Some(filter) = &status.capture_filter {
        lines.push(row(Token::Plain, "capture filter", "", filter));
    }
    if let Some(warning) = &status.warning {
        lines.extend([Line::default(), Line::of(Token::Word, "The last warning")]);
        lines.push(Line { indent: 1, ..Line::of(Token::Error, warning.as_str()) });
    }
    if !status.problems.is_empty() {
        lines.extend([Line::default(), Line::of(Token::Word, "Wrong with the descriptors")]);
        lines.extend(status.problems.iter().map(|problem| Line { indent: 1, ..Line::of(Token::Error, problem.as_str()) }));
    }
    Page::new(&[lines], width, (NAMES + NUMBERS + 3) as u16)
}

fn row(token: Token, name: &str, number: &str, meaning: &str) -> Line {
    let name = crate::tui::widget::text::fit(name, NAMES);
    let pad = " ".repeat(NAMES.saturating_sub(crate::tui::widget::text::width(&name)));
    Line { indent: 1, spans: vec![(token, format!("{name}{pad}{number:>NUMBERS$}")), (Token::Dim, format!("   {meaning}"))] }
}

fn lost(name: &str, n: u64, meaning: &str) -> Line {
    match n {
        0 => row(Token::Dim, name, "0", meaning),
        n => row(Token::Error, name, &format!("! {}", count(n)), meaning),
    }
}

fn source(source: &SourceStatus) -> Line {
    match (&source.tap, source.detached()) {
        (Some(_), Some(why)) => row(Token::Plain, &source.name, "○ not attached", why),
        (Some(_), None) => row(Token::Plain, &source.name, "● attached", "a tap of a broker"),
        (None, _) => row(Token::Plain, &source.name, &count(source.packets), source.closed.as_deref().unwrap_or("packets")),
    }
}
