//! Runs one analyzer over both directions of one stream: buffers, limits, the way back after a hole, hand-overs and panics.

use super::detect::Detect;
use super::input::Input;
use super::{Analyzer, Cx, Gap, Resync, Sink, Step};
use crate::model::{ConnMeta, Dir, End, EventKind, Issue, Stamp};
use crate::time::Time;
use held::Held;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

mod datagram;
mod held;
mod room;

/// One stream, its analyzer, and the streams within it.
#[derive(Debug)]
pub struct Driver {
    /// None: nothing that follows can be read, and it was told then that bytes come all the same.
    analyzer: Result<Box<dyn Analyzer>, Time>,
    stream: u32,
    sides: [Side; 2],
    nest: Option<Box<Nest>>,
    /// Whether client and server are the other way round than the caller's directions say.
    reversed: bool,
    /// Whether the caller's are, of those of the connection.
    turned: bool,
}

/// What a stream is in, and what is in it; few have either.
#[derive(Debug, Default)]
pub(super) struct Nest {
    pub(super) layers: Vec<&'static str>,
    pub(super) inners: Vec<(u64, Driver)>,
}

/// One direction.
#[derive(Debug, Default)]
struct Side {
    held: Held,
    /// How many unconsumed bytes it takes before the analyzer is asked again.
    need: u32,
    state: State,
    /// How the direction ended, if it has.
    ended: Option<End>,
    /// Whether the analyzer knows.
    told: bool,
}

/// How far the analyzer went.
#[derive(Clone, Copy, Debug)]
struct Worked {
    /// The direction: a hand-over may have turned it.
    dir: Dir,
    consumed: usize,
    /// Whether anything changed that the other direction may wait for.
    moved: bool,
    /// Whether another analyzer took over.
    handed: bool,
}

/// What a direction does with its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Shows them to the analyzer.
    #[default]
    Feeding,
    /// Keeps them until the other direction has moved.
    Waiting,
    /// Looks for a start among them.
    Lost,
}

/// Before every capture.
const NEVER: Time = Time::from_nanos(i64::MIN);

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside an analyzer, so that a panic costs one connection: the panic hook keeps quiet about it.
pub fn guarded() -> bool {
    GUARDED.get()
}

impl Driver {
    /// A connection's bytes, of which nothing is known so far.
    pub fn detecting() -> Self {
        Self::inner(Detect::boxed(), 0, Vec::new(), false)
    }

    /// A stream with its first analyzer, where client and server may be the other way round than those of the connection.
    pub(super) fn inner(analyzer: Box<dyn Analyzer>, stream: u32, layers: Vec<&'static str>, turned: bool) -> Self {
        let nest = (!layers.is_empty()).then(|| Box::new(Nest { layers, inners: Vec::new() }));
        Self { analyzer: Ok(analyzer), stream, sides: Default::default(), nest, reversed: false, turned }
    }

    /// Whether its protocol is known: another analyzer took over from the first one.
    pub fn is_known(&self) -> bool {
        self.stream > 0
    }

    /// Whether an analyzer waits for time to pass.
    pub fn waits(&self) -> bool {
        let inner = |nest: &Nest| nest.inners.iter().any(|(_, inner)| inner.waits());
        self.analyzer.as_ref().is_ok_and(|analyzer| analyzer.waits()) || self.nest.as_deref().is_some_and(inner)
    }

    /// Packet time has come to `now`. Without effect where nothing [`waits`](Self::waits).
    pub fn tick(&mut self, sink: &mut Sink<'_>, now: Stamp) {
        if self.analyzer.as_ref().is_ok_and(|analyzer| analyzer.waits()) {
            self.call(sink, |analyzer, cx| analyzer.tick(cx, now));
        }
        self.nest.iter_mut().flat_map(|nest| &mut nest.inners).for_each(|(_, inner)| inner.tick(sink, now));
    }

    /// Whether both directions have ended.
    pub fn over(&self) -> bool {
        self.sides.iter().all(|side| side.ended.is_some())
    }

    /// Whether client and server turned out to be the other way round than they were given.
    pub fn reversed(&self) -> bool {
        self.reversed
    }

    /// Bytes of one direction that one packet brought.
    pub fn data(&mut self, sink: &mut Sink<'_>, dir: Dir, bytes: &[u8], stamp: Stamp) {
        sink.totals.stream_bytes += bytes.len() as u64;
        let (base, known) = (self.side(self.turn(dir)).held.end(), self.is_known());
        self.input(sink, Input::new(dir, bytes, base, &[(base, stamp)]));
        if !known && self.is_known() {
            // what told its protocol had to be held, and what follows mostly has not
            self.sides.iter_mut().for_each(|side| side.held.rest());
        }
    }

    /// Bytes of one direction, each stamped by the packet that brought it.
    pub(super) fn input(&mut self, sink: &mut Sink<'_>, input: Input<'_>) {
        let dir = self.turn(input.dir);
        let side = self.side(dir);
        if side.ended.is_some() || input.data.is_empty() {
            sink.undecoded(input.data.len());
            return;
        }
        let base = side.held.end();
        if side.held.is_empty() {
            let marks: &[_] =
                &input.marks().iter().map(|&(at, s)| (base + at.saturating_sub(input.base()), s)).collect::<Vec<_>>();
            let input = Input::new(dir, input.data, base, marks);
            let Worked { dir, consumed, moved, .. } = self.work(sink, input);
            let held = &mut self.side(dir).held;
            held.offset = base + consumed as u64;
            held.push(input.part(consumed..input.data.len()));
            if moved {
                self.settle(sink, dir.other());
            }
        } else {
            side.held.push(input);
            let worked = self.pump(sink, dir);
            if worked.moved {
                self.settle(sink, worked.dir.other());
            }
        }
    }

    /// `len` bytes of one direction are lost.
    pub fn hole(&mut self, sink: &mut Sink<'_>, dir: Dir, len: u64) {
        let dir = self.turn(dir);
        let side = self.side(dir);
        let rest = std::mem::take(&mut side.held);
        let lost = side.state != State::Feeding || !rest.is_empty();
        side.held.offset = rest.end() + len;
        side.need = 0;
        sink.undecoded(rest.unconsumed().len());
        let gap = self.call(sink, |analyzer, cx| analyzer.gap(cx, rest.input(dir), len));
        if lost || gap != Some(Gap::Bridged) {
            self.side(dir).state = State::Lost;
        }
        self.settle(sink, dir.other());
    }

    /// One direction is over.
    pub fn end(&mut self, sink: &mut Sink<'_>, dir: Dir, how: End) {
        let dir = self.turn(dir);
        if self.side(dir).ended.is_none() {
            self.side(dir).ended = Some(how);
            self.settle(sink, dir.other());
        }
    }

    /// Tells the analyzer of an end, once what was sent before it is consumed. Bytes that wait for the other direction keep their
    /// end waiting too, unless nothing can come from there any more. Whether there was something to tell.
    fn tell_end(&mut self, sink: &mut Sink<'_>, dir: Dir) -> bool {
        let last = self.side(dir.other()).told;
        let side = self.side(dir);
        let Some(how) = side.ended.filter(|_| !side.told) else { return false };
        if side.state == State::Waiting && !side.held.is_empty() && !last {
            return false;
        }
        side.told = true;
        let rest = std::mem::take(&mut side.held);
        sink.undecoded(rest.unconsumed().len());
        self.call(sink, |analyzer, cx| analyzer.end(cx, rest.input(dir), how));
        if let Some(nest) = &mut self.nest {
            nest.inners.iter_mut().for_each(|(_, inner)| inner.end(sink, dir, how));
            nest.inners.retain(|(_, inner)| !inner.over());
        }
        true
    }

    fn turn(&self, dir: Dir) -> Dir {
        if self.reversed { dir.other() } else { dir }
    }

    fn side(&mut self, dir: Dir) -> &mut Side {
        let [to_server, to_client] = &mut self.sides;
        match dir {
            Dir::ToServer => to_server,
            Dir::ToClient => to_client,
        }
    }

    /// Lets both directions go on, this one first, as long as one of them moves; then ends what has ended.
    fn settle(&mut self, sink: &mut Sink<'_>, mut dir: Dir) {
        let mut still = 0;
        while still < 2 {
            let side = self.side(dir);
            if side.state == State::Waiting {
                side.state = State::Feeding;
                side.need = 0;
            }
            let mut moved = false;
            if !side.held.is_empty() {
                let worked = self.pump(sink, dir);
                dir = worked.dir;
                moved = worked.moved;
                // what waited here goes on at once with the new analyzer: it was sent first
                if worked.handed {
                    still = 0;
                    continue;
                }
            }
            still = if moved || self.tell_end(sink, dir) { 0 } else { still + 1 };
            dir = dir.other();
        }
        // both have ended, and each waits for the other: nothing will come
        let stuck = self.over() && self.sides.iter().any(|side| !side.told);
        if stuck && let Some(dir) = Dir::BOTH.into_iter().find(|dir| !self.side(*dir).told) {
            self.side(dir).state = State::Feeding;
            if self.tell_end(sink, dir) {
                self.settle(sink, dir.other());
            }
        }
    }

    /// Shows the held bytes of a direction.
    fn pump(&mut self, sink: &mut Sink<'_>, dir: Dir) -> Worked {
        let mut held = std::mem::take(&mut self.side(dir).held);
        let worked = self.work(sink, held.input(dir));
        held.consume(worked.consumed);
        self.side(worked.dir).held = held;
        worked
    }

    /// Steps through `input` as far as it goes, or until the other direction is to go on first. The rest is the caller's to hold.
    fn work(&mut self, sink: &mut Sink<'_>, input: Input<'_>) -> Worked {
        let (mut dir, len) = (input.dir, input.data.len());
        let (mut at, mut handed, patience) = (0, false, self.patience(sink));
        while at < len {
            if self.analyzer.is_err() {
                self.unread(sink);
                sink.undecoded(len - at);
                return Worked { dir, consumed: len, moved: true, handed };
            }
            let shown = input.part(at..len).turned(dir);
            let side = self.side(dir);
            match side.state {
                State::Waiting if shown.data.len() <= patience => break,
                // it is asked once more, and can only give up
                State::Waiting => self.side(dir).state = State::Feeding,
                State::Lost => {
                    let skipped = match self.analyzer.as_mut().ok().map(|a| a.search(shown)) {
                        Some(Resync::Found(n)) => {
                            self.side(dir).state = State::Feeding;
                            n
                        }
                        Some(Resync::Skip(n)) => n.max(shown.data.len().saturating_sub(sink.limits.resync)),
                        None => 0,
                    };
                    at += sink.undecoded(skipped.min(shown.data.len()));
                    if self.side(dir).state == State::Lost {
                        break;
                    }
                }
                State::Feeding if shown.data.len() < side.need as usize => break,
                State::Feeding => {
                    side.need = 0;
                    match self.call(sink, |analyzer, cx| analyzer.feed(cx, shown)).unwrap_or(Step::Opaque) {
                        Step::Took(0) => self.side(dir).need = shown.data.len() as u32 + 1,
                        Step::Took(n) => {
                            at += sink.decoded(n.min(shown.data.len()));
                            // what the other direction waits with was sent before the rest of this one
                            if self.side(dir.other()).state == State::Waiting {
                                break;
                            }
                        }
                        Step::Need(n) if n <= sink.limits.buffer => self.side(dir).need = n.max(shown.data.len() + 1) as u32,
                        Step::Need(_) => at += self.lose(sink, dir, Issue::TOO_LONG),
                        Step::Lost(issue) => at += self.lose(sink, dir, issue),
                        Step::Wait if shown.data.len() <= patience => self.side(dir).state = State::Waiting,
                        Step::Wait | Step::Opaque => self.close(sink),
                        Step::Become { took, to, layer, reversed } => {
                            at += sink.decoded(took.min(shown.data.len()));
                            handed = true;
                            self.become_other(sink, to, layer);
                            if reversed {
                                self.reverse(sink);
                                dir = dir.other();
                            }
                            break;
                        }
                    }
                }
            }
        }
        Worked { dir, consumed: at, moved: handed || at > 0, handed }
    }

    /// Loses the place; one byte is passed over, so that the same start is not found again.
    fn lose(&mut self, sink: &mut Sink<'_>, dir: Dir, issue: Issue) -> usize {
        sink.note(None, issue);
        self.side(dir).state = State::Lost;
        sink.undecoded(1)
    }

    /// Hands both directions over. The new layer's keys are its own.
    fn become_other(&mut self, sink: &mut Sink<'_>, to: Box<dyn Analyzer>, layer: Option<&'static str>) {
        if layer.is_some() && self.nest.as_ref().map_or(0, |nest| nest.layers.len()) >= sink.limits.depth {
            return self.close(sink);
        }
        self.analyzer = Ok(to);
        if let Some(layer) = layer {
            let layers = &mut self.nest.get_or_insert_default().layers;
            layers.reserve_exact(1);
            layers.push(layer);
        }
        self.stream = sink.stream();
        for side in &mut self.sides {
            side.need = 0;
            if side.state == State::Waiting {
                side.state = State::Feeding;
            }
            side.told = false;
        }
        for dir in Dir::BOTH {
            if self.side(dir).state == State::Lost {
                self.call(sink, |analyzer, cx| analyzer.gap(cx, Input::new(dir, &[], 0, &[]), 0));
            }
        }
    }

    /// Swaps client and server: the roles were guessed, and the bytes show them.
    fn reverse(&mut self, sink: &mut Sink<'_>) {
        self.reversed = !self.reversed;
        self.sides.swap(0, 1);
        let ConnMeta { client, server, .. } = if self.is_turned() { sink.meta.turned() } else { *sink.meta };
        sink.push(EventKind::Oriented(client, server));
    }

    /// Whether its client and server are the other way round than those of the connection.
    fn is_turned(&self) -> bool {
        self.reversed != self.turned
    }

    /// Calls the analyzer; a panic in it gives the stream up.
    fn call<T>(&mut self, sink: &mut Sink<'_>, f: impl FnOnce(&mut dyn Analyzer, &mut Cx<'_, '_>) -> T) -> Option<T> {
        let mut analyzer = std::mem::replace(&mut self.analyzer, Err(NEVER)).ok()?;
        let (turned, mut other) = (self.is_turned(), None);
        let meta = if turned { other.insert(sink.meta.turned()) } else { sink.meta };
        let mut cx = Cx { sink, meta, turned, stream: self.stream, nest: &mut self.nest };
        let outer = GUARDED.replace(true);
        let result = catch_unwind(AssertUnwindSafe(|| f(&mut *analyzer, &mut cx)));
        GUARDED.set(outer);
        match result {
            Ok(value) => {
                self.analyzer = Ok(analyzer);
                Some(value)
            }
            Err(_) => {
                sink.note(None, Issue::PANIC);
                self.unread(sink);
                None
            }
        }
    }
}
