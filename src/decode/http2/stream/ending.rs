//! How a stream's flow ends, and with which status.

use super::super::frame;
use super::{Side, State, Stream};
use crate::decode::Cx;
use crate::decode::grpc::Ended;
use crate::model::{Dir, Issue, PENDING, Stamp};

const NO_STATUS: Issue = Issue::unseen("status not captured");

impl Stream {
    /// Its flow is complete.
    pub fn close(mut self, cx: &mut Cx<'_, '_>) {
        self.end(cx, Dir::ToServer, None);
        let last = self.side(Dir::ToClient).last.filter(|_| self.asked);
        self.tell_end(cx, last, None);
    }

    /// What ended it before its time, a RST_STREAM or a GOAWAY; the packet that brought it.
    pub fn reset(mut self, cx: &mut Cx<'_, '_>, by: Ended, last: Stamp) {
        if self.side(Dir::ToClient).state == State::Done {
            return self.close(cx);
        }
        // its answer may have ended in a hole before: nobody resets a stream of which both sides are over (RFC 9113 §5.1)
        let by = Some(by).filter(|_| !self.sides[1].lost || self.sides[0].last.is_some());
        Dir::BOTH.into_iter().for_each(|dir| self.end(cx, dir, None));
        let last = Some(last).filter(|_| self.asked);
        self.tell_end(cx, last, by);
    }

    /// Nothing more of it will be seen.
    pub fn give_up(mut self, cx: &mut Cx<'_, '_>) {
        let Side { state, lost, .. } = *self.side(Dir::ToClient);
        if state == State::Done {
            return self.close(cx);
        }
        if state == State::Open && !lost {
            self.note(cx, Issue::CUT);
        }
        Dir::BOTH.into_iter().for_each(|dir| self.end(cx, dir, None));
        match state {
            State::Open | State::Done => self.tell_end(cx, None, None),
            State::Idle if lost => {
                cx.note(self.key, Issue::NO_RESPONSE);
                cx.close(self.key, None, true, None);
            }
            State::Idle => cx.close(self.key, Some(PENDING.into()), false, None),
        }
    }

    pub(super) fn tell_end(&mut self, cx: &mut Cx<'_, '_>, last: Option<Stamp>, by: Option<Ended>) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        let response = self.side(Dir::ToClient);
        let (open, lost) = (response.last.is_none() && !response.lost, response.lost);
        let (status, ok) = match (&self.call, by, self.code) {
            (Some(call), ..) => {
                let ended = match by {
                    Some(by) => by,
                    None if lost => Ended::Unseen,
                    None if open => Ended::Open,
                    None => Ended::Whole(self.code),
                };
                call.status(cx, self.key, ended)
            }
            (None, Some(Ended::Reset(_, code, _)), _) => (Some(frame::error(code).into()), false),
            // not looked at, as by this code (RFC 9113 §8.7)
            (None, Some(Ended::Refused), _) => (Some(frame::error(frame::REFUSED_STREAM).into()), false),
            (None, _, Some(code)) => (Some(code.to_string().into()), code < 400),
            (None, _, None) => {
                cx.note(self.key, NO_STATUS);
                (None, true)
            }
        };
        cx.close(self.key, status, ok, last);
    }
}
