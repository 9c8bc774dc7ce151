//! What a driver holds in memory, and how it lets go of that where all connections together hold too much.

use super::{Driver, NEVER, Sink, State};
use crate::model::{Dir, EventKind};
use crate::time::Span;

/// After how long it is told anew that bytes come which are not read.
const ANEW: Span = Span::from_secs(1);

impl Driver {
    /// How many unconsumed bytes of a direction may wait for the other one.
    pub(super) fn patience(&self, sink: &Sink<'_>) -> usize {
        if self.is_known() { sink.limits.wait } else { sink.limits.unknown }
    }

    /// Nothing has come for a while: only what is known is kept, no room for what may come.
    pub fn rest(&mut self) {
        self.sides.iter_mut().for_each(|side| side.held.rest());
        self.nest.iter_mut().flat_map(|nest| &mut nest.inners).for_each(|(_, inner)| inner.rest());
        self.analyzer.iter_mut().for_each(|analyzer| analyzer.rest());
    }

    /// What the bytes that are not consumed take in memory, and the room for more, in bytes. What analyzers keep of messages that are
    /// not whole is counted apart ([`Sink::held`]).
    pub fn room(&self) -> usize {
        let own: usize = self.sides.iter().map(|side| side.held.room()).sum();
        own + self.nest.iter().flat_map(|nest| &nest.inners).map(|(_, inner)| inner.room()).sum::<usize>()
    }

    /// What the exchanges that wait for their answers take in memory, in bytes, about.
    pub fn waiting(&self) -> usize {
        let own = self.analyzer.as_ref().map_or(0, |analyzer| analyzer.waiting());
        own + self.nest.iter().flat_map(|nest| &nest.inners).map(|(_, inner)| inner.waiting()).sum::<usize>()
    }

    /// What analyzers remember of what was said before takes in memory, in bytes, about.
    pub fn remembered(&self) -> usize {
        let own = self.analyzer.as_ref().map_or(0, |analyzer| analyzer.remembered());
        own + self.nest.iter().flat_map(|nest| &nest.inners).map(|(_, inner)| inner.remembered()).sum::<usize>()
    }

    /// Makes room: bytes that are not consumed are passed over as if more were lost behind them, so that reading goes on at the next
    /// start. Those that wait for what tells their protocol are given up with all that follow, as at the limit of that wait.
    pub fn let_go(&mut self, sink: &mut Sink<'_>) {
        if !self.is_known() && self.sides.iter().any(|side| side.state == State::Waiting) {
            return self.give_up(sink);
        }
        for dir in Dir::BOTH {
            let turned = self.turn(dir);
            if !self.side(turned).held.is_empty() {
                self.hole(sink, dir, 0);
            }
        }
        self.nest.iter_mut().flat_map(|nest| &mut nest.inners).for_each(|(_, inner)| inner.let_go(sink));
        self.rest();
    }

    /// Nothing that follows is read, which is told.
    pub(super) fn close(&mut self, sink: &mut Sink<'_>) {
        if self.analyzer.is_ok() {
            self.analyzer = Err(NEVER);
            self.unread(sink);
        }
    }

    /// Bytes come that are not read: that is told now and then.
    pub(super) fn unread(&mut self, sink: &mut Sink<'_>) {
        if let Err(told) = &mut self.analyzer
            && sink.at.time.since(*told) >= ANEW
        {
            *told = sink.at.time;
            sink.push(EventKind::Unread { anew: true });
        }
    }

    /// Makes room where letting go of bytes is not enough: nothing that follows is read.
    pub fn give_up(&mut self, sink: &mut Sink<'_>) {
        self.close(sink);
        for (_, mut inner) in self.nest.take().into_iter().flat_map(|nest| nest.inners) {
            inner.give_up(sink);
        }
        for side in &mut self.sides {
            let rest = std::mem::take(&mut side.held);
            side.held.offset = rest.end();
            sink.undecoded(rest.unconsumed().len());
        }
    }
}
