//! How much of what was inserted for later header blocks is held. Each direction may hold as much as a peer keeps that was told nothing else
//! ([`hpack::INITIAL`]); what both agree on beyond that counts to what all connections remember together, and is given up where that is too much.

use super::{Http2, hpack};
use crate::decode::Cx;
use crate::model::Dir;

/// What a table holds beyond what each may, in bytes.
fn beyond(decoder: &hpack::Decoder) -> usize {
    decoder.size().saturating_sub(hpack::INITIAL)
}

impl Http2 {
    /// What both tables hold beyond what each may, in bytes.
    pub(super) fn surplus(&self) -> usize {
        self.sides.iter().map(|side| beyond(&side.decoder)).sum()
    }

    /// A header block of a direction was read: its table gives up what there is no room for.
    pub(super) fn bound(&mut self, cx: &mut Cx<'_, '_>, dir: Dir) {
        let (held, own) = (self.surplus(), beyond(&self.side(dir).decoder));
        let room = cx.memory(held, 2 * hpack::MOST).saturating_sub(held - own);
        if own > room {
            self.side(dir).decoder.shrink(hpack::INITIAL + room);
        }
    }

    /// Header blocks of a direction went by unread.
    pub(super) fn forget(&mut self, dir: Dir) {
        let side = self.side(dir);
        side.block = None;
        side.decoder.forget();
    }
}
