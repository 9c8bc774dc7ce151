//! One trace drawn out in time: a line a flow, indented by who caused whom. Opening a flow is the application's.

mod draw;

use super::{Panel, Wish};
use crate::engine::view::{self, About, Candidate, HopLine, View};
use crate::model::{FlowId, TraceNo};
use crate::time::Time;
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::keymap::{Context, Keymap};
use crate::tui::theme::Theme;
use crate::tui::widget::cursor::Cursor;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::sync::Arc;

/// How often the window of time can be halved: a thousandth of the trace is far narrower than a cell.
const MAX_ZOOM: u32 = 10;

/// The trace, and the place in it.
#[derive(Clone, Debug, Default)]
pub struct Waterfall {
    /// Which trace is wanted.
    no: TraceNo,
    shown: Option<Arc<view::Waterfall>>,
    lines: Vec<Line>,
    cursor: Cursor,
    /// The selected flow: it stays selected wherever it goes.
    selected: Option<FlowId>,
    /// How often the window of time was halved around the selected flow.
    zoom: u32,
}

/// A line of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// A message waited in a queue before this hop.
    Queue(usize),
    Hop(usize),
}

impl Waterfall {
    /// Turns to a trace, with the cursor on one of its flows, or on its first.
    pub fn turn_to(&mut self, no: TraceNo, flow: Option<FlowId>) {
        if self.no != no || flow.is_none() {
            *self = Self { no, selected: flow, ..Self::default() };
        } else {
            (self.selected, self.zoom) = (flow, 0);
            self.arrange();
        }
    }

    /// What may have caused the selected flow.
    pub fn candidates(&self) -> Option<&[Candidate]> {
        self.hop(self.cursor.at).map(|hop| hop.maybe.as_slice())
    }

    /// Which trace is wanted.
    pub fn no(&self) -> TraceNo {
        self.no
    }

    fn hop(&self, at: usize) -> Option<&HopLine> {
        let (Line::Hop(hop) | Line::Queue(hop)) = *self.lines.get(at)?;
        self.shown.as_ref()?.hops.get(hop)
    }

    fn arrange(&mut self) {
        let hops = self.shown.as_ref().map(|shown| shown.hops.as_slice()).unwrap_or_default();
        let lines = |(at, hop): (usize, &HopLine)| [hop.queued.map(|_| Line::Queue(at)), Some(Line::Hop(at))];
        self.lines = hops.iter().enumerate().flat_map(lines).flatten().collect();
        // one that is in doubt stands in several places: where it was selected, else where it belongs
        let is = |line: &Line| matches!(line, Line::Hop(hop) if hops.get(*hop).map(|hop| hop.node.flow) == self.selected);
        let own = |line: &Line| is(line) && matches!(line, Line::Hop(hop) if hops.get(*hop).is_some_and(|hop| !hop.guest));
        let here = self.lines.get(self.cursor.at).filter(|line| is(line)).map(|_| self.cursor.at);
        let place = |of: &dyn Fn(&Line) -> bool| self.lines.iter().position(of);
        let at = here.or_else(|| place(&own)).or_else(|| place(&is));
        self.cursor.fit(self.lines.len(), self.cursor.height());
        self.cursor.to(at.unwrap_or(self.cursor.at));
        self.moved(1);
    }

    /// The part of time that is drawn.
    fn window(&self) -> (Time, Time) {
        let Some(shown) = &self.shown else { return (Time::default(), Time::default()) };
        let (begin, whole) = (shown.line.time.nanos(), i64::try_from(shown.line.duration.nanos()).unwrap_or(i64::MAX).max(1));
        let width = (whole >> self.zoom).max(1);
        let from = self.hop(self.cursor.at).filter(|_| self.zoom > 0).map_or(begin, |hop| hop.time.nanos() - width / 4);
        let from = from.min(begin + whole - width).max(begin);
        (Time::from_nanos(from), Time::from_nanos(from + width))
    }
}

impl Panel for Waterfall {
    fn context(&self) -> Context {
        Context::Trace
    }

    fn cursor(&mut self) -> Option<&mut Cursor> {
        Some(&mut self.cursor)
    }

    fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Keeps the cursor on a flow: a wait in a queue is passed over, upwards where `by` is negative and there is one.
    fn moved(&mut self, by: isize) {
        if matches!(self.lines.get(self.cursor.at), Some(Line::Queue(_))) {
            self.cursor.go(if self.cursor.at == 0 { 1 } else { by.signum() });
        }
        self.selected = self.hop(self.cursor.at).map(|hop| hop.node.flow);
    }

    fn about(&self) -> Option<About> {
        self.hop(self.cursor.at).map(|hop| About::Flow(hop.node.flow))
    }

    fn choose(&mut self) -> Option<Wish> {
        let hop = self.hop(self.cursor.at)?;
        Some(match &hop.flow {
            // one that carries no ID is in its trace by other ties, which no filter finds
            Some(flow) => Wish::Flow(hop.node.flow, flow.row.trace_id.as_deref().map(super::trace_is)),
            None => Wish::Tell("this flow was evicted: only its place in the trace is left"),
        })
    }

    fn lines(&self, area: Rect) -> Rect {
        draw::picture(area)
    }

    fn act(&mut self, action: Action) -> Option<Wish> {
        match action {
            Action::OpenHop => return self.choose(),
            Action::Cause => match self.shown.as_ref().and_then(|shown| shown.why.cause) {
                Some(flow) => {
                    self.selected = Some(flow);
                    self.arrange();
                }
                None => return Some(Wish::Tell("nothing in this trace failed")),
            },
            Action::ZoomIn => self.zoom = (self.zoom + 1).min(MAX_ZOOM),
            Action::ZoomOut => self.zoom = self.zoom.saturating_sub(1),
            Action::ZoomAll => self.zoom = 0,
            _ => {}
        }
        None
    }

    fn lay_out(&mut self, _: &Keymap, view: Option<&View>, area: Rect) {
        self.cursor.fit(self.lines.len(), self.page(area));
        // where it has made room since, it stays as it was last seen
        let shown = view.and_then(|view| view.trace.as_ref()).filter(|shown| shown.line.no == self.no);
        if let Some(shown) = shown.filter(|shown| !self.shown.as_ref().is_some_and(|old| Arc::ptr_eq(old, shown))) {
            self.shown = Some(Arc::clone(shown));
            self.arrange();
        }
    }

    fn draw(&self, app: &App, theme: &Theme, buffer: &mut Buffer, area: Rect) {
        draw::draw(self, app, theme, buffer, area);
    }
}
