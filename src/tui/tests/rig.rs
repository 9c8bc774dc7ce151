//! A scripted engine and a terminal in memory.

use super::mesh;
use super::sample::{detail, messages, row};
use crate::engine::edges::Edges;
use crate::engine::view::{
    About, Candidate, DetailView, Example, FindingLine, Findings, Query, RowView, Services, Shown, SourceStatus, Spot, Status,
    View, Window,
};
use crate::filter::{Filter, FilterError};
use crate::model::{Attachment, Flow, FlowId};
use crate::time::{Span, Time};
use crate::tui::app::{App, Options};
use crate::tui::effect::Effect;
use crate::tui::event::Event;
use crate::tui::grammar::{Completion, Grammar, Values};
use crate::tui::keymap::{Key, Keymap};
use crate::tui::port::Command;
use crate::tui::theme::Palette;
use crate::tui::view::draw;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Modifier, Style};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

/// An engine that does what it is told: flows are put in, views come out.
#[derive(Default)]
pub struct Engine {
    pub flows: Vec<RowView>,
    /// Flows that were ever put in.
    pub seen: u64,
    pub status: Status,
    pub searched: Option<u8>,
    pub unseen: u64,
    /// Whether no flow is over yet.
    pub unsettled: bool,
    /// With a filter, which flows match.
    pub matches: Option<fn(&Flow) -> bool>,
    pub query: Option<Query>,
    /// How many messages the open flow has.
    pub messages: u64,
    /// How many of them are not kept, the oldest.
    pub dropped: usize,
    /// Whether the open flow is one without a schema.
    pub unknown: bool,
    /// The taps, each with what its broker is called.
    pub taps: Vec<(Arc<str>, Arc<Attachment>)>,
    /// What was found, in the order of the list.
    pub findings: Vec<FindingLine>,
    /// The last flows of what shows the chosen one; none: its proof is all.
    pub examples: Vec<FlowId>,
    /// What may have caused the open flow.
    pub candidates: Vec<Candidate>,
    /// Whether traces have a flow of which nothing is claimed.
    pub doubt: bool,
}

impl Engine {
    pub fn view(&self) -> View {
        let query = self.query.clone().expect("a query");
        let matches = |r: &&RowView| query.filter.is_none() || self.matches.is_none_or(|m| m(&r.flow));
        let list: Vec<_> = self.flows.iter().filter(matches).collect();
        let latest = list.len().saturating_sub(query.height);
        let start = match query.window {
            Window::Follow => latest,
            Window::Top => 0,
            Window::From(id) => list.partition_point(|r| r.flow.row.id < id).min(latest),
        };
        let end = (start + query.height).min(list.len());
        let (from, to) = (start.saturating_sub(query.height), (end + query.height).min(list.len()));
        let found = |id| self.flows.iter().find(|r| r.flow.row.id == id);
        View {
            generation: query.generation,
            rows: list[from..to].iter().map(|r| (*r).clone()).collect(),
            top: start - from,
            before: from as u64,
            matching: list.len() as u64,
            total: self.flows.len() as u64,
            newer: (list.len() - end) as u64,
            searched_percent: self.searched,
            unseen: self.unseen,
            detail: query.inspect.and_then(found).map(|r| {
                Arc::new(DetailView {
                    unknown: self.unknown,
                    candidates: self.candidates.clone(),
                    messages: messages(self.messages).split_off(self.dropped),
                    ..detail(&r.flow)
                })
            }),
            services: (query.shown == Shown::Services).then(|| Arc::new(self.services())),
            traces: (query.shown == Shown::Traces).then(|| Arc::new(mesh::traces(&self.flows))),
            trace: match query.shown {
                Shown::Trace(no) => {
                    mesh::waterfall(&self.flows, no).map(|trace| Arc::new(if self.doubt { mesh::doubted(trace) } else { trace }))
                }
                Shown::Flows | Shown::Traces | Shown::Services | Shown::Findings { .. } => None,
            },
            findings: match query.shown {
                Shown::Findings { about, chosen } => Some(Arc::new(self.findings(&about, chosen))),
                Shown::Flows | Shown::Traces | Shown::Services | Shown::Trace(_) => None,
            },
            status: Status { found: mesh::found(&self.findings), flows: self.status.flows.max(self.seen), ..self.status.clone() },
            serial: 0,
        }
    }

    fn findings(&self, about: &About, chosen: Option<u64>) -> Findings {
        let is = |line: &&FindingLine| match about {
            About::All => true,
            About::Service(name) => line.service.as_ref() == Some(name),
            About::Flow(flow) => line.proof.is_some_and(|spot| matches!(spot, Spot::Hop(_, of) | Spot::Flow(of) if of == *flow)),
        };
        let list: Vec<_> = self.findings.iter().filter(is).cloned().collect();
        let chosen = chosen.or_else(|| list.first().map(|line| line.id));
        let (sought, total) = (vec!["services that lose a trace"], self.findings.len() as u64);
        let proof = list.iter().find(|line| Some(line.id) == chosen).and_then(|line| line.proof);
        let known = self.examples.iter().filter_map(|flow| self.example(*flow)).collect::<Vec<_>>();
        let alone = proof.map(|spot| Example { spot, flows: Vec::new() });
        let examples = if known.is_empty() { alone.into_iter().collect() } else { known };
        Findings { about: about.clone(), list, sought, total, chosen, examples }
    }

    /// A flow and the one before it.
    fn example(&self, flow: FlowId) -> Option<Example> {
        let at = self.flows.iter().position(|row| row.flow.row.id == flow)?;
        let (no, _) = self.flows[at].trace?;
        Some(Example { spot: Spot::Hop(no, flow), flows: self.flows[at - 1..=at].iter().map(|row| row.flow.clone()).collect() })
    }

    fn services(&self) -> Services {
        let mut edges = Edges::default();
        self.flows.iter().filter(|_| !self.unsettled).for_each(|row| edges.add(row.flow.as_ref()));
        let at = self.flows.last().map_or(Time::default(), |row| row.flow.row.time);
        Services { at, list: edges.table(at), taps: self.taps.clone(), found: mesh::found_at(&self.findings) }
    }
}

/// The application between a scripted engine and a terminal in memory.
pub struct Rig {
    pub app: App,
    pub engine: Engine,
    pub effects: Vec<Effect>,
    next: u64,
}

impl Rig {
    /// A screen that follows a live capture.
    pub fn new(width: u16, height: u16) -> Self {
        Self::with(width, height, |_| {})
    }

    /// The same, set up otherwise.
    pub fn with(width: u16, height: u16, set: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options {
            palette: Palette::Dark,
            keymap: Keymap::default(),
            mouse: true,
            follow: true,
            slow: Span::from_secs(1),
            filter: None,
            grammar: grammar(),
        };
        set(&mut options);
        let source = |name: &str| SourceStatus { name: name.into(), closed: None, packets: 600_000, tap: None };
        let status = Status {
            packets: 1_200_000,
            bytes: 3 << 29,
            connections: 4_100,
            rate: 412,
            memory: 61 << 20,
            memory_limit: 256 << 20,
            sources: vec![source("lo"), source("br-3f2a")],
            ..Status::default()
        };
        let engine = Engine { status, ..Engine::default() };
        let mut rig = Self { app: App::new(options, (width, height)), engine, effects: Vec::new(), next: 1 };
        let effects = rig.app.start();
        rig.take(effects);
        rig
    }

    /// `n` flows arrive, each another one of a small mesh, and the screen is told.
    pub fn arrive(&mut self, n: u64) {
        self.push(n);
        self.show();
    }

    /// `n` flows arrive.
    pub fn push(&mut self, n: u64) {
        for _ in 0..n {
            self.engine.flows.push(row(self.next));
            self.engine.seen = self.next;
            self.next += 1;
        }
    }

    /// The engine shows what it has, until the screen wants nothing else.
    pub fn show(&mut self) {
        loop {
            let asked = self.engine.query.as_ref().map(|q| q.generation);
            let view = self.engine.view();
            let effects = self.app.update(Event::View(Arc::new(view)));
            self.take(effects);
            if self.engine.query.as_ref().map(|q| q.generation) == asked {
                return;
            }
        }
    }

    /// Presses keys, named as in the configuration, one after the other; the engine answers each.
    pub fn press(&mut self, keys: &str) {
        for key in keys.split(' ') {
            self.press_only(key);
            self.show();
        }
    }

    /// Presses a key while the engine is busy.
    pub fn press_only(&mut self, key: &str) {
        let effects = self.app.update(Event::Key(event(key)));
        self.take(effects);
    }

    /// Types a text, a key a character.
    pub fn write(&mut self, text: &str) {
        for c in text.chars() {
            let effects = self.app.update(Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)));
            self.take(effects);
        }
        self.show();
    }

    pub fn update(&mut self, event: Event) {
        let effects = self.app.update(event);
        self.take(effects);
        self.show();
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send(Command::Query(query)) => self.engine.query = Some(query),
                Effect::Send(Command::Clear) => self.engine.flows.clear(),
                other => self.effects.push(other),
            }
        }
    }

    /// The flow that the cursor is on.
    pub fn selected(&self) -> u64 {
        let view = self.app.view.as_deref().expect("a view");
        let height = self.app.layout().expect("a layout").rows();
        let at = self.app.list.cursor(view, height).expect("a cursor");
        view.rows[at].flow.row.id.0
    }

    /// The flows on the screen.
    pub fn listed(&self) -> Vec<u64> {
        let view = self.app.view.as_deref().expect("a view");
        let height = self.app.layout().expect("a layout").rows();
        view.rows[self.app.list.visible(view, height)].iter().map(|r| r.flow.row.id.0).collect()
    }

    fn buffer(&self) -> Buffer {
        let (width, height) = self.app.size;
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(&self.app, frame)).unwrap();
        terminal.backend().buffer().clone()
    }

    /// What is on the screen.
    pub fn screen(&self) -> String {
        lines(&self.buffer(), |buffer, x, y| buffer[(x, y)].symbol().to_owned())
    }

    /// What is on the screen, and below it how each cell looks: a letter a style, with what it stands for.
    pub fn styled(&self) -> String {
        let buffer = self.buffer();
        let mut styles: Vec<Style> = Vec::new();
        let looks = lines(&buffer, |buffer, x, y| {
            let cell = &buffer[(x, y)];
            let style = Style::new().fg(cell.fg).bg(cell.bg).add_modifier(cell.modifier);
            if cell.symbol() == " " && !cell.modifier.contains(Modifier::UNDERLINED) {
                return " ".to_owned();
            }
            let at = styles.iter().position(|s| *s == style).unwrap_or_else(|| {
                styles.push(style);
                styles.len() - 1
            });
            char::from(b'a' + u8::try_from(at).unwrap()).to_string()
        });
        let mut out = format!("{}\n{looks}\n", self.screen());
        for (letter, style) in ('a'..).zip(&styles) {
            let _ = writeln!(out, "{letter}: {:?} on {:?} {:?}", style.fg.unwrap(), style.bg.unwrap(), style.add_modifier);
        }
        out
    }

    /// Compares the screen with its file under `tests/snapshots/tui`; `UPDATE_EXPECT=1` rewrites the file.
    pub fn golden(&self, name: &str) {
        golden(name, &self.screen());
    }
}

/// Compares a text with its file; `UPDATE_EXPECT=1` rewrites the file.
pub fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/tui").join(name);
    if std::env::var_os("UPDATE_EXPECT").is_some_and(|v| v == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        return;
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}; UPDATE_EXPECT=1 writes it"));
    assert!(wanted == text, "{name} differs (UPDATE_EXPECT=1 rewrites it)\n--- wanted\n{wanted}\n--- found\n{text}");
}

fn lines(buffer: &Buffer, mut cell: impl FnMut(&Buffer, u16, u16) -> String) -> String {
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut skip = 0;
        for x in 0..buffer.area.width {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            skip = unicode_width::UnicodeWidthStr::width(buffer[(x, y)].symbol()).saturating_sub(1);
            line.push_str(&cell(buffer, x, y));
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

/// The key event of a name.
pub fn event(name: &str) -> KeyEvent {
    let codes = [
        ("enter", KeyCode::Enter),
        ("esc", KeyCode::Esc),
        ("tab", KeyCode::Tab),
        ("backtab", KeyCode::BackTab),
        ("up", KeyCode::Up),
        ("down", KeyCode::Down),
        ("left", KeyCode::Left),
        ("right", KeyCode::Right),
        ("home", KeyCode::Home),
        ("end", KeyCode::End),
        ("pageup", KeyCode::PageUp),
        ("pagedown", KeyCode::PageDown),
        ("backspace", KeyCode::Backspace),
        ("space", KeyCode::Char(' ')),
    ];
    let (name, modifiers) = match name.strip_prefix("ctrl-") {
        Some(rest) => (rest, KeyModifiers::CONTROL),
        None => (name, KeyModifiers::NONE),
    };
    let named = codes.iter().find(|(n, _)| *n == name).map(|(_, code)| *code);
    let event = KeyEvent::new(named.unwrap_or_else(|| KeyCode::Char(name.chars().next().unwrap())), modifiers);
    assert!(Key::parse(name).is_some(), "{name}");
    event
}

/// A language of which only this is known: what ends with `=` lacks a value, everything else is a filter.
fn grammar() -> Grammar {
    let parse = |text: &str| {
        if text.trim_end().ends_with('=') {
            return Err(FilterError { at: text.chars().count(), message: "expected a value, found the end".into() });
        }
        Filter::parse("proto == http")
    };
    let complete = |text: &str, cursor: usize, values: &Values| {
        let from = text[..cursor].rfind(' ').map_or(0, |i| i + 1);
        let fields = values.iter().flat_map(|(name, values)| [name].into_iter().chain(values));
        Completion { from, words: fields.filter(|w| w.starts_with(&text[from..cursor])).cloned().collect() }
    };
    Grammar { parse: Box::new(parse), complete: Box::new(complete) }
}
