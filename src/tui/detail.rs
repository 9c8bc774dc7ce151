//! The open flow: its tabs, and its text laid out for the width there is. Drawing it is `view::detail`'s.

use super::layout::{Layout, Open};
use super::widget::scroll::Page;
use crate::engine::view::{DetailView, SideView};
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

    /// Its name.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Headers => "Headers",
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
    /// Its text.
    pub page: Page,
    laid_out: (Tab, u16, bool),
}

impl Default for Detail {
    fn default() -> Self {
        let page = Page::default();
        Self { open: Open::No, tab: Tab::default(), scroll: 0, shown: None, page, laid_out: (Tab::default(), 0, false) }
    }
}

impl Detail {
    /// Whether a flow is open.
    pub fn is_open(&self) -> bool {
        self.open != Open::No
    }

    /// Closes it.
    pub fn close(&mut self) {
        (self.open, self.shown, self.scroll) = (Open::No, None, 0);
    }

    /// Another tab.
    pub fn turn(&mut self, forward: bool) {
        self.tab = self.tab.beside(if forward { 1 } else { Tab::ALL.len() - 1 });
        self.scroll = 0;
    }

    /// What the engine has: `wanted` is the flow that should be shown, `gone` whether it has no row any more. While another flow is read,
    /// the one before stays on the screen; so does one that has gone while it is open.
    pub fn arrive(&mut self, given: Option<&Arc<DetailView>>, wanted: Option<FlowId>, gone: bool) {
        let shown = self.shown.as_ref();
        match given {
            Some(new) if Some(new.id) == wanted => {
                if shown.is_none_or(|old| old.id != new.id) {
                    self.scroll = 0;
                }
                if shown.is_none_or(|old| !Arc::ptr_eq(old, new)) {
                    self.shown = Some(new.clone());
                    self.laid_out.1 = 0;
                }
            }
            _ if gone && shown.is_some_and(|old| Some(old.id) != wanted) => self.shown = None,
            _ => {}
        }
    }

    /// Lays the text out anew where flow, tab or width changed, and keeps the scroll inside it. `hint` is for a flow without a schema.
    pub fn lay_out(&mut self, layout: &Layout, hint: Option<&str>) {
        let area = layout.text();
        match &self.shown {
            Some(shown) if self.laid_out != (self.tab, area.width, hint.is_some()) => {
                self.page = page(shown, self.tab, area.width.saturating_sub(2), hint);
                self.laid_out = (self.tab, area.width, hint.is_some());
            }
            Some(_) => {}
            None => (self.page, self.laid_out.1) = (Page::default(), 0),
        }
        self.scroll = self.scroll.min(self.page.furthest(usize::from(area.height)));
    }
}

fn page(detail: &DetailView, tab: Tab, width: u16, hint: Option<&str>) -> Page {
    if tab == Tab::Overview {
        let hint = hint.filter(|_| detail.unknown).map(|hint| ("hint".to_owned(), hint.to_owned()));
        let names = detail.overview.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(NAMES);
        let line = |(name, value): &(String, String)| Line {
            indent: 0,
            spans: vec![(Token::Dim, format!("{name:names$}  ")), (Token::Plain, value.clone())],
        };
        let lines = detail.overview.iter().chain(&hint).map(line).collect();
        return Page::new(&[lines], width, u16::try_from(names + 2).unwrap_or(0));
    }
    let request = side("request", detail.request.as_ref(), tab);
    let response = side("response", detail.response.as_ref(), tab);
    if width >= SIDE_BY_SIDE {
        return Page::new(&[request, response], width, 2);
    }
    let mut lines = request;
    lines.push(Line::default());
    lines.extend(response);
    Page::new(&[lines], width, 2)
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
