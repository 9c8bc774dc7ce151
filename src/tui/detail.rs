//! The open flow: its tabs, its messages, and its text laid out for the width there is. Drawing it is `view::detail`'s.

use super::layout::{Layout, Open};
use super::messages::{Chosen, Messages, Parts};
use super::search::{self, Search};
use super::widget::scroll::Page;
use crate::engine::view::{DetailView, MessageView, SideView};
use crate::model::FlowId;
use crate::text::{Line, Token};
use std::sync::Arc;

/// From this width on request and response are side by side.
const SIDE_BY_SIDE: u16 = 100;
/// The widest column of names in the overview.
const NAMES: usize = 24;

/// What of a flow is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tab {
    /// Times, addresses, sizes, trace context, notes.
    #[default]
    Overview,
    /// Header and trailer fields.
    Headers,
    /// The bodies, decoded.
    Body,
    /// The bodies, byte by byte.
    Hex,
}

impl Tab {
    /// All, from left to right.
    pub const ALL: [Self; 4] = [Self::Overview, Self::Headers, Self::Body, Self::Hex];

    /// Its name, for a flow with messages or with a body a side.
    pub const fn title(self, messages: bool) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Headers => "Headers",
            Self::Body if messages => "Messages",
            Self::Body => "Body",
            Self::Hex => "Hex",
        }
    }

    /// The one `by` to the right of it; after the last comes the first.
    fn beside(self, by: usize) -> Self {
        let at = Self::ALL.iter().position(|t| *t == self).unwrap_or(0);
        Self::ALL[(at + by) % Self::ALL.len()]
    }
}

/// How a flow is open, and how far its text is scrolled. The tab stays when another flow is opened.
#[derive(Debug)]
pub struct Detail {
    /// Whether it is open, and how much of the screen it has.
    pub open: Open,
    /// What of it is shown.
    pub tab: Tab,
    /// How many lines are above the screen.
    pub scroll: usize,
    /// What is shown: the flow that was opened last, until the engine has given the next one.
    pub shown: Option<Arc<DetailView>>,
    /// The place among its messages.
    pub messages: Messages,
    /// What is looked for in it.
    pub search: Search,
    /// Its text.
    pub page: Page,
    laid_out: Option<Laid>,
}

/// What the text was laid out for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Laid {
    tab: Tab,
    width: u16,
    rows: usize,
    hint: bool,
    message: Option<usize>,
    reading: bool,
    needle: String,
}

impl Default for Detail {
    fn default() -> Self {
        Self {
            open: Open::No,
            tab: Tab::default(),
            scroll: 0,
            shown: None,
            messages: Messages::default(),
            search: Search::default(),
            page: Page::default(),
            laid_out: None,
        }
    }
}

impl Detail {
    /// Whether a flow is open.
    pub fn is_open(&self) -> bool {
        self.open != Open::No
    }

    /// Closes it.
    pub fn close(&mut self) {
        (self.open, self.shown) = (Open::No, None);
        self.begin();
    }

    /// Another flow begins at its top, with nothing looked for.
    fn begin(&mut self) {
        (self.scroll, self.messages, self.search, self.laid_out) = (0, Messages::default(), Search::default(), None);
    }

    /// Another tab.
    pub fn turn(&mut self, forward: bool) {
        self.tab = self.tab.beside(if forward { 1 } else { Tab::ALL.len() - 1 });
        self.scroll = 0;
        self.search.at = None;
    }

    /// The messages of a flow that has several.
    pub fn list(&self) -> &[MessageView] {
        self.shown.as_ref().map_or(&[], |shown| &shown.messages)
    }

    /// Whether the messages are on the screen as a list.
    pub fn lists(&self) -> bool {
        self.tab == Tab::Body && !self.messages.reading && !self.list().is_empty()
    }

    /// The chosen message, where messages are what is shown.
    pub fn message(&self) -> Option<&MessageView> {
        let shows = matches!(self.tab, Tab::Body | Tab::Hex);
        self.messages.message(self.list()).filter(|_| shows)
    }

    /// The parts of its pane.
    pub fn parts(&self, layout: &Layout) -> Parts {
        let area = layout.text();
        if self.lists() { Parts::of(area, self.list().len()) } else { Parts { text: area, ..Parts::default() } }
    }

    /// Down (up where negative): another message, or more of the text.
    pub fn go(&mut self, by: isize) {
        match self.shown.clone() {
            Some(shown) if self.lists() => self.messages.step(by, &shown.messages),
            _ => self.scroll = self.scroll.saturating_add_signed(by),
        }
    }

    /// To the start or the end.
    pub fn ends(&mut self, start: bool) {
        match self.lists() {
            true => self.messages.chosen = if start { Chosen::First } else { Chosen::Newest },
            false => self.scroll = if start { 0 } else { usize::MAX },
        }
    }

    /// Reads the chosen message alone, where there is a list of them; whether there is.
    pub fn read(&mut self) -> bool {
        let lists = self.lists();
        if let Some(shown) = self.shown.clone().filter(|_| lists) {
            self.messages.step(0, &shown.messages);
            (self.messages.reading, self.scroll, self.search.at) = (true, 0, None);
        }
        lists
    }

    /// Back from a message to the list of them; whether one was read.
    pub fn unread(&mut self) -> bool {
        self.scroll = 0;
        std::mem::take(&mut self.messages.reading)
    }

    /// What the engine has: `wanted` is the flow that should be shown, `gone` whether it has no row any more. While another flow is read,
    /// the one before stays on the screen; so does one that has gone while it is open.
    pub fn arrive(&mut self, given: Option<&Arc<DetailView>>, wanted: Option<FlowId>, gone: bool) {
        let shown = self.shown.as_ref();
        match given {
            Some(new) if Some(new.id) == wanted => {
                let (other, changed) = (shown.is_none_or(|old| old.id != new.id), shown.is_none_or(|old| !Arc::ptr_eq(old, new)));
                if other {
                    self.begin();
                }
                if changed {
                    self.shown = Some(new.clone());
                    self.laid_out = None;
                }
            }
            _ if gone && shown.is_some_and(|old| Some(old.id) != wanted) => self.shown = None,
            _ => {}
        }
    }

    /// Lays the text out anew where flow, tab or size changed, and keeps the scroll inside it. `hint` is for a flow without a schema.
    /// Returns what came of a search.
    pub fn lay_out(&mut self, layout: &Layout, hint: Option<&str>) -> Option<String> {
        let Some(shown) = self.shown.clone() else {
            (self.page, self.laid_out) = (Page::default(), None);
            return None;
        };
        let lists = self.lists();
        let mut told = None;
        if lists && let Some(wish) = self.search.wish.take() {
            told = Some(self.search.told(self.messages.find(&shown.messages, self.search.needle(), wish)));
        }
        let parts = self.parts(layout);
        self.messages.settle(&shown.messages, parts.rows());
        let wanted = Laid {
            tab: self.tab,
            width: parts.text.width,
            rows: usize::from(parts.text.height),
            hint: hint.is_some(),
            message: self.messages.at(&shown.messages),
            reading: self.messages.reading,
            needle: self.search.needle().to_owned(),
        };
        if self.laid_out.as_ref().is_some_and(|before| before.width != wanted.width) {
            // lines are wrapped otherwise now
            self.search.at = None;
        }
        if self.laid_out.as_ref() != Some(&wanted) {
            self.page = self.page(&shown, wanted.width.saturating_sub(2), wanted.rows, hint);
            self.laid_out = Some(wanted);
        }
        if let Some(wish) = self.search.wish.take() {
            let places = self.page.found();
            let to = search::lead(&places, self.search.at.unwrap_or(self.scroll), wish);
            self.search.at = to;
            let which = to.and_then(|to| places.iter().position(|place| *place == to));
            told = Some(self.search.told(which.map(|which| (which + 1, places.len()))));
            // some of what is before it stays in sight
            self.scroll = to.map_or(self.scroll, |to| to.saturating_sub(usize::from(parts.text.height) / 3));
        }
        self.scroll = if lists { 0 } else { self.scroll.min(self.page.furthest(usize::from(parts.text.height))) };
        told
    }

    fn page(&self, detail: &DetailView, width: u16, rows: usize, hint: Option<&str>) -> Page {
        let page = |columns: Vec<Vec<Line>>, hang| {
            let marked: Vec<_> = columns.into_iter().map(|lines| search::mark(lines, self.search.needle())).collect();
            Page::new(&marked, width, hang)
        };
        if self.tab == Tab::Overview {
            let hint = hint.filter(|_| detail.unknown).map(|hint| ("hint".to_owned(), hint.to_owned()));
            let names = detail.overview.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(NAMES);
            let line = |(name, value): &(String, String)| Line {
                indent: 0,
                spans: vec![(Token::Dim, format!("{name:names$}  ")), (Token::Plain, value.clone())],
            };
            let lines = detail.overview.iter().chain(&hint).map(line).collect();
            return page(vec![lines], u16::try_from(names + 2).unwrap_or(0));
        }
        if self.message().is_some() {
            return page(vec![self.messages.lines(detail, self.tab == Tab::Hex, rows)], 2);
        }
        let request = side("request", detail.request.as_ref(), self.tab);
        let response = side("response", detail.response.as_ref(), self.tab);
        if width >= SIDE_BY_SIDE {
            return page(vec![request, response], 2);
        }
        let mut lines = request;
        lines.push(Line::default());
        lines.extend(response);
        page(vec![lines], 2)
    }
}

/// One side of a flow under its heading.
fn side(name: &str, side: Option<&SideView>, tab: Tab) -> Vec<Line> {
    let heading =
        |caption: &str| Line { indent: 0, spans: vec![(Token::Word, name.to_owned()), (Token::Dim, format!("  {caption}"))] };
    let Some(side) = side else { return vec![heading("none was captured")] };
    let mut lines = vec![heading(&side.caption)];
    match tab {
        Tab::Overview => {}
        Tab::Headers => {
            lines.extend(side.headers.iter().map(field));
            if side.headers.is_empty() {
                lines.push(Line::of(Token::Dim, "no headers"));
            }
            if !side.trailers.is_empty() {
                lines.push(Line::of(Token::Dim, "trailers"));
                lines.extend(side.trailers.iter().map(field));
            }
        }
        Tab::Body => lines.extend(or_none(&side.body)),
        Tab::Hex => lines.extend(or_none(&side.hex)),
    }
    lines
}

fn field((name, value): &(String, String)) -> Line {
    let spans = vec![(Token::Key, name.clone()), (Token::Punctuation, ": ".to_owned()), (Token::Plain, value.clone())];
    Line { indent: 0, spans }
}

fn or_none(lines: &[Line]) -> Vec<Line> {
    if lines.is_empty() { vec![Line::of(Token::Dim, "no body")] } else { lines.to_vec() }
}
