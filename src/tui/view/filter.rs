//! The second line: the filter, whether it is valid and where it is not, and how many flows match.

use crate::tui::app::App;
use crate::tui::format::{count, counted};
use crate::tui::panel::Screen;
use crate::tui::theme::Theme;
use crate::tui::widget::text;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use unicode_width::UnicodeWidthChar;

/// Draws it; where it is being typed, the column of the cursor.
pub fn draw(app: &App, theme: &Theme, buffer: &mut Buffer, area: Rect) -> Option<u16> {
    if let Some(typed) = app.detail.search.typed() {
        let end = text::put_right(buffer, area, "in the open flow, Enter finds ", theme.dim);
        text::put(buffer, area, 1, "/", theme.name);
        let place = Rect { x: area.x + 3, width: end.saturating_sub(5), ..area };
        return Some(3 + draw_typed(typed, None, theme, buffer, place));
    }
    let filter = &app.filter;
    // sign, filter and a space on either side come first
    let beside = usize::from(area.width).saturating_sub(text::width(filter.text()) + 5);
    let (right, style) = match (filter.editing(), filter.error()) {
        (true, Some(error)) => (format!("✗ invalid at {}: {} ", error.at + 1, error.message), theme.error),
        (true, None) => match (filter.offered(), filter.text().trim().is_empty()) {
            (Some((words, at)), _) if words.len() > 1 => (format!("{} of {}, Tab: the next ", at + 1, words.len()), theme.dim),
            (_, true) => ("empty: shows all ".to_owned(), theme.dim),
            _ => ("✓ valid, Enter uses it ".to_owned(), theme.good),
        },
        (false, _) if matches!(app.screen, Screen::Services | Screen::Brokers) && !filter.text().is_empty() => {
            ("the table is of all flows ".to_owned(), theme.dim)
        }
        (false, _) if app.screen == Screen::Findings => (format!("{} ", app.findings().told()), theme.dim),
        (false, _) => (matching(app, beside), theme.dim),
    };
    let longest = if filter.editing() { usize::from(area.width / 2) } else { beside.max(usize::from(area.width) * 2 / 3) };
    let right = text::fit(&right, longest);
    let end = text::put_right(buffer, area, &right, style);
    let place = Rect { x: area.x + 3, width: end.saturating_sub(5), ..area };
    if !filter.editing() && filter.text().is_empty() {
        text::put(buffer, area, 1, &format!("{} filter", app.keymap.key_of(crate::tui::action::Action::Filter)), theme.dim);
        return None;
    }
    let sign = if filter.error().is_some() { theme.error } else { theme.name };
    text::put(buffer, area, 1, "/", sign);
    if !filter.editing() {
        text::put(buffer, place, 0, filter.text(), theme.strong);
        return None;
    }
    Some(3 + draw_typed((filter.text(), filter.cursor()), filter.error().map(|e| e.at), theme, buffer, place))
}

/// Draws the part of the text around the cursor, the wrong place underlined; returns the cursor's column.
fn draw_typed((text, cursor): (&str, usize), wrong: Option<usize>, theme: &Theme, buffer: &mut Buffer, place: Rect) -> u16 {
    let wide = |c: char| c.width().unwrap_or(0);
    let room = usize::from(place.width).saturating_sub(1);
    let before: Vec<char> = text.chars().take(cursor).collect();
    let mut skipped = 0;
    let mut at: usize = before.iter().copied().map(wide).sum();
    while at > room {
        at -= before.get(skipped).copied().map_or(at, wide);
        skipped += 1;
    }
    let marked = theme.error.add_modifier(Modifier::UNDERLINED);
    let mut x = 0;
    for (i, c) in text.chars().enumerate().skip(skipped) {
        if usize::from(x) + wide(c) > usize::from(place.width) {
            break;
        }
        let style = if wrong == Some(i) { marked } else { Style::new() };
        x = text::put(buffer, place, x, c.encode_utf8(&mut [0; 4]), style);
    }
    // what is missing at the end has no character to underline
    if wrong.is_some_and(|w| w >= text.chars().count()) && x < place.width {
        text::put(buffer, place, x, " ", marked);
    }
    u16::try_from(at).unwrap_or(0)
}

/// How many flows match; where there is `room`, also how many nobody can tell of.
fn matching(app: &App, room: usize) -> String {
    let Some(view) = app.view.as_deref() else { return String::new() };
    let searched = view.searched_percent.map(|p| format!("searched {p} %  ")).unwrap_or_default();
    if app.filter.filter().is_none() {
        return format!("{searched}{} ", counted(view.total, "flow"));
    }
    let matching = format!("{searched}{} of {} match", count(view.matching), count(view.total));
    let more = if view.unseen == 0 { String::new() } else { format!(", {} not searched", count(view.unseen)) };
    let forms = [format!("{matching}{more}: evicted "), format!("{matching}{more} ")];
    let fits = |form: &String| !more.is_empty() && text::width(form) <= room;
    forms.into_iter().find(fits).unwrap_or_else(|| format!("{matching} "))
}
