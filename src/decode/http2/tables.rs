//! How much of what was inserted for later header blocks is held: all of it counts to what all connections remember together, and the
//! oldest is given up where that is too much. Then what it stood for is not known.

use super::Http2;
use crate::decode::Cx;
use crate::model::Dir;

impl Http2 {
    /// What both tables take in memory, in bytes.
    pub(super) fn tables(&self) -> usize {
        self.sides.iter().map(|side| side.decoder.cost()).sum()
    }

    /// A header block of a direction was read: its table gives up what there is no room for.
    pub(super) fn bound(&mut self, cx: &mut Cx<'_, '_>, dir: Dir) {
        let (all, own) = (self.tables(), self.side(dir).decoder.cost());
        // each is bounded by itself; where all remember too much the other one keeps what it has
        let room = cx.memory(all, usize::MAX).saturating_sub(all - own);
        if own > room {
            self.side(dir).decoder.shrink(room);
        }
    }

    /// Header blocks of a direction went by unread.
    pub(super) fn forget(&mut self, dir: Dir) {
        let side = self.side(dir);
        side.block = None;
        side.decoder.forget();
    }
}
