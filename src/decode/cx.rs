//! What an analyzer may do beside consuming bytes: tell of flows, and open streams within its own.

use super::driver::{Driver, Nest};
use super::input::Input;
use super::limits::Limits;
use super::{Analyzer, detect};
use crate::model::{
    Closed, ConnMeta, Dir, End, Event, EventKind, Fact, Fields, Headers, Issue, Key, Opened, Part, Pattern, Severity, Stamp,
    Totals,
};
use crate::trace;
use compact_str::CompactString;

/// How many exchanges of a connection may always wait: more than a client that does not pipeline has under way.
const FEW: usize = 16;

/// Where events and counts go; lent to the driver for one call.
#[derive(Debug)]
pub struct Sink<'a> {
    /// The log.
    pub events: &'a mut Vec<Event>,
    /// The sums.
    pub totals: &'a mut Totals,
    /// The next free stream number of the connection.
    pub streams: &'a mut u32,
    /// Bytes of unfinished messages that the connection holds ([`Limits::held`]).
    pub held: &'a mut usize,
    /// Whether all connections together have more exchanges that wait than there is room for.
    pub crowded: bool,
    /// How many bytes of what was said before each connection may remember, by what all do together; mostly any number.
    pub memory: usize,
    /// The connection.
    pub meta: &'a ConnMeta,
    /// The packet whose processing releases the events.
    pub at: Stamp,
    /// The limits.
    pub limits: &'a Limits,
    /// `-d`.
    pub decode_as: &'a detect::DecodeAs,
}

impl Sink<'_> {
    pub(super) fn push(&mut self, kind: EventKind) {
        self.events.push(Event { conn: self.meta.id, at: self.at, kind });
    }

    pub(super) fn stream(&mut self) -> u32 {
        let stream = *self.streams;
        *self.streams += 1;
        stream
    }

    /// An analyzer consumed `n` bytes.
    pub(super) fn decoded(&mut self, n: usize) -> usize {
        self.totals.decoded_bytes += n as i64;
        n
    }

    /// `n` bytes that no analyzer consumed are passed over.
    pub(super) fn undecoded(&mut self, n: usize) -> usize {
        self.totals.undecoded_bytes += n as u64;
        n
    }

    pub(super) fn note(&mut self, key: Option<Key>, issue: Issue) {
        if issue.severity == Severity::Broken {
            self.totals.decode_errors += 1;
        }
        self.push(EventKind::Note(key, issue));
    }
}

/// The context of one call of an analyzer.
#[derive(Debug)]
pub struct Cx<'a, 's> {
    pub(super) sink: &'a mut Sink<'s>,
    /// As the stream's roles are.
    pub(super) meta: &'a ConnMeta,
    /// Whether they are the other way round than the connection's.
    pub(super) turned: bool,
    pub(super) stream: u32,
    pub(super) nest: &'a mut Option<Box<Nest>>,
}

impl Cx<'_, '_> {
    /// The connection.
    pub fn meta(&self) -> &ConnMeta {
        self.meta
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        self.sink.limits
    }

    /// How many of so many exchanges that wait have to be given up for the next one: a connection may have `limit`, and few where all
    /// connections together have too many. What is given up for the latter is counted, once for each time that it is asked for.
    pub fn surplus(&mut self, waiting: usize, limit: usize) -> usize {
        let crowded = self.sink.crowded && waiting >= FEW;
        self.sink.totals.evicted_held += u64::from(crowded);
        (waiting + 1).saturating_sub(if crowded { FEW } else { limit })
    }

    /// How many bytes of what was said before a connection may remember that would remember so many: `limit`, and few or none where all
    /// connections together remember too many, which is counted where that is less.
    pub fn memory(&mut self, remembered: usize, limit: usize) -> usize {
        self.sink.totals.evicted_held += u64::from(remembered > self.sink.memory);
        limit.min(self.sink.memory)
    }

    /// How many of `n` bytes of an unfinished message may be held; they count until they are released.
    pub fn hold(&mut self, n: usize) -> usize {
        let n = n.min(self.sink.limits.held.saturating_sub(*self.sink.held));
        *self.sink.held += n;
        n
    }

    /// `n` bytes are held no more.
    pub fn release(&mut self, n: usize) {
        *self.sink.held = self.sink.held.saturating_sub(n);
    }

    /// A flow begins, with the packet that brought its first byte.
    pub fn open(
        &mut self,
        key: u64,
        protocol: &'static str,
        pattern: Pattern,
        operation: impl Into<CompactString>,
        dir: Dir,
        first: Stamp,
    ) {
        let layers = self.layers().to_vec();
        let opened = Opened { protocol, pattern, operation: operation.into(), dir, first, layers };
        self.sink.push(EventKind::Open(self.key(key), Box::new(opened)));
    }

    /// A flow goes on.
    pub fn part(&mut self, key: u64, part: Part) {
        self.sink.push(EventKind::Part(self.key(key), part));
    }

    /// A flow's own data.
    pub fn fields(&mut self, key: u64, fields: Fields) {
        self.part(key, Part::Fields(fields));
    }

    /// Body bytes to keep: copied once, so that no small body pins a slab.
    pub fn body(&mut self, key: u64, dir: Dir, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.part(key, Part::Body(dir, bytes.to_vec()));
        }
    }

    /// The trace context that a message's fields carry, and what is wrong with it.
    pub fn trace(&mut self, key: u64, headers: &Headers) {
        let found = trace::extract(headers, self.sink.limits.trace_headers);
        found.contexts.into_iter().for_each(|context| self.part(key, Part::Trace(Box::new(context))));
        found.issues.into_iter().for_each(|issue| self.note(key, issue));
    }

    /// A flow is over. `last` is the packet that brought its last byte; none where an answer was due and did not come.
    pub fn close(&mut self, key: u64, status: Option<CompactString>, ok: bool, last: Option<Stamp>) {
        self.sink.push(EventKind::Close(self.key(key), Box::new(Closed { status, ok, last })));
    }

    /// Something odd about a flow.
    pub fn note(&mut self, key: u64, issue: Issue) {
        self.sink.note(Some(self.key(key)), issue);
    }

    /// Something that this connection tells of others.
    pub fn fact(&mut self, fact: Fact) {
        self.sink.push(EventKind::Fact(Box::new(fact)));
    }

    /// Of the bytes that this analyzer consumed, or consumes by the step it is at, some belong to no message.
    pub fn undecoded(&mut self, bytes: u64) {
        self.sink.totals.decoded_bytes -= bytes as i64;
        self.sink.totals.undecoded_bytes += bytes;
    }

    /// As [`undecoded`](Self::undecoded), where they tell of a message, and it is not known of which: what that is.
    pub fn unassigned(&mut self, what: &'static str, bytes: u64) {
        self.undecoded(bytes);
        self.sink.totals.leave(what);
    }

    /// As [`undecoded`](Self::undecoded), where they are encrypted and stay closed.
    pub fn encrypted(&mut self, bytes: u64) {
        self.sink.totals.decoded_bytes -= bytes as i64;
        self.sink.totals.encrypted_bytes += bytes;
    }

    /// As [`undecoded`](Self::undecoded), where they are left out of view: copies that a tap of meshtop is given.
    pub fn of_tap(&mut self, bytes: u64) {
        self.sink.totals.decoded_bytes -= bytes as i64;
        self.sink.totals.tap_bytes += bytes;
    }

    /// Bytes of a stream within this one, whose they are from here on. `start` makes its analyzer when it is new; none: detection.
    /// Streams past the limits are counted as undecoded.
    pub fn inner(
        &mut self,
        key: u64,
        layer: Option<&'static str>,
        start: impl FnOnce() -> Option<Box<dyn Analyzer>>,
        input: Input<'_>,
    ) {
        let Nest { layers, inners } = &mut **self.nest.get_or_insert_default();
        let at = match inners.iter().position(|(k, _)| *k == key) {
            Some(at) => at,
            None => {
                let limits = self.sink.limits;
                if inners.len() >= limits.inner || layers.len() >= limits.depth {
                    return self.undecoded(input.data.len() as u64);
                }
                let layers = layers.iter().copied().chain(layer).collect();
                let analyzer = start().unwrap_or_else(|| detect::Detect::boxed());
                inners.push((key, Driver::inner(analyzer, self.sink.stream(), layers, self.turned)));
                inners.len() - 1
            }
        };
        if let Some((_, driver)) = inners.get_mut(at) {
            self.sink.totals.decoded_bytes -= input.data.len() as i64;
            driver.input(self.sink, input);
        }
    }

    /// A hole of `len` bytes in a stream within this one.
    pub fn inner_gap(&mut self, key: u64, dir: Dir, len: u64) {
        let mut inners = self.nest.iter_mut().flat_map(|nest| &mut nest.inners);
        if let Some((_, driver)) = inners.find(|(k, _)| *k == key) {
            driver.hole(self.sink, dir, len);
        }
    }

    /// One direction of a stream within this one is over; the stream is forgotten when both are.
    pub fn inner_end(&mut self, key: u64, dir: Dir, how: End) {
        let Some(Nest { inners, .. }) = self.nest.as_deref_mut() else { return };
        let Some(at) = inners.iter().position(|(k, _)| *k == key) else { return };
        if let Some((_, driver)) = inners.get_mut(at) {
            driver.end(self.sink, dir, how);
            if driver.over() {
                inners.swap_remove(at);
            }
        }
    }

    fn layers(&self) -> &[&'static str] {
        self.nest.as_ref().map_or(&[], |nest| &nest.layers)
    }

    fn key(&self, own: u64) -> Key {
        Key { stream: self.stream, own }
    }
}
