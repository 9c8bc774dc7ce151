//! The messages of an open flow: which is chosen, which part of the list is on the screen, and what is read of them. Drawing the list is
//! `view::messages`'s.

use super::search::{self, Wish};
use crate::engine::view::{DetailView, MessageView};
use crate::text::{Line, Token};
use ratatui::layout::Rect;

/// Which message is chosen; it stays that one while others arrive, and when it is dropped for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chosen {
    /// The first, until it is known which that is.
    #[default]
    First,
    /// The newest, whichever it is.
    Newest,
    /// The one of this side and number.
    One(bool, u64),
}

/// The place among the messages.
#[derive(Debug, Default)]
pub struct Messages {
    /// The chosen one.
    pub chosen: Chosen,
    /// What the chosen one says, for when the list has it no more.
    held: Option<MessageView>,
    /// Whether it alone is read, on all of the pane.
    pub reading: bool,
    /// How many messages are above the screen.
    pub top: usize,
}

/// The pane of a flow with messages: list with its headings, rule, and text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts {
    /// The list with its headings; without cells where a message is read.
    pub list: Rect,
    /// The line below it.
    pub rule: Rect,
    /// The text.
    pub text: Rect,
}

impl Parts {
    /// Of a pane with so many messages: two fifths are the list's, if it needs as much.
    pub fn of(area: Rect, messages: usize) -> Self {
        let wanted = u16::try_from(messages + 1).unwrap_or(u16::MAX);
        let height = wanted.min((area.height * 2 / 5).max(3)).min(area.height);
        let rule = u16::from(area.height > height);
        let below = height + rule;
        Self {
            list: Rect { height, ..area },
            rule: Rect { y: area.y + height, height: rule, ..area },
            text: Rect { y: area.y + below, height: area.height.saturating_sub(below), ..area },
        }
    }

    /// How many messages the list shows.
    pub fn rows(&self) -> usize {
        usize::from(self.list.height.saturating_sub(1))
    }
}

impl Messages {
    /// The place of the chosen one in the list; none where it is kept no longer.
    pub fn at(&self, list: &[MessageView]) -> Option<usize> {
        match self.chosen {
            Chosen::First => (!list.is_empty()).then_some(0),
            Chosen::Newest => list.len().checked_sub(1),
            Chosen::One(request, number) => list.iter().position(|m| (m.request, m.number) == (request, number)),
        }
    }

    /// The chosen one, also where the list has it no more.
    pub fn message<'m>(&'m self, list: &'m [MessageView]) -> Option<&'m MessageView> {
        self.at(list).map_or(self.held.as_ref(), |at| list.get(at))
    }

    /// Chooses the one at this place.
    pub fn choose(&mut self, at: usize, list: &[MessageView]) {
        if let Some(message) = list.get(at.min(list.len().saturating_sub(1))) {
            self.chosen = Chosen::One(message.request, message.number);
        }
    }

    /// Chooses one that is so many below; from one that is kept no longer, the oldest that is.
    pub fn step(&mut self, by: isize, list: &[MessageView]) {
        match self.at(list) {
            Some(at) => self.choose(at.saturating_add_signed(by), list),
            None if by != 0 => self.choose(0, list),
            None => {}
        }
    }

    /// Keeps the chosen one among the `rows` on the screen, and what it says in mind.
    pub fn settle(&mut self, list: &[MessageView], rows: usize) {
        if self.chosen == Chosen::First {
            self.choose(0, list);
        }
        self.held = self.message(list).cloned();
        let at = self.at(list).unwrap_or(0);
        self.top = self.top.min(list.len().saturating_sub(rows)).min(at).max((at + 1).saturating_sub(rows));
    }

    /// Goes to a message that has what is looked for. Which of how many that is; none where none has it.
    pub fn find(&mut self, list: &[MessageView], needle: &str, wish: Wish) -> Option<(usize, usize)> {
        let has = |m: &MessageView| m.said.body.iter().any(|line| search::has(line, needle));
        let places: Vec<usize> = list.iter().enumerate().filter(|(_, m)| has(m)).map(|(at, _)| at).collect();
        let to = search::lead(&places, self.at(list).unwrap_or(0), wish)?;
        self.choose(to, list);
        Some((places.iter().position(|place| *place == to)? + 1, places.len()))
    }

    /// What is read: the chosen one, and where it is not read alone, those after it as far as there are `rows` for them.
    pub fn lines(&self, detail: &DetailView, hex: bool, rows: usize) -> Vec<Line> {
        let at = self.at(&detail.messages);
        let mut lines = Vec::new();
        for message in
            self.message(&detail.messages).into_iter().chain(at.iter().flat_map(|at| detail.messages.iter().skip(at + 1)))
        {
            lines.push(heading(message, at.is_some()));
            let body = if hex { &message.said.hex } else { &message.said.body };
            lines.extend(body.iter().cloned());
            if self.reading || hex || lines.len() >= rows {
                break;
            }
        }
        lines
    }
}

/// How many messages came before those of the list, and are not kept.
pub fn older(list: &[MessageView]) -> u64 {
    let first = |request| list.iter().find(|m| m.request == request).map_or(0, |m| m.number.saturating_sub(1));
    first(true) + first(false)
}

/// `→ request 2   protobuf · 7 B · shop.v1.Order from shop.proto`.
fn heading(message: &MessageView, kept: bool) -> Line {
    let side = if message.request { "→ request" } else { "← response" };
    let name = format!("{side} {}", message.number);
    let gone = if kept { "" } else { "no longer kept · " };
    Line { indent: 0, spans: vec![(Token::Word, name), (Token::Dim, format!("  {gone}{}", message.said.caption))] }
}
