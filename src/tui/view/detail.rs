//! The open flow: a line with its title and its tabs, then its text.

use super::{messages, more};
use crate::tui::app::App;
use crate::tui::detail::Tab;
use crate::tui::format;
use crate::tui::layout::Layout;
use crate::tui::theme::Theme;
use crate::tui::widget::text;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Draws it, where a flow is open.
pub fn draw(app: &App, theme: &Theme, buffer: &mut Buffer, layout: &Layout) {
    let area = layout.detail;
    if area.is_empty() {
        return;
    }
    let detail = &app.detail;
    let messages = !detail.list().is_empty();
    let tabs: u16 = Tab::ALL.iter().map(|t| t.title(messages).len() as u16 + 2).sum();
    let head = text::line(area, 0);
    text::put(buffer, head, 0, &"─".repeat(usize::from(area.width)), theme.dim);
    let from = area.width.saturating_sub(tabs + 1);
    let title = detail.shown.as_ref().map(|d| d.title.as_str()).unwrap_or_default();
    if !title.is_empty() {
        let place = Rect { x: area.x + 1, width: from.saturating_sub(2), ..head };
        // of a call the path gives way to who it is between
        let short = if text::width(title) + 2 > usize::from(place.width) { format::method(title) } else { title };
        let end = text::put(buffer, place, 1, short, theme.strong);
        text::put(buffer, place, 0, " ", theme.dim);
        text::put(buffer, place, end, " ", theme.dim);
    }
    text::put(buffer, head, from, " ", theme.dim);
    let mut at = from + 1;
    for tab in Tab::ALL {
        let style = if tab == detail.tab { theme.strong.patch(theme.name) } else { theme.dim };
        let label = if tab == detail.tab { "▸" } else { " " };
        let label = format!("{label}{}", tab.title(messages));
        at = text::put(buffer, head, at, &label, style);
        at = text::put(buffer, head, at, " ", theme.dim);
    }
    let parts = detail.parts(layout);
    let body = parts.text;
    let inner = Rect { x: body.x + 1, width: body.width.saturating_sub(2), ..body };
    if detail.shown.is_none() {
        text::put(buffer, text::line(inner, 0), 0, "reading …", theme.dim);
        return;
    }
    messages::draw(detail.list(), &detail.messages, theme, buffer, parts.list);
    text::put(buffer, parts.rule, 0, &"─".repeat(usize::from(parts.rule.width)), theme.dim);
    detail.page.draw(buffer, inner, detail.scroll, |token| theme.token(token));
    // where the search stands, which may be on a page that need not scroll
    if let Some(line) = detail.search.at.and_then(|at| at.checked_sub(detail.scroll)).and_then(|at| u16::try_from(at).ok()) {
        text::put(buffer, text::line(body, line), 0, "▸", theme.strong);
    }
    more(theme, buffer, body, detail.scroll, detail.page.height());
}
