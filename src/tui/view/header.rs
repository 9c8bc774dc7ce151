//! The first line: what is watched, the tabs, and whether it is live, loading or over.

use crate::engine::view::{SourceStatus, Status};
use crate::tui::app::App;
use crate::tui::format;
use crate::tui::panel::Screen;
use crate::tui::theme::Theme;
use crate::tui::widget::text;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Cells of the bar that shows how far a file is read.
const BAR: usize = 16;
/// Screens that are less wide have no room for what can be told from elsewhere.
const NARROW: u16 = 100;
/// Cells for the program's name, with what is around it.
const NAME: u16 = 10;
/// Fewer cells of the names of sources tell nothing.
const SHORTEST: u16 = 6;
/// Cells for the number of findings, so that the tabs stay where they are when the first one comes.
const FOUND: usize = 2;

/// Draws it.
pub fn draw(app: &App, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let status = app.view.as_deref().map(|v| &v.status);
    let (state, style) = match status {
        None => (String::new(), theme.dim),
        Some(Status { progress: Some((done, all)), ended: false, .. }) => (progress(*done, *all), theme.good),
        Some(Status { ended: true, .. }) => ("ended ".to_owned(), theme.dim),
        Some(status) if detached(status) => ("○ not attached ".to_owned(), theme.warn),
        Some(status) => {
            let word = if area.width < NARROW { "" } else { "live " };
            (format!("● {word}{:>7} ", format!("{}/s", format::short(status.rate))), theme.good)
        }
    };
    let right = text::put_right(buffer, area, &state, style);
    let left = Rect { width: right, ..area };
    let found = status.and_then(|status| status.found);
    let number = |screen| match (screen, found) {
        (Screen::Findings, Some((n, _))) => format!("{:<FOUND$}", format!(" {}", format::short(n))),
        (Screen::Findings, None) => " ".repeat(FOUND),
        _ => String::new(),
    };
    let tabs: u16 = Screen::TABS.iter().map(|(screen, title)| (title.len() + number(*screen).len()) as u16 + 2).sum();
    let name = if right < tabs + NAME { 1 } else { text::put(buffer, left, 1, "meshtop", theme.strong) + 2 };
    let room = right.saturating_sub(name + tabs + 2);
    let shown = |s: &&SourceStatus| s.closed.is_none() || s.packets > 0 || s.tap.is_some();
    let name_of = |s: &SourceStatus| format!("{}{}", if s.detached().is_some() { "○ " } else { "" }, s.name);
    let names: Vec<_> = status.iter().flat_map(|s| &s.sources).filter(shown).map(name_of).collect();
    // a letter or two of a name say nothing
    let names =
        Some(names.join(", ")).filter(|names| room >= SHORTEST || text::width(names) <= usize::from(room)).unwrap_or_default();
    let mut at = text::put(buffer, Rect { width: name + room, ..left }, name, &names, theme.dim);
    // the tabs keep their place while sources come and go, where there is room for it
    at = (if at > name { at + 2 } else { at }).max((area.width / 3).min(right.saturating_sub(tabs)));
    for (screen, title) in Screen::TABS {
        let style = if app.screen.tab() == screen { theme.strong } else { theme.dim };
        at = text::put(buffer, left, at, title, style);
        let style = found.map_or(style, |(_, worst)| theme.severity(worst).1.patch(theme.strong));
        at = text::put(buffer, left, at, &number(screen), style) + 2;
    }
}

/// Whether all that is watched are brokers to which no tap is attached.
fn detached(status: &Status) -> bool {
    !status.sources.is_empty() && status.sources.iter().all(|source| source.detached().is_some())
}

fn progress(done: u64, all: u64) -> String {
    let share = if all == 0 { 0.0 } else { (done as f64 / all as f64).clamp(0.0, 1.0) };
    let eighths = (share * (BAR * 8) as f64) as usize;
    let part = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    let bar = format!("{}{part}", "█".repeat(eighths / 8));
    format!("loading ▕{bar:<BAR$}▏{:>3.0} % ", (share * 100.0).floor())
}
