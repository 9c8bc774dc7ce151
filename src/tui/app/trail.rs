//! From one screen to what belongs to it on another, and back: each step that somebody takes leaves a crumb.

use super::App;
use crate::engine::view::{About, Spot};
use crate::filter::Filter;
use crate::model::FlowId;
use crate::tui::action::Action;
use crate::tui::layout::Open;
use crate::tui::list::List;
use crate::tui::panel::{Panels, Screen, Wish};
use std::sync::Arc;

/// How many steps are remembered: more than anybody wants to go back. Of more, the first is kept.
const LONGEST: usize = 32;

/// What was on the screen before a step, and what the step was for.
#[derive(Debug)]
pub(super) struct Crumb {
    screen: Screen,
    filter: Option<(String, Arc<Filter>)>,
    list: List,
    open: Open,
    panels: Panels,
    tour: Option<Tour>,
}

/// Places of one kind, one of which is on the screen.
#[derive(Clone, Debug)]
pub(super) struct Tour {
    what: &'static str,
    spots: Vec<Spot>,
    at: usize,
}

impl App {
    /// Which of several places is on the screen: `example 2 of 8`.
    pub fn touring(&self) -> Option<String> {
        let Tour { what, spots, at } = self.trail.last()?.tour.as_ref()?;
        (spots.len() > 1).then(|| format!("{what} {} of {}", at + 1, spots.len()))
    }

    /// Does what a screen wants.
    pub(super) fn grant(&mut self, wish: Option<Wish>) {
        match wish {
            Some(Wish::Narrow(text)) => {
                if let Some(filter) = self.understood(&text) {
                    self.leave(None);
                    self.narrow(Some(filter));
                }
            }
            Some(Wish::Flow(id, text)) => {
                let filter = text.as_deref().map(|text| self.understood(text));
                if filter.as_ref().is_none_or(Option::is_some) {
                    self.leave(None);
                    self.narrow(filter.flatten());
                    self.open_at(id);
                }
            }
            Some(Wish::Trace(no)) => {
                self.leave(None);
                self.panels.waterfall.turn_to(no, None);
                self.show(Screen::Trace);
            }
            Some(Wish::Spots(what, spots)) => {
                if let Some(&first) = spots.first() {
                    self.leave(Some(Tour { what, spots, at: 0 }));
                    self.go_to(first);
                }
            }
            Some(Wish::Tell(text)) => self.notice = Some(text.to_owned()),
            None => {}
        }
    }

    /// The trace of the selected flow.
    pub(super) fn trace(&mut self) {
        if self.screen != Screen::Flows {
            return;
        }
        let Some(view) = self.view.clone() else { return };
        let Some(row) = self.list.cursor(&view, self.rows()).and_then(|at| view.rows.get(at)) else { return };
        match (row.trace, &row.flow.row.trace_id) {
            (Some((no, _)), _) => {
                self.leave(None);
                self.go_to(Spot::Hop(no, row.flow.row.id));
            }
            (None, Some(_)) => self.notice = Some("its trace was evicted".to_owned()),
            (None, None) => {
                self.notice = Some("this flow carries no trace ID: open it for what may have caused it".to_owned());
            }
        }
    }

    /// The findings of what is selected.
    pub(super) fn found(&mut self) {
        let about = match self.front() {
            Some(panel) => panel.about(),
            None => self.view.as_deref().and_then(|view| self.list.selected(view, self.rows())).map(About::Flow),
        };
        let Some(about) = about else {
            self.notice = Some("select a flow, a hop or a service to see what is wrong with it".to_owned());
            return;
        };
        self.leave(None);
        self.panels.findings.turn_to(about);
        self.show(Screen::Findings);
    }

    /// What may have caused the selected flow, where nothing tells which it was.
    pub(super) fn maybe(&mut self) {
        let candidates = match self.screen {
            Screen::Flows if self.detail.is_open() => self.detail.shown.as_ref().map(|shown| shown.candidates.as_slice()),
            Screen::Flows => return self.notice = Some("open the flow first".to_owned()),
            Screen::Trace => self.panels.waterfall.candidates(),
            Screen::Traces | Screen::Services | Screen::Brokers | Screen::Findings | Screen::Stats => None,
        };
        let spots: Vec<_> = candidates.unwrap_or_default().iter().map(|candidate| candidate.spot).collect();
        match spots.is_empty() {
            true => {
                self.notice =
                    Some(format!("nothing is in doubt here: {} is for flows marked ?", self.keymap.key_of(Action::Maybe)))
            }
            false => self.grant(Some(Wish::Spots("candidate", spots))),
        }
    }

    /// To the next place of those that were set out for, or, negative, the one before; behind the last comes the first.
    pub(super) fn go_on(&mut self, by: isize) {
        let Some(tour) = self.trail.last_mut().and_then(|crumb| crumb.tour.as_mut()) else { return };
        let len = tour.spots.len();
        tour.at = (tour.at + len).saturating_add_signed(by) % len.max(1);
        if let Some(&spot) = tour.spots.get(tour.at) {
            self.go_to(spot);
        }
    }

    /// Leaves a crumb, so that this is what comes back.
    pub(super) fn leave(&mut self, tour: Option<Tour>) {
        if self.trail.len() >= LONGEST {
            self.trail.remove(1);
        }
        let filter = self.filter.applied();
        let (screen, list, open, panels) = (self.screen, self.list.clone(), self.detail.open, self.panels.clone());
        self.trail.push(Crumb { screen, filter, list, open, panels, tour });
    }

    /// A step back. Whether there was one.
    pub(super) fn come_back(&mut self) -> bool {
        let Some(Crumb { screen, filter, list, open, panels, .. }) = self.trail.pop() else { return false };
        self.filter.replace(filter);
        self.detail.close();
        (self.list, self.detail.open, self.panels, self.opening) = (list, open, panels, false);
        self.show(screen);
        true
    }

    /// Turns to a screen from wherever; what was narrowed on the way is as it was before.
    pub(super) fn turn_to(&mut self, screen: Screen) {
        self.trail.truncate(1);
        self.come_back();
        self.show(screen);
    }

    /// From here nothing leads back: what is on the screen is what was wanted.
    pub(super) fn stay(&mut self) {
        self.trail.clear();
        self.panels.findings.turn_to(About::All);
    }

    fn go_to(&mut self, spot: Spot) {
        match spot {
            Spot::Hop(no, flow) => {
                self.panels.waterfall.turn_to(no, Some(flow));
                self.show(Screen::Trace);
            }
            Spot::Flow(flow) => {
                self.narrow(None);
                self.open_at(flow);
            }
        }
    }

    /// Shows the flows that match a filter, or all.
    fn narrow(&mut self, filter: Option<(String, Arc<Filter>)>) {
        self.filter.replace(filter);
        self.detail.close();
        self.show(Screen::Flows);
        self.list.recount(self.count());
    }

    fn open_at(&mut self, flow: FlowId) {
        self.list.turn_to(flow, self.count());
        (self.opening, self.detail.open) = (true, Open::Shared);
    }

    fn understood(&mut self, text: &str) -> Option<(String, Arc<Filter>)> {
        match (self.grammar.parse)(text) {
            Ok(filter) => Some((text.to_owned(), Arc::new(filter))),
            Err(e) => {
                self.notice = Some(e.to_string());
                None
            }
        }
    }
}
