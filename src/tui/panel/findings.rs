//! What is wrong: a line a finding, and below the list what shows the chosen one and what to do about it. The proof is the waterfall's.

mod draw;

use super::{Panel, Wish};
use crate::engine::view::{self, About, Example, FindingLine, Shown, View};
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::format::counted;
use crate::tui::keymap::{Context, Keymap};
use crate::tui::layout::below;
use crate::tui::theme::Theme;
use crate::tui::widget::cursor::Cursor;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::sync::Arc;

/// The list, and the place in it.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// None before the first answer.
    table: Option<Arc<view::Findings>>,
    /// Which of them are shown.
    about: About,
    cursor: Cursor,
    /// The number of the selected finding: it stays selected wherever it goes, since somebody may be reading it.
    selected: Option<u64>,
}

impl Findings {
    /// Turns to the findings about something.
    pub fn turn_to(&mut self, about: About) {
        if self.about != about {
            *self = Self { about, ..Self::default() };
        }
    }

    /// What the engine is asked for.
    pub fn wanted(&self) -> Shown {
        Shown::Findings { about: self.about.clone(), chosen: self.selected }
    }

    /// Which are shown, and how many there are: `1 of 3 findings, of payments`.
    pub fn told(&self) -> String {
        let Some(table) = &self.table else { return String::new() };
        let (some, all) = (table.list.len(), counted(table.total, "finding"));
        match &self.about {
            About::All => all,
            About::Service(name) => format!("{some} of {all}, of {name}"),
            About::Flow(_) => format!("{some} of {all}, of the flow that was selected"),
        }
    }

    /// What shows the selected finding, once that is known.
    fn examples(&self) -> Option<&[Example]> {
        self.table.as_ref().filter(|table| table.chosen == self.selected).map(|table| table.examples.as_slice())
    }

    /// The selected finding as text, to be copied.
    pub fn text(&self) -> Option<String> {
        let FindingLine { kind, service, count, title, evidence, advice, time, .. } = self.chosen()?;
        let service = service.as_deref().map(|service| format!("service: {service}\n")).unwrap_or_default();
        let (severity, kind, seen) = (kind.severity().word(), kind.word(), counted(*count, "time"));
        let head = format!("{severity} {kind}: {title}\n{service}seen: {seen}, first noticed at {time}\n");
        Some(format!("{head}evidence: {evidence}\nadvice: {advice}\n"))
    }

    fn chosen(&self) -> Option<&FindingLine> {
        self.list().get(self.cursor.at)
    }

    fn list(&self) -> &[FindingLine] {
        self.table.as_ref().map_or(&[], |table| &table.list)
    }

    fn arrange(&mut self) {
        let (len, selected) = (self.list().len(), self.selected);
        let found = selected.and_then(|id| self.list().iter().position(|line| line.id == id));
        self.cursor.fit(len, self.cursor.height());
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

    fn is_empty(&self) -> bool {
        self.list().is_empty()
    }

    fn moved(&mut self, _: isize) {
        self.selected = self.chosen().map(|line| line.id);
    }

    fn choose(&mut self) -> Option<Wish> {
        let known = self.examples().map(|examples| examples.iter().map(|example| example.spot).collect());
        let spots: Vec<_> = known.unwrap_or_else(|| self.chosen().and_then(|line| line.proof).into_iter().collect());
        let chosen = self.chosen()?;
        Some(if spots.is_empty() { Wish::Tell(draw::no_proof(chosen)) } else { Wish::Spots("example", spots) })
    }

    fn lines(&self, area: Rect) -> Rect {
        below(draw::parts(area, self.list().len()).0)
    }

    fn act(&mut self, action: Action) -> Option<Wish> {
        if action == Action::Prove { self.choose() } else { None }
    }

    fn lay_out(&mut self, _: &Keymap, view: Option<&View>, area: Rect) {
        self.cursor.fit(self.list().len(), self.page(area));
        let table = view.and_then(|view| view.findings.as_ref()).filter(|table| table.about == self.about);
        if let Some(table) = table.filter(|table| !self.table.as_ref().is_some_and(|old| Arc::ptr_eq(old, table))) {
            self.table = Some(Arc::clone(table));
            self.arrange();
        }
    }

    fn draw(&self, app: &App, theme: &Theme, buffer: &mut Buffer, area: Rect) {
        draw::draw(self, app, theme, buffer, area);
    }
}
