//! What is wrong: a line a finding, and below the list what shows the chosen one and what to do about it. The proof is the waterfall's.

mod draw;

use super::{Panel, Wish};
use crate::engine::view::{self, FindingLine, Proof, View};
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::format::counted;
use crate::tui::keymap::{Context, Keymap};
use crate::tui::theme::Theme;
use crate::tui::widget::cursor::Cursor;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::sync::Arc;

/// The list, and the place in it.
#[derive(Debug, Default)]
pub struct Findings {
    table: Arc<view::Findings>,
    cursor: Cursor,
    /// The number of the selected finding: it stays selected wherever it goes, since somebody may be reading it.
    selected: Option<u64>,
}

impl Findings {
    /// The selected finding as text, to be copied.
    pub fn text(&self) -> Option<String> {
        let FindingLine { kind, service, count, title, evidence, advice, time, .. } = self.chosen()?;
        let service = service.as_deref().map(|service| format!("service: {service}\n")).unwrap_or_default();
        let (severity, kind, seen) = (kind.severity().word(), kind.word(), counted(*count, "time"));
        let head = format!("{severity} {kind}: {title}\n{service}seen: {seen}, first at {time}\n");
        Some(format!("{head}evidence: {evidence}\nadvice: {advice}\n"))
    }

    fn chosen(&self) -> Option<&FindingLine> {
        self.table.list.get(self.cursor.at)
    }

    fn arrange(&mut self) {
        let list = &self.table.list;
        self.cursor.fit(list.len(), self.cursor.height());
        let found = self.selected.and_then(|id| list.iter().position(|line| line.id == id));
        self.cursor.to(found.unwrap_or(self.cursor.at));
        self.moved(0);
    }
}

impl Panel for Findings {
    fn context(&self) -> Context {
        Context::Findings
    }

    fn cursor(&mut self) -> Option<&mut Cursor> {
        Some(&mut self.cursor)
    }

    fn moved(&mut self, _: isize) {
        self.selected = self.chosen().map(|line| line.id);
    }

    fn choose(&mut self) -> Option<Wish> {
        Some(match self.chosen()?.proof {
            Proof::Hop(trace, flow) => Wish::Trace(trace, Some(flow)),
            Proof::Flow(flow) => Wish::Flow(flow, None),
            Proof::Gone => Wish::Tell("the flows that showed it were evicted"),
        })
    }

    fn page(&self, area: Rect) -> usize {
        usize::from(draw::parts(area).0.height.saturating_sub(1))
    }

    fn act(&mut self, action: Action) -> Option<Wish> {
        if action == Action::Prove { self.choose() } else { None }
    }

    fn lay_out(&mut self, _: &Keymap, view: Option<&View>, area: Rect) {
        self.cursor.fit(self.table.list.len(), self.page(area));
        if let Some(table) = view.and_then(|view| view.findings.as_ref()).filter(|table| !Arc::ptr_eq(table, &self.table)) {
            self.table = Arc::clone(table);
            self.arrange();
        }
    }

    fn draw(&self, app: &App, theme: &Theme, buffer: &mut Buffer, area: Rect) {
        draw::draw(self, app, theme, buffer, area);
    }
}
