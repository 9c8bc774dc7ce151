//! What keys and the mouse do.

use super::App;
use crate::text::escape;
use crate::tui::action::Action;
use crate::tui::effect::Effect;
use crate::tui::format;
use crate::tui::keymap::{Context, Key};
use crate::tui::layout::{Open, below};
use crate::tui::panel::waterfall::Waterfall;
use crate::tui::panel::{Panel, Screen};
use crate::tui::port::Command;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;
use std::collections::BTreeSet;
use tui_input::InputRequest;

/// Rows that one notch of the wheel moves.
const NOTCH: isize = 3;

impl App {
    pub(super) fn key(&mut self, key: KeyEvent) -> Vec<Effect> {
        self.notice = None;
        let context = self.context();
        match self.keymap.action(context, Key::from(key)) {
            Some(action) => self.act(action),
            None => {
                let plain = (key.modifiers - KeyModifiers::SHIFT).is_empty();
                if let (Context::Filter, KeyCode::Char(c), true) = (context, key.code, plain) {
                    self.insert(c.encode_utf8(&mut [0; 4]));
                }
                Vec::new()
            }
        }
    }

    /// Types a text into what is being typed.
    pub(super) fn insert(&mut self, text: &str) {
        if self.detail.search.typed().is_some() {
            self.detail.search.insert(text);
        } else {
            self.filter.insert(text, &self.grammar);
        }
    }

    fn act(&mut self, action: Action) -> Vec<Effect> {
        let page = isize::try_from(self.page_height()).unwrap_or(isize::MAX);
        match action {
            Action::Down => self.go(1),
            Action::Up => self.go(-1),
            Action::HalfDown => self.go((page / 2).max(1)),
            Action::HalfUp => self.go(-(page / 2).max(1)),
            Action::PageDown => self.go(page),
            Action::PageUp => self.go(-page),
            Action::Top => self.ends(true),
            Action::Bottom => self.ends(false),
            Action::Follow => self.list.follow(),
            Action::Pause if self.list.follows() => self.pause(),
            Action::Pause => self.list.follow(),
            Action::Filter if self.front().is_none() && self.detail.shown.is_some() => self.detail.search.open(),
            Action::Filter => self.open_filter(),
            Action::Flows => {
                self.stay();
                self.show(Screen::Flows);
            }
            Action::Traces => self.turn_to(Screen::Traces),
            Action::Trace => self.trace(),
            Action::Found => self.found(),
            Action::Maybe => self.maybe(),
            Action::Services => self.turn_to(Screen::Services),
            Action::Brokers => self.turn_to(Screen::Brokers),
            Action::Findings => self.turn_to(Screen::Findings),
            Action::Stats if self.screen == Screen::Stats => self.show(Screen::Stats),
            Action::Stats => {
                self.leave(None);
                self.show(Screen::Stats);
            }
            Action::Clear => self.confirming = true,
            Action::Save => return vec![Effect::Send(Command::Save)],
            Action::Accept => return self.accept(),
            Action::Mouse => return self.toggle_mouse(),
            Action::Help => self.panels.turn_help(),
            Action::Redraw => return vec![Effect::Redraw],
            Action::Suspend => return vec![Effect::Suspend],
            Action::Escape => {
                let searched = self.front().is_none() && self.detail.search.clear();
                if !searched && !self.close() && self.filter.filter().is_some() {
                    self.filter.clear();
                    self.list.recount(self.count());
                }
            }
            Action::Back => {
                if !self.close() {
                    return vec![Effect::Quit];
                }
            }
            Action::Quit => return vec![Effect::Quit],
            Action::Narrow
            | Action::Sort
            | Action::NarrowTopic
            | Action::Prove
            | Action::OpenTrace
            | Action::SortTraces
            | Action::OpenHop
            | Action::Cause
            | Action::ZoomIn
            | Action::ZoomOut
            | Action::ZoomAll => {
                let wish = self.panels.front_mut(self.screen).and_then(|panel| panel.act(action));
                self.grant(wish);
            }
            Action::Open => self.open_soon(),
            Action::NextTab => self.detail.turn(true),
            Action::PrevTab => self.detail.turn(false),
            Action::NextFlow => self.step(1),
            Action::PrevFlow => self.step(-1),
            Action::Read if self.detail.read() => {}
            Action::NextSpot => self.go_on(1),
            Action::PrevSpot => self.go_on(-1),
            Action::NextFound if self.detail.search.needle().is_empty() => self.go_on(1),
            Action::PrevFound if self.detail.search.needle().is_empty() => self.go_on(-1),
            Action::NextFound => self.detail.search.go(true),
            Action::PrevFound => self.detail.search.go(false),
            Action::Read | Action::Zoom => {
                self.detail.open = if self.detail.open == Open::Whole { Open::Shared } else { Open::Whole }
            }
            Action::CopyResponse => return self.copy(false),
            Action::CopyRequest => return self.copy(true),
            Action::CopyCommand => return self.copy_command(),
            Action::CopyFinding => return self.copy_finding(),
            Action::Yes => {
                self.confirming = false;
                self.detail.close();
                // what was left behind shows flows that are forgotten
                self.stay();
                self.panels.waterfall = Waterfall::default();
                self.list.recount(if self.filter.filter().is_some() { 0 } else { self.count() });
                self.notice = Some("forgot all flows".to_owned());
                return vec![Effect::Send(Command::Clear)];
            }
            Action::No => self.confirming = false,
            Action::Apply if self.detail.search.typed().is_some() => self.detail.search.apply(),
            Action::Cancel if self.detail.search.typed().is_some() => self.detail.search.cancel(),
            // a search has no words to complete and no history
            Action::Complete | Action::Older | Action::Newer if self.detail.search.typed().is_some() => {}
            Action::Apply => {
                if self.filter.apply(&self.grammar) {
                    // one that is open was of another list
                    self.detail.close();
                    self.stay();
                    self.list.recount(self.count());
                }
            }
            Action::Cancel => self.filter.cancel(),
            Action::Complete => {
                let values = self.known_values();
                self.filter.complete(&self.grammar, &values);
            }
            Action::Older => self.filter.recall(true, &self.grammar),
            Action::Newer => self.filter.recall(false, &self.grammar),
            Action::Left => self.edit(InputRequest::GoToPrevChar),
            Action::Right => self.edit(InputRequest::GoToNextChar),
            Action::WordLeft => self.edit(InputRequest::GoToPrevWord),
            Action::WordRight => self.edit(InputRequest::GoToNextWord),
            Action::Start => self.edit(InputRequest::GoToStart),
            Action::End => self.edit(InputRequest::GoToEnd),
            Action::Backspace => self.edit(InputRequest::DeletePrevChar),
            Action::Delete => self.edit(InputRequest::DeleteNextChar),
            Action::DeleteWord => self.edit(InputRequest::DeletePrevWord),
            Action::DeleteLine => self.edit(InputRequest::DeleteLine),
        }
        Vec::new()
    }

    pub(super) fn mouse(&mut self, mouse: MouseEvent) {
        let Some(layout) = self.layout() else { return };
        let by = match mouse.kind {
            MouseEventKind::ScrollDown => NOTCH,
            MouseEventKind::ScrollUp => -NOTCH,
            MouseEventKind::Down(MouseButton::Left) => 0,
            _ => return,
        };
        let at = Position::new(mouse.column, mouse.row);
        match self.context() {
            Context::Confirm | Context::Filter => {}
            _ if self.front().is_some() && by != 0 => self.go(by),
            _ if self.front().is_some() => {
                let click = |panel: &mut dyn Panel| {
                    let lines = panel.lines(layout.main);
                    lines.contains(at).then(|| panel.click(usize::from(mouse.row - lines.y)))?
                };
                let wish = self.panels.front_mut(self.screen).and_then(click);
                self.grant(wish);
            }
            Context::List | Context::Detail if by != 0 && layout.list.contains(at) => self.step(by),
            Context::List | Context::Detail if below(layout.list).contains(at) => {
                self.click(usize::from(mouse.row - layout.list.y - 1))
            }
            Context::Detail => self.go(by),
            _ => {}
        }
    }

    /// Down (up where negative) in whatever has the keys.
    fn go(&mut self, by: isize) {
        match self.panels.front_mut(self.screen) {
            Some(panel) => panel.go(by),
            None if self.detail.is_open() => self.detail.go(by),
            None => self.step(by),
        }
    }

    /// To the start or the end of whatever has the keys.
    fn ends(&mut self, start: bool) {
        match self.panels.front_mut(self.screen) {
            Some(panel) => panel.ends(start),
            None if self.detail.is_open() => self.detail.ends(start),
            None if !start => self.list.follow(),
            None => {
                if let Some(view) = self.view.clone() {
                    self.list.top(&view, self.rows(), self.count());
                }
            }
        }
    }

    fn step(&mut self, by: isize) {
        if let Some(view) = self.view.clone() {
            self.list.step(by, &view, self.rows(), self.count());
        }
    }

    fn pause(&mut self) {
        if let Some(view) = self.view.clone() {
            self.list.pause(&view, self.rows(), self.count());
        }
    }

    /// Opens the selected flow. While the engine has yet to answer a jump that is not yet the one on the screen: the pane opens now, the
    /// flow once it is known.
    fn open_soon(&mut self) {
        if !self.list.pending() {
            return self.open();
        }
        (self.opening, self.detail.open) = (true, Open::Shared);
    }

    /// Opens the selected flow; the list stops, so that it stays the selected one.
    pub(super) fn open(&mut self) {
        let Some(view) = self.view.clone() else { return };
        let Some(row) = self.list.cursor(&view, self.rows()) else { return };
        let (rows, count) = (self.rows(), self.count());
        self.list.pause(&view, rows, count);
        self.detail.open = Open::Shared;
        self.list.select(row, &view, self.rows(), count);
    }

    /// A click on a row of the list selects it; one on the selected row opens it.
    fn click(&mut self, line: usize) {
        let Some(view) = self.view.clone() else { return };
        let (rows, count) = (self.rows(), self.count());
        let visible = self.list.visible(&view, rows);
        let row = visible.start + line;
        if row >= visible.end {
            return;
        }
        if self.list.cursor(&view, rows) == Some(row) && !self.detail.is_open() {
            return self.open();
        }
        self.list.select(row, &view, rows, count);
    }

    /// Closes what is in front, if anything is.
    fn close(&mut self) -> bool {
        match () {
            () if self.panels.help.take().is_some() => true,
            () if self.screen == Screen::Flows && self.detail.is_open() && self.detail.unread() => true,
            () if self.screen == Screen::Flows && self.detail.is_open() => {
                self.detail.close();
                true
            }
            () if self.come_back() => true,
            () if self.screen != Screen::Flows => {
                self.screen = Screen::Flows;
                true
            }
            () => false,
        }
    }

    pub(super) fn show(&mut self, screen: Screen) {
        (self.screen, self.panels.help) = (screen, None);
    }

    fn open_filter(&mut self) {
        if self.screen != Screen::Flows {
            self.leave(None);
        }
        self.show(Screen::Flows);
        self.filter.open();
    }

    fn edit(&mut self, request: InputRequest) {
        if self.detail.search.typed().is_some() {
            return self.detail.search.edit(request);
        }
        self.filter.edit(request, &self.grammar);
    }

    /// Has the descriptors read that were found.
    fn accept(&mut self) -> Vec<Effect> {
        let offers = self.view.as_deref().and_then(|view| format::offers(&view.status.offers));
        let told = offers.as_ref().map_or("no descriptors to read; --proto names some".to_owned(), |o| format!("reading {o} …"));
        self.notice = Some(told);
        offers.map(|_| Effect::Send(Command::Accept)).into_iter().collect()
    }

    fn toggle_mouse(&mut self) -> Vec<Effect> {
        self.mouse = !self.mouse;
        let text = if self.mouse { "mouse on" } else { "mouse off: the terminal selects text" };
        self.notice = Some(text.to_owned());
        vec![Effect::Mouse(self.mouse)]
    }

    /// Values of fields as the rows at hand have them, for completion.
    fn known_values(&self) -> Vec<(String, Vec<String>)> {
        let rows = self.view.as_deref().map(|v| v.rows.as_slice()).unwrap_or_default();
        let mut values = ["proto", "status", "client", "server"].map(|name| (name.to_owned(), BTreeSet::new()));
        for row in rows.iter().map(|r| &r.flow) {
            values[0].1.insert(row.row.protocol.to_owned());
            values[1].1.extend(row.row.status.as_deref().map(str::to_owned));
            values[2].1.insert(row.client.label().to_owned());
            values[3].1.insert(row.server.label().to_owned());
        }
        values.map(|(name, set)| (name, set.into_iter().map(|v| escape(&v)).collect())).into()
    }
}
