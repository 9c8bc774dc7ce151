//! The open flow: a line with its title and its tabs, then its text.

use super::more;
use crate::tui::app::App;
use crate::tui::detail::Tab;
use crate::tui::layout::below;
use crate::tui::theme::Theme;
use crate::tui::widget::text;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Draws it, where a flow is open.
pub fn draw(app: &App, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    if area.is_empty() {
        return;
    }
    let detail = &app.detail;
    let tabs: u16 = Tab::ALL.iter().map(|t| t.title().len() as u16 + 2).sum();
    let head = text::line(area, 0);
    text::put(buffer, head, 0, &"─".repeat(usize::from(area.width)), theme.dim);
    let from = area.width.saturating_sub(tabs + 1);
    let title = detail.shown.as_ref().map(|d| d.title.as_str()).unwrap_or_default();
    if !title.is_empty() {
        let place = Rect { x: area.x + 1, width: from.saturating_sub(2), ..head };
        let end = text::put(buffer, place, 1, title, theme.strong);
        text::put(buffer, place, 0, " ", theme.dim);
        text::put(buffer, place, end, " ", theme.dim);
    }
    text::put(buffer, head, from, " ", theme.dim);
    let mut at = from + 1;
    for tab in Tab::ALL {
        let style = if tab == detail.tab { theme.strong.patch(theme.name) } else { theme.dim };
        let label = if tab == detail.tab { format!("▸{}", tab.title()) } else { format!(" {}", tab.title()) };
        at = text::put(buffer, head, at, &label, style);
        at = text::put(buffer, head, at, " ", theme.dim);
    }
    let body = below(area);
    let inner = Rect { x: body.x + 1, width: body.width.saturating_sub(2), ..body };
    if detail.shown.is_none() {
        text::put(buffer, text::line(inner, 0), 0, "reading …", theme.dim);
        return;
    }
    detail.page.draw(buffer, inner, detail.scroll, |token| theme.token(token));
    more(theme, buffer, body, detail.scroll, detail.page.height());
}
