//! What lies between services: each broker with its exchanges, queues and topics, and below each who publishes to it and who takes from it.
//! Of the same flows as the table of services; which flows those are is a filter away.

mod draw;

use super::services::{client_is, quoted};
use super::{Panel, Wish};
use crate::engine::view::{self, View};
use crate::model::{Dir, Edge, Load, RECENT};
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::keymap::{Context, Keymap};
use crate::tui::theme::Theme;
use crate::tui::widget::cursor::Cursor;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The table, and the place in it.
#[derive(Clone, Debug, Default)]
pub struct Brokers {
    table: Arc<view::Services>,
    lines: Vec<Line>,
    cursor: Cursor,
    /// The filter of the selected line, once somebody has moved: it tells the line wherever it goes.
    selected: Option<String>,
}

/// A line of the table.
#[derive(Clone, Debug)]
struct Line {
    /// What it is about.
    what: What,
    /// What went through there: of a broker and of a topic all, without percentiles, which cannot be added.
    load: Load,
    /// What finds its flows.
    filter: String,
}

#[derive(Clone, Debug)]
enum What {
    Broker { name: Arc<str>, protocol: &'static str },
    Topic { name: Arc<str>, dir: Dir },
    Party { name: Arc<str>, dir: Dir },
}

impl Brokers {
    /// The table: brokers by name, what is published to before what is delivered from, each by name.
    fn arrange(&mut self) {
        type Topics<'e> = BTreeMap<(usize, &'e Arc<str>), (Dir, Vec<&'e Edge>)>;
        let mut brokers: BTreeMap<(&Arc<str>, &'static str), Topics<'_>> = BTreeMap::new();
        for edge in self.table.list.iter().flat_map(|service| &service.calls) {
            let Some(via) = &edge.via else { continue };
            let (broker, _) = ends(edge);
            let topics = brokers.entry((broker, edge.protocol)).or_default();
            topics.entry((edge.dir.index(), via)).or_insert((edge.dir, Vec::new())).1.push(edge);
        }
        let mut lines = Vec::new();
        for ((broker, protocol), topics) in brokers {
            let filter = format!("server == {} and proto == {protocol}", quoted(broker));
            let load = sum(topics.values().flat_map(|(_, edges)| edges).map(|edge| &edge.load));
            lines.push(Line { what: What::Broker { name: Arc::clone(broker), protocol }, load, filter: filter.clone() });
            for ((_, topic), (dir, edges)) in topics {
                let filter = format!("{filter} and via == {} and direction == {}", quoted(topic), dir.word());
                let load = sum(edges.iter().map(|edge| &edge.load));
                lines.push(Line { what: What::Topic { name: Arc::clone(topic), dir }, load, filter: filter.clone() });
                for edge in edges {
                    let (_, party) = ends(edge);
                    let filter = format!("{} and {filter}", client_is(party));
                    lines.push(Line { what: What::Party { name: Arc::clone(party), dir }, load: edge.load.clone(), filter });
                }
            }
        }
        self.lines = lines;
        self.cursor.fit(self.lines.len(), self.cursor.height());
        let found = self.selected.as_ref().and_then(|filter| self.lines.iter().position(|line| line.filter == *filter));
        self.cursor.to(found.unwrap_or(self.cursor.at));
    }
}

/// The broker of an edge, and the service at its other end.
fn ends(edge: &Edge) -> (&Arc<str>, &Arc<str>) {
    match edge.dir {
        Dir::ToServer => (&edge.to, &edge.from),
        Dir::ToClient => (&edge.from, &edge.to),
    }
}

fn sum<'l>(loads: impl Iterator<Item = &'l Load>) -> Load {
    let none = Load { count: 0, errors: 0, bytes: 0, p50: None, p95: None, p99: None, rate: 0.0, recent: [0; RECENT] };
    loads.fold(none, |mut sum, load| {
        sum.count += load.count;
        sum.errors += load.errors;
        sum.bytes += load.bytes;
        sum.rate += load.rate;
        sum.recent.iter_mut().zip(load.recent).for_each(|(sum, n)| *sum = sum.saturating_add(n));
        sum
    })
}

impl Panel for Brokers {
    fn context(&self) -> Context {
        Context::Brokers
    }

    fn cursor(&mut self) -> Option<&mut Cursor> {
        Some(&mut self.cursor)
    }

    fn moved(&mut self, _: isize) {
        self.selected = self.lines.get(self.cursor.at).map(|line| line.filter.clone());
    }

    fn choose(&mut self) -> Option<Wish> {
        self.lines.get(self.cursor.at).map(|line| Wish::Narrow(line.filter.clone()))
    }

    fn fixed(&self) -> u16 {
        1
    }

    fn act(&mut self, action: Action) -> Option<Wish> {
        if action == Action::NarrowTopic { self.choose() } else { None }
    }

    fn lay_out(&mut self, _: &Keymap, view: Option<&View>, area: Rect) {
        self.cursor.fit(self.lines.len(), self.page(area));
        if let Some(table) = view.and_then(|view| view.services.as_ref()).filter(|table| !Arc::ptr_eq(table, &self.table)) {
            self.table = Arc::clone(table);
            self.arrange();
        }
    }

    fn draw(&self, app: &App, theme: &Theme, buffer: &mut Buffer, area: Rect) {
        draw::draw(self, app, theme, buffer, area);
    }
}
