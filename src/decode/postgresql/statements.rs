//! What a session has prepared: statements by name, and portals, which are statements with parameters.

use super::{Place, parameters};
use crate::decode::cursor::Cursor;
use crate::decode::few::Few;
use crate::model::{PacketNo, Value, text_of};
use std::sync::Arc;

/// How many statements of a session are remembered, and portals.
const STATEMENTS: usize = 1024;
const PORTALS: usize = 64;
/// How many bytes of a name tell it from others (`NAMEDATALEN` less its NUL; src/include/pg_config_manual.h).
const NAME: usize = 63;
/// How many bytes they may take.
pub(super) const ROOM: usize = 1 << 20;
/// What a statement takes beside its name and its text: itself, its place, and what the text's owners share.
pub(super) const BESIDE: usize = size_of::<Statement>() + size_of::<(Box<[u8]>, Box<Statement>)>() + 2 * size_of::<usize>();

/// What is prepared.
#[derive(Debug, Default)]
pub(super) struct Statements {
    statements: Few<Box<[u8]>, Box<Statement>>,
    portals: Few<Box<[u8]>, Portal>,
    /// What names, texts and types take.
    texts: usize,
    /// Those of which it is not known whether their names still stand for them.
    lost: Few<Box<[u8]>, Box<Statement>>,
    /// Where there was no room for all: the packets and the names of those that were there then, the oldest last. Those that came since are
    /// newer, and some of these may be no more.
    oldest: Option<Box<Ages>>,
}

#[derive(Debug)]
struct Ages(Vec<(PacketNo, Box<[u8]>)>);

#[derive(Debug)]
struct Statement {
    text: Arc<str>,
    /// Of its parameters, as far as they were told.
    types: Box<[u32]>,
    /// Its Parse, whether the server has prepared it, as far as was seen, and whether it was asked to be run since.
    parsed: Place,
    answered: bool,
    used: bool,
}

#[derive(Clone, Debug, Default)]
struct Portal {
    statement: Box<[u8]>,
    /// What its name stood for when it was bound, where that was seen.
    text: Option<Arc<str>>,
    parameters: Vec<Value>,
}

/// What an Execute runs.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) statement: Box<[u8]>,
    /// Its text, where its Parse was seen.
    pub(super) text: Option<Arc<str>>,
    pub(super) parameters: Vec<Value>,
    /// Whether nothing of it was run before.
    pub(super) first: bool,
}

/// A statement that was to be prepared and was never run.
#[derive(Debug)]
pub(super) struct Unused {
    pub(super) text: Arc<str>,
    /// Its Parse.
    pub(super) place: Place,
    /// Whether the server has prepared it, as far as was seen.
    pub(super) answered: bool,
}

impl Statements {
    /// What they take in memory, in bytes, about.
    pub(super) fn cost(&self) -> usize {
        self.texts + (self.statements.len() + self.lost.len()) * BESIDE
    }

    /// A name stands for another statement from here on. The one that it stood for, and the oldest where all take more than `room` bytes,
    /// are told if they were never run; where there is no room for this one alone, it is none of them. Its text.
    pub(super) fn prepare(&mut self, name: &[u8], c: &mut Cursor<'_>, place: Place, room: usize) -> (Arc<str>, Vec<Unused>) {
        let mut unused: Vec<_> = self.forget(name).into_iter().collect();
        let (text, types): (Arc<str>, _) = (rest(c).into(), parameters::types(c).into());
        let statement = Statement { text: Arc::clone(&text), types, parsed: place, answered: false, used: false };
        let own = statement.texts(name);
        while self.statements.len() >= STATEMENTS || self.cost() + BESIDE + own > room {
            match self.oldest() {
                Some(oldest) => unused.extend(self.forget(&oldest)),
                None if self.lost.is_empty() => return (text, unused),
                None => self.find(false),
            }
        }
        self.texts += own;
        self.statements.insert(name.into(), Box::new(statement));
        (text, unused)
    }

    /// The name of the one that was prepared first. Where many have to go one after the other, all are looked at once.
    fn oldest(&mut self) -> Option<Box<[u8]>> {
        if self.statements.is_empty() {
            return None;
        }
        loop {
            while let Some((packet, name)) = self.oldest.as_mut().and_then(|ages| ages.0.pop()) {
                if self.statements.get(&name).is_some_and(|statement| statement.parsed.first.packet == packet) {
                    return Some(name);
                }
            }
            let mut ages: Vec<_> = self.statements.iter().map(|(name, one)| (one.parsed.first.packet, name.clone())).collect();
            ages.sort_unstable_by(|one, other| other.cmp(one));
            self.oldest = Some(Box::new(Ages(ages)));
        }
    }

    /// A Bind; says which statement it is of.
    pub(super) fn bind(&mut self, c: &mut Cursor<'_>) -> Box<[u8]> {
        let (portal, statement) = (name(c), name(c));
        if self.portals.len() < PORTALS || self.portals.get(&portal).is_some() {
            let known = self.statements.get(&statement);
            let types = known.map(|known| &*known.types).unwrap_or_default();
            let parameters = parameters::values(c, types).unwrap_or_default();
            let text = known.map(|known| known.text.clone());
            self.portals.insert(portal, Portal { statement: statement.clone(), text, parameters });
        }
        statement
    }

    /// The server has prepared a statement. Whether its name still stands for it.
    pub(super) fn answered(&mut self, name: &[u8], place: Place) -> bool {
        let known = self.statements.get_mut(name).filter(|statement| statement.parsed == place);
        known.map(|statement| statement.answered = true).is_some()
    }

    /// The server tells the types of a statement's parameters: of what the name stood for when it was asked.
    pub(super) fn described(&mut self, name: &[u8], text: Option<&Arc<str>>, payload: &[u8]) {
        let same = |known: &&mut Box<Statement>| text.is_some_and(|text| Arc::ptr_eq(text, &known.text));
        if let Some(statement) = self.statements.get_mut(name).filter(same) {
            self.texts -= size_of_val(&*statement.types);
            statement.types = parameters::types(&mut Cursor::new(payload)).into();
            self.texts += size_of_val(&*statement.types);
        }
    }

    /// Which statement a portal is of.
    pub(super) fn of_portal(&self, portal: &[u8]) -> Box<[u8]> {
        self.portals.get(portal).map(|portal| portal.statement.clone()).unwrap_or_default()
    }

    /// A portal is run.
    pub(super) fn run(&mut self, portal: &[u8]) -> Run {
        let Portal { statement, text, parameters } = self.portals.get(portal).cloned().unwrap_or_default();
        let same = |known: &&mut Box<Statement>| text.as_ref().is_some_and(|text| Arc::ptr_eq(text, &known.text));
        let first =
            self.statements.get_mut(&statement).filter(same).is_some_and(|known| !std::mem::replace(&mut known.used, true));
        Run { statement, text, parameters, first }
    }

    /// The text of a statement.
    pub(super) fn text(&self, name: &[u8]) -> Option<Arc<str>> {
        self.statements.get(name).map(|statement| statement.text.clone())
    }

    /// A statement is no more; it is told if it was never run.
    pub(super) fn forget(&mut self, name: &[u8]) -> Option<Unused> {
        self.texts -= self.lost.remove(name).map_or(0, |lost| lost.texts(name));
        let statement = self.statements.remove(name)?;
        self.texts -= statement.texts(name);
        statement.unused()
    }

    /// The same of that which this Parse prepared.
    pub(super) fn forget_at(&mut self, name: &[u8], place: Place) -> Option<Unused> {
        let own = self.statements.get(name).is_some_and(|statement| statement.parsed == place);
        if own { self.forget(name) } else { None }
    }

    /// What was asked may have gone by unseen: names may stand for other statements by now.
    pub(super) fn lose(&mut self) {
        self.portals.clear();
        if self.lost.len() + self.statements.len() > STATEMENTS {
            self.find(false);
        }
        for (name, statement) in std::mem::take(&mut self.statements) {
            self.lost.insert(name, statement);
        }
    }

    /// It is known, or never will be, whether names stand for what they did.
    pub(super) fn find(&mut self, same: bool) {
        // older ones than those that were looked at may be among them
        self.oldest = None;
        for (name, mut statement) in std::mem::take(&mut self.lost) {
            if same && self.statements.len() < STATEMENTS {
                // it may have been run unseen
                statement.used = true;
                self.statements.insert(name, statement);
            } else {
                self.texts -= statement.texts(&name);
            }
        }
    }

    /// Gives back the room for more.
    pub(super) fn rest(&mut self) {
        self.statements.rest();
        self.lost.rest();
        self.portals.rest();
    }

    /// A portal is no more.
    pub(super) fn close(&mut self, portal: &[u8]) {
        self.portals.remove(portal);
    }

    /// A transaction is over, and with it all portals.
    pub(super) fn close_all(&mut self) {
        self.portals.clear();
    }

    /// The session is over: those that were never run.
    pub(super) fn over(&mut self) -> Vec<Unused> {
        std::mem::take(self).statements.into_iter().filter_map(|(_, statement)| statement.unused()).collect()
    }
}

impl Statement {
    /// What its name, its text and its types take, in bytes.
    fn texts(&self, name: &[u8]) -> usize {
        name.len() + self.text.len() + size_of_val(&*self.types)
    }

    fn unused(self) -> Option<Unused> {
        let Self { text, parsed: place, answered, .. } = self;
        (!self.used).then_some(Unused { text, place, answered })
    }
}

/// A name, as bytes: as many of them as the server itself looks at.
pub(super) fn name(c: &mut Cursor<'_>) -> Box<[u8]> {
    let name = c.text().unwrap_or_default();
    name.get(..NAME).unwrap_or(name).into()
}

/// A text up to its NUL, or as far as it is read.
pub(super) fn rest(c: &mut Cursor<'_>) -> String {
    c.text().map_or_else(|| format!("{}{}", text_of(c.rest()), parameters::ELLIPSIS), |text| text_of(text).into_owned())
}
