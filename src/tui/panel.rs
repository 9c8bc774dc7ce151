//! Screens that have the main part to themselves, a file each: what the application asks of them. The flows, with their list and their
//! open flow, are the application's own.

pub mod brokers;
pub mod findings;
pub mod services;
pub mod sheet;
pub mod traces;
pub mod waterfall;

use super::action::Action;
use super::app::App;
use super::keymap::{Context, Keymap};
use super::theme::Theme;
use super::widget::cursor::Cursor;
use crate::engine::view::{About, Shown, Spot, View};
use crate::model::{FlowId, TraceNo};
use brokers::Brokers;
use findings::Findings;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use services::Services;
use sheet::Sheet;
use std::fmt::Debug;
use traces::Traces;
use waterfall::Waterfall;

/// What has the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// The list of flows, and the open one.
    Flows,
    /// The traces.
    Traces,
    /// One trace.
    Trace,
    /// Who talks to whom.
    Services,
    /// What lies between them.
    Brokers,
    /// What is wrong.
    Findings,
    /// Every counter.
    Stats,
}

impl Screen {
    /// All that have a tab, from left to right, with their titles.
    pub const TABS: [(Self, &str); 6] = [
        (Self::Flows, "1 Flows"),
        (Self::Traces, "2 Traces"),
        (Self::Services, "3 Services"),
        (Self::Brokers, "4 Brokers"),
        (Self::Findings, "5 Findings"),
        (Self::Stats, "6 Stats"),
    ];

    /// The screen whose tab it belongs to.
    pub fn tab(self) -> Self {
        match self {
            Self::Trace => Self::Traces,
            Self::Flows | Self::Traces | Self::Services | Self::Brokers | Self::Findings | Self::Stats => self,
        }
    }
}

/// All panels; each keeps its place while others are in front.
#[derive(Clone, Debug)]
pub struct Panels {
    /// The help, over whatever else is there.
    pub help: Option<Sheet>,
    /// One trace.
    pub waterfall: Waterfall,
    /// What is wrong.
    pub findings: Findings,
    traces: Traces,
    services: Services,
    brokers: Brokers,
    stats: Sheet,
}

impl Default for Panels {
    fn default() -> Self {
        Self {
            help: None,
            waterfall: Waterfall::default(),
            findings: Findings::default(),
            traces: Traces::default(),
            services: Services::default(),
            brokers: Brokers::default(),
            stats: Sheet::stats(),
        }
    }
}

impl Panels {
    /// The one in front; none where the flows are.
    pub fn front(&self, screen: Screen) -> Option<&dyn Panel> {
        match (&self.help, screen) {
            (Some(help), _) => Some(help),
            (None, Screen::Flows) => None,
            (None, Screen::Traces) => Some(&self.traces),
            (None, Screen::Trace) => Some(&self.waterfall),
            (None, Screen::Services) => Some(&self.services),
            (None, Screen::Brokers) => Some(&self.brokers),
            (None, Screen::Findings) => Some(&self.findings),
            (None, Screen::Stats) => Some(&self.stats),
        }
    }

    /// The same, to change it.
    pub fn front_mut(&mut self, screen: Screen) -> Option<&mut dyn Panel> {
        match (&mut self.help, screen) {
            (Some(help), _) => Some(help),
            (None, Screen::Flows) => None,
            (None, Screen::Traces) => Some(&mut self.traces),
            (None, Screen::Trace) => Some(&mut self.waterfall),
            (None, Screen::Services) => Some(&mut self.services),
            (None, Screen::Brokers) => Some(&mut self.brokers),
            (None, Screen::Findings) => Some(&mut self.findings),
            (None, Screen::Stats) => Some(&mut self.stats),
        }
    }

    /// What the engine is asked for a screen.
    pub fn shown(&self, screen: Screen) -> Shown {
        match screen {
            Screen::Traces => Shown::Traces,
            Screen::Trace => Shown::Trace(self.waterfall.no()),
            Screen::Services | Screen::Brokers => Shown::Services,
            Screen::Findings => self.findings.wanted(),
            Screen::Flows | Screen::Stats => Shown::Flows,
        }
    }

    /// Opens the help, or closes it.
    pub fn turn_help(&mut self) {
        self.help = if self.help.is_some() { None } else { Some(Sheet::help()) };
    }
}

/// A screen with its state. Its keys are a context of the one table.
pub trait Panel: Debug {
    /// What keys mean while it is in front.
    fn context(&self) -> Context {
        Context::Anywhere
    }

    /// The place in its list, where it is one.
    fn cursor(&mut self) -> Option<&mut Cursor> {
        None
    }

    /// Somebody has moved the cursor, down (up where negative).
    fn moved(&mut self, _by: isize) {}

    /// What the selected line is, to be asked what is wrong with it.
    fn about(&self) -> Option<About> {
        None
    }

    /// Whether there is nothing in it, and it says why.
    fn is_empty(&self) -> bool {
        false
    }

    /// The selected line was chosen.
    fn choose(&mut self) -> Option<Wish> {
        None
    }

    /// Down (up where negative).
    fn go(&mut self, by: isize) {
        self.cursor().into_iter().for_each(|cursor| cursor.go(by));
        self.moved(by);
    }

    /// To the start or the end.
    fn ends(&mut self, start: bool) {
        self.cursor().into_iter().for_each(|cursor| cursor.ends(start));
        self.moved(1);
    }

    /// How many of its lines do not move: headings and the like.
    fn fixed(&self) -> u16 {
        0
    }

    /// Where its other lines are.
    fn lines(&self, area: Rect) -> Rect {
        let fixed = self.fixed().min(area.height);
        Rect { y: area.y + fixed, height: area.height - fixed, ..area }
    }

    /// How many lines a page is.
    fn page(&self, area: Rect) -> usize {
        usize::from(self.lines(area).height)
    }

    /// One of its own keys.
    fn act(&mut self, _: Action) -> Option<Wish> {
        None
    }

    /// A click on one of these, counted from 0: it selects, and chooses what is selected.
    fn click(&mut self, line: usize) -> Option<Wish> {
        let cursor = self.cursor()?;
        let at = cursor.line(line)?;
        if at == cursor.at {
            return self.choose();
        }
        cursor.to(at);
        self.moved(1);
        None
    }

    /// Something has changed: takes what the engine shows now, and keeps what is scrolled inside what there is.
    fn lay_out(&mut self, keymap: &Keymap, view: Option<&View>, area: Rect);

    /// Draws it.
    fn draw(&self, app: &App, theme: &Theme, buffer: &mut Buffer, area: Rect);
}

/// What a screen wants of the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Show the flows that match this filter, until somebody goes back.
    Narrow(String),
    /// The same, or all flows, and open this flow of them.
    Flow(FlowId, Option<String>),
    /// Show this trace.
    Trace(TraceNo),
    /// Go from one of these places to the next, the first first; what they are.
    Spots(&'static str, Vec<Spot>),
    /// Tell this.
    Tell(&'static str),
}

/// The filter that shows the flows of a trace.
fn trace_is(key: &str) -> String {
    format!("trace == {}", services::quoted(key))
}
