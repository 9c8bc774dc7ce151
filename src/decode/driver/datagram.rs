//! A driver's way with datagrams: each is shown alone. No buffer, no place to lose, no waiting.

use super::{Driver, Input, NEVER, Sink, Step};
use crate::model::{Dir, Stamp};

impl Driver {
    /// One datagram. Nothing of it is held: what is not consumed of it, because it is cut or broken, is counted.
    pub fn datagram(&mut self, sink: &mut Sink<'_>, dir: Dir, bytes: &[u8], stamp: Stamp) {
        sink.totals.stream_bytes += bytes.len() as u64;
        let (mut dir, mut at) = (self.turn(dir), 0);
        let marks = [(0, stamp)];
        while at < bytes.len() && self.analyzer.is_ok() {
            let input = Input::new(dir, bytes, 0, &marks).part(at..bytes.len());
            match self.call(sink, |analyzer, cx| analyzer.feed(cx, input)).unwrap_or(Step::Opaque) {
                Step::Took(n @ 1..) => at += sink.decoded(n.min(input.data.len())),
                Step::Become { took, to, layer, reversed } => {
                    at += sink.decoded(took.min(input.data.len()));
                    self.become_other(sink, to, layer);
                    if reversed {
                        self.reverse(sink);
                        dir = dir.other();
                    }
                }
                Step::Lost(issue) => {
                    sink.note(None, issue);
                    break;
                }
                Step::Opaque => self.analyzer = Err(NEVER),
                Step::Took(0) | Step::Need(_) | Step::Wait => break,
            }
        }
        sink.undecoded(bytes.len() - at);
    }
}
