//! What a session has prepared: statements by name, and portals, which are statements with parameters.

use super::{Place, parameters};
use crate::decode::cursor::Cursor;
use crate::model::{Value, text_of};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many statements of a session are remembered, and portals.
const STATEMENTS: usize = 1024;
const PORTALS: usize = 64;
/// How many bytes of their texts.
const TEXTS: usize = 1 << 20;

/// What is prepared.
#[derive(Debug, Default)]
pub(super) struct Statements {
    statements: BTreeMap<Box<[u8]>, Statement>,
    portals: BTreeMap<Box<[u8]>, Portal>,
    texts: usize,
}

#[derive(Debug)]
struct Statement {
    text: Arc<str>,
    /// Of its parameters, as far as they were told.
    types: Vec<u32>,
    /// Its Parse, while nothing of it was run.
    unused: Option<Place>,
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

/// A statement that was prepared and never run: its text and its Parse.
pub(super) type Unused = (Arc<str>, Place);

impl Statements {
    /// A name stands for another statement from here on. The one that it stood for is told if it was never run.
    pub(super) fn prepare(&mut self, name: Box<[u8]>, c: &mut Cursor<'_>, place: Place) -> Option<Unused> {
        let unused = self.forget(&name);
        let (text, types) = (rest(c), parameters::types(c));
        while self.statements.len() >= STATEMENTS || self.texts + text.len() > TEXTS {
            let Some((_, other)) = self.statements.pop_first() else { break };
            self.texts -= other.text.len();
        }
        self.texts += text.len();
        self.statements.insert(name, Statement { text: text.into(), types, unused: Some(place) });
        unused
    }

    /// A Bind; says which statement it is of.
    pub(super) fn bind(&mut self, c: &mut Cursor<'_>) -> Box<[u8]> {
        let (portal, statement) = (name(c), name(c));
        if self.portals.len() < PORTALS || self.portals.contains_key(&portal) {
            let known = self.statements.get(&statement);
            let types = known.map(|known| known.types.as_slice()).unwrap_or_default();
            let parameters = parameters::values(c, types).unwrap_or_default();
            let text = known.map(|known| known.text.clone());
            self.portals.insert(portal, Portal { statement: statement.clone(), text, parameters });
        }
        statement
    }

    /// The server tells the types of a statement's parameters.
    pub(super) fn described(&mut self, name: &[u8], payload: &[u8]) {
        if let Some(statement) = self.statements.get_mut(name) {
            statement.types = parameters::types(&mut Cursor::new(payload));
        }
    }

    /// Which statement a portal is of.
    pub(super) fn of_portal(&self, portal: &[u8]) -> Box<[u8]> {
        self.portals.get(portal).map(|portal| portal.statement.clone()).unwrap_or_default()
    }

    /// A portal is run.
    pub(super) fn run(&mut self, portal: &[u8]) -> Run {
        let Portal { statement, text, parameters } = self.portals.get(portal).cloned().unwrap_or_default();
        let same = |known: &&mut Statement| text.as_ref().is_some_and(|text| Arc::ptr_eq(text, &known.text));
        let first = self.statements.get_mut(&statement).filter(same).is_some_and(|known| known.unused.take().is_some());
        Run { statement, text, parameters, first }
    }

    /// The text of a statement.
    pub(super) fn text(&self, name: &[u8]) -> Option<Arc<str>> {
        self.statements.get(name).map(|statement| statement.text.clone())
    }

    /// A statement is no more; it is told if it was never run.
    pub(super) fn forget(&mut self, name: &[u8]) -> Option<Unused> {
        let Statement { text, unused, .. } = self.statements.remove(name)?;
        self.texts -= text.len();
        unused.map(|place| (text, place))
    }

    /// The same of that which this Parse prepared.
    pub(super) fn forget_at(&mut self, name: &[u8], place: Place) -> Option<Unused> {
        let own = self.statements.get(name).is_some_and(|statement| statement.unused == Some(place));
        if own { self.forget(name) } else { None }
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
        std::mem::take(self).statements.into_values().filter_map(|one| one.unused.map(|place| (one.text, place))).collect()
    }
}

/// A name, as bytes.
pub(super) fn name(c: &mut Cursor<'_>) -> Box<[u8]> {
    c.text().unwrap_or_default().into()
}

/// A text up to its NUL, or as far as it is read.
pub(super) fn rest(c: &mut Cursor<'_>) -> String {
    c.text().map_or_else(|| format!("{}{}", text_of(c.rest()), parameters::ELLIPSIS), |text| text_of(text).into_owned())
}
