//! Bytes that are lost, and what may have been among them. Not what that means for what waits: see `channel`.

use super::{Amqp, Found, State};
use crate::decode::{Cx, Gap, Input, Limits, Resync, Step};
use crate::model::{Dir, Issue};

/// The shortest publish, in bytes: its method and its header (§1.8.3.7 of the reference, §4.2.6), all names empty and no body.
const PUBLISH: u64 = 17 + 22;

impl Amqp {
    /// So many bytes are lost, behind the `rest` of a frame.
    pub(super) fn hole(&mut self, cx: &mut Cx<'_, '_>, rest: Input<'_>, len: u64) -> Gap {
        let dir = rest.dir;
        match *self.state(dir) {
            State::Body(channel, left) if rest.data.is_empty() && len <= left + 1 => {
                let n = len.min(left);
                *self.state(dir) = if len > left { State::Frame } else { State::Body(channel, left - n) };
                if let Some(content) = self.content(channel, dir).filter(|_| n > 0) {
                    content.gap(cx, n);
                    self.passed(cx, channel, dir);
                }
                Gap::Bridged
            }
            State::Skip(left) if rest.data.is_empty() && len <= left => {
                *self.state(dir) = if len == left { State::Frame } else { State::Skip(left - len) };
                Gap::Bridged
            }
            State::Tap | State::Over => Gap::Bridged,
            State::Start | State::Place | State::Frame | State::Body(..) | State::Skip(_) => {
                self.lose(cx, dir, len.saturating_add(rest.data.len() as u64));
                Gap::Lost
            }
        }
    }

    /// The place is lost, by what was found there.
    pub(super) fn lost(&mut self, cx: &mut Cx<'_, '_>, dir: Dir, issue: Issue) -> Step {
        self.lose(cx, dir, u64::MAX);
        Step::Lost(issue)
    }

    /// Frames of a direction may go by unseen, of so many bytes at most so far.
    fn lose(&mut self, cx: &mut Cx<'_, '_>, dir: Dir, most: u64) {
        *self.state(dir) = State::Frame;
        if dir == Dir::ToServer {
            (self.late, self.missing) = (true, most);
        }
        self.channels.iter_mut().for_each(|(_, channel)| channel.lose(cx, dir, most >= PUBLISH));
    }

    /// Bytes are looked through for the `next` frame behind those that are lost.
    pub(super) fn pass_over(&mut self, dir: Dir, next: Resync, there: usize) {
        let n = match next {
            Resync::Found(n) => n,
            // of more than this nothing is kept
            Resync::Skip(n) => n.max(there.saturating_sub(Limits::default().resync)),
        };
        if dir == Dir::ToServer && n > 0 {
            self.missing = self.missing.saturating_add(n as u64);
            if self.missing >= PUBLISH {
                self.channels.iter_mut().for_each(|(_, channel)| channel.publishes_lost());
            }
        }
    }

    /// A content's header without what begins it: of a publish, where fewer bytes are lost than one has, only that may have been lost.
    pub(super) fn headless(&mut self, found: Found<'_>) {
        if let Some(channel) = self.channels.get_mut(&found.channel).filter(|_| found.dir == Dir::ToServer) {
            channel.publishes_lost();
        }
    }
}
