//! The application: what is on the screen and how it changes. No IO, no drawing, no clock: events in, effects out.

mod act;
mod copy;
mod trail;

use super::action::Action;
use super::detail::Detail;
use super::effect::Effect;
use super::event::Event;
use super::format;
use super::grammar::Grammar;
use super::input::FilterLine;
use super::keymap::{Context, Keymap};
use super::layout::{Layout, Open};
use super::list::List;
use super::panel::findings::Findings;
use super::panel::{Panel, Panels, Screen};
use super::port::Command;
use super::theme::Palette;
use crate::engine::view::{Query, View};
use crate::filter::Filter;
use crate::time::Span;
use std::sync::Arc;
use trail::Crumb;

/// How the screen is set up.
#[derive(Debug)]
pub struct Options {
    /// Its colours.
    pub palette: Palette,
    /// Its keys.
    pub keymap: Keymap,
    /// Whether the mouse is taken.
    pub mouse: bool,
    /// Whether it begins at the newest flow and moves on (live), or at the oldest one (a file).
    pub follow: bool,
    /// From this duration on a flow is marked as slow.
    pub slow: Span,
    /// The filter to begin with, and its text.
    pub filter: Option<(String, Filter)>,
    /// The filter language.
    pub grammar: Grammar,
}

/// Everything there is to draw.
#[derive(Debug)]
pub struct App {
    /// Its colours.
    pub palette: Palette,
    /// Its keys.
    pub keymap: Keymap,
    /// From this duration on a flow is marked as slow.
    pub slow: Span,
    /// The filter line.
    pub filter: FilterLine,
    /// The place in the list.
    pub list: List,
    /// The open flow.
    pub detail: Detail,
    /// What has the screen.
    pub screen: Screen,
    panels: Panels,
    /// The way back, the last step last.
    trail: Vec<Crumb>,
    /// Whether it is asked if all flows should be forgotten.
    pub confirming: bool,
    /// The last thing that was told; until the next key.
    pub notice: Option<String>,
    /// How many of the engine's notices were told.
    told: u64,
    /// What the engine shows; none before its first word.
    pub view: Option<Arc<View>>,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    grammar: Grammar,
    mouse: bool,
    asked: Option<Query>,
    /// Whether a flow is to be opened as soon as the part of the list that was asked for is there.
    opening: bool,
}

impl App {
    /// A screen of `size` that has seen nothing yet.
    pub fn new(options: Options, size: (u16, u16)) -> Self {
        let mut filter = FilterLine::default();
        if let Some((text, parsed)) = options.filter {
            filter.set(text, parsed);
        }
        Self {
            palette: options.palette,
            keymap: options.keymap,
            slow: options.slow,
            filter,
            list: List::new(options.follow),
            detail: Detail::default(),
            screen: Screen::Flows,
            panels: Panels::default(),
            trail: Vec::new(),
            confirming: false,
            notice: None,
            told: 0,
            view: None,
            size,
            grammar: options.grammar,
            mouse: options.mouse,
            asked: None,
            opening: false,
        }
    }

    /// What is wanted before the first event.
    pub fn start(&mut self) -> Vec<Effect> {
        self.ask().into_iter().collect()
    }

    /// Takes one event; what it wants done is returned.
    pub fn update(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = match event {
            Event::Key(key) => self.key(key),
            Event::Paste(text) => {
                self.insert(&text);
                Vec::new()
            }
            Event::Mouse(mouse) => {
                self.mouse(mouse);
                Vec::new()
            }
            Event::Resize(width, height) => {
                self.size = (width, height);
                Vec::new()
            }
            Event::View(view) => {
                self.arrive(view);
                Vec::new()
            }
            Event::Told(text) => {
                self.notice = Some(text);
                Vec::new()
            }
        };
        self.settle();
        effects.extend(self.ask());
        effects
    }

    /// Where the parts of the screen are; none where it is too small.
    pub fn layout(&self) -> Option<Layout> {
        let open = if self.screen == Screen::Flows { self.detail.open } else { Open::No };
        Layout::of(self.size.0, self.size.1, open)
    }

    /// What keys mean now.
    pub fn context(&self) -> Context {
        match () {
            () if self.confirming => Context::Confirm,
            () if self.filter.editing() || self.detail.search.typed().is_some() => Context::Filter,
            () => match self.front() {
                Some(panel) => panel.context(),
                None if self.detail.is_open() => Context::Detail,
                None => Context::List,
            },
        }
    }

    /// What has the main part instead of the flows.
    pub fn front(&self) -> Option<&dyn Panel> {
        self.panels.front(self.screen)
    }

    /// What is wrong.
    pub fn findings(&self) -> &Findings {
        &self.panels.findings
    }

    /// How many flows arrived since the list stopped following.
    pub fn arrived(&self) -> u64 {
        self.list.arrived(self.count())
    }

    /// How many rows of the list fit. A flow that has the whole screen hides the list: the place in it stays.
    fn rows(&self) -> usize {
        let open = if self.detail.open == Open::Whole { Open::Shared } else { self.detail.open };
        Layout::of(self.size.0, self.size.1, open).map_or(1, |l| l.rows().max(1))
    }

    /// How many flows there are that the list would show.
    fn count(&self) -> u64 {
        let Some(view) = &self.view else { return 0 };
        if self.filter.filter().is_some() { view.matching } else { view.status.flows }
    }

    /// How much of a scrolling text is on the screen.
    fn page_height(&self) -> usize {
        let Some(layout) = self.layout() else { return 1 };
        let height = match self.front() {
            Some(panel) => panel.page(layout.main),
            None if self.detail.lists() => self.detail.parts(&layout).rows(),
            None if self.detail.is_open() => usize::from(layout.text().height),
            None => layout.rows(),
        };
        height.max(1)
    }

    fn arrive(&mut self, view: Arc<View>) {
        if let Some((n, text)) = view.status.notice.as_ref().filter(|(n, _)| *n > self.told) {
            (self.told, self.notice) = (*n, Some(text.to_string()));
        }
        let answers = self.asked.as_ref().is_some_and(|q| q.generation == view.generation);
        self.view = Some(view.clone());
        self.list.arrive(&view, self.rows(), answers);
        if answers && std::mem::take(&mut self.opening) && self.detail.is_open() {
            self.detail.close();
            self.open();
        }
        if self.detail.is_open() && !self.opening {
            let wanted = self.list.selected(&view, self.rows());
            let gone = answers && !view.rows.iter().any(|r| Some(r.flow.row.id) == wanted);
            self.detail.arrive(view.detail.as_ref(), wanted, gone);
        }
    }

    /// Keeps what is scrolled inside what there is.
    fn settle(&mut self) {
        if let Some(layout) = self.layout() {
            if self.detail.is_open() {
                let offers = self.view.as_deref().and_then(|view| format::offers(&view.status.offers));
                let hint = offers.map(|o| format!("{} reads its messages by {o}", self.keymap.key_of(Action::Accept)));
                if let Some(told) = self.detail.lay_out(&layout, hint.as_deref()) {
                    self.notice = Some(told);
                }
            }
            if let Some(panel) = self.panels.front_mut(self.screen) {
                panel.lay_out(&self.keymap, self.view.as_deref(), layout.main);
            }
        }
    }

    /// The query for what is on the screen now, where it is another one than before.
    fn ask(&mut self) -> Option<Effect> {
        let height = self.rows();
        let inspect =
            self.view.as_deref().filter(|_| self.detail.is_open() && !self.opening).and_then(|v| self.list.selected(v, height));
        let (filter, window, shown) = (self.filter.filter(), self.list.window(), self.panels.shown(self.screen));
        let same = |q: &Query| {
            let filters = (q.filter.as_ref().map(Arc::as_ptr), filter.as_ref().map(Arc::as_ptr));
            filters.0 == filters.1 && (q.window, q.height, q.inspect, &q.shown) == (window, height, inspect, &shown)
        };
        if self.asked.as_ref().is_some_and(same) {
            return None;
        }
        let generation = self.asked.as_ref().map_or(1, |q| q.generation + 1);
        let query = Query { generation, filter, window, height, inspect, shown };
        self.asked = Some(query.clone());
        Some(Effect::Send(Command::Query(query)))
    }
}
