//! What a connection counted. Most of it is of what goes wrong, which few connections have: it takes room once there is something.

use super::Tally;
use crate::model::{Counts, Dir, Stamp};

/// The sums so far.
#[derive(Debug, Default)]
pub(super) struct Sums {
    /// Packets, copies left out.
    pub(super) packets: Counts,
    /// Captured payload bytes, each once.
    pub(super) bytes: Counts,
    rare: Option<Box<Rare>>,
}

/// What few connections have before they end.
#[derive(Debug, Default)]
pub(super) struct Rare {
    pub(super) repeated: u64,
    pub(super) retransmissions: u64,
    pub(super) keep_alives: u64,
    pub(super) gaps: u64,
    pub(super) strays: u64,
    /// Which side ended it first, by what it sent, and when.
    pub(super) hung_up: Option<(Dir, Stamp)>,
}

pub(in crate::net) fn count(counts: &mut Counts, dir: Dir) -> &mut u64 {
    match dir {
        Dir::ToServer => &mut counts.to_server,
        Dir::ToClient => &mut counts.to_client,
    }
}

impl Sums {
    /// To count what is rare.
    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// How many packets there were both ways.
    pub(super) fn all_packets(&self) -> u64 {
        self.packets.to_server + self.packets.to_client
    }

    /// Which side ended it first, by what it sent, and when.
    pub(super) fn hung_up(&self) -> Option<(Dir, Stamp)> {
        self.rare.as_ref()?.hung_up
    }

    /// All of them.
    pub(super) fn tally(&self) -> Tally {
        let &Self { packets, bytes, .. } = self;
        let counted = Tally { packets, bytes, ..Tally::default() };
        let Some(rare) = &self.rare else { return counted };
        let &Rare { repeated, retransmissions, keep_alives, gaps, strays, .. } = &**rare;
        Tally { repeated, retransmissions, keep_alives, gaps, strays, ..counted }
    }
}
