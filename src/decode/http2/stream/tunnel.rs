//! Streams that are tunnels: what runs in one is another analyzer's.

use super::{State, Stream};
use crate::decode::{Cx, Input, registry};
use crate::model::{ConnMeta, Joined};

impl Stream {
    /// Bytes that a CONNECT lets through (RFC 9113 §8.5, RFC 8441); the client's may come before the answer.
    pub(super) fn tunnel(&self, cx: &mut Cx<'_, '_>, input: Input<'_>) {
        let (id, limits) = (u64::from(self.id), *cx.limits());
        let meta = ConnMeta { joined: Joined::Opening, ..*cx.meta() };
        match self.protocol.as_deref().map(registry::by_upgrade) {
            None => cx.inner(id, Some("proxy"), || None, input),
            Some(Some(protocol)) => cx.inner(id, None, || Some((protocol.start)(&meta, &limits)), input),
            Some(None) => cx.undecoded(input.data.len() as u64),
        }
    }

    /// Whether it is to be a tunnel, and nobody has refused so far.
    pub(super) fn tunnels(&self) -> bool {
        self.method.as_deref() == Some("CONNECT") && self.code.is_none_or(|code| (200..300).contains(&code))
    }

    /// Whether it is one: from its answer on.
    pub(super) fn is_tunnel(&self) -> bool {
        self.tunnels() && (self.code.is_some() || self.sides[1].state != State::Idle)
    }
}
