//! The demo as a source: a live capture of the player's own traffic, with the recording's addresses put back and its names told. It
//! ends when the player has.

use super::{Addresses, Laps, Player};
use crate::model::{LinkType, Packets, SourceNews};
use crate::source::{Filled, Source, SourceError};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Empty reads after the last lap until everything is in: kernels hand packets over within a few of them.
const QUIET: u32 = 30;
/// Where the ports are behind a link header of this length and an IPv4 header (RFC 791 §3.1) that says its own length.
const ETHERNET: (LinkType, usize) = (LinkType(1), 14);
/// BSD loopback.
const NULL: (LinkType, usize) = (LinkType(0), 4);

/// A capture of what a player plays.
pub struct Stage {
    inner: Box<dyn Source>,
    player: Player,
    addresses: Arc<Addresses>,
    laps: Laps,
    began: bool,
    quiet: u32,
}

impl Stage {
    /// `capture` has to be open already, with the filter [`Player::bpf`]: the play begins with the first read.
    pub fn new(capture: Box<dyn Source>, player: Player, laps: Laps) -> Self {
        let addresses = player.addresses();
        Self { inner: capture, player, addresses, laps, began: false, quiet: 0 }
    }
}

impl Source for Stage {
    fn fill(&mut self, out: &mut Packets) -> Result<Filled, SourceError> {
        if !self.began {
            self.began = true;
            out.news.extend(self.player.names().iter().map(|(ip, name)| SourceNews::Name(*ip, Arc::clone(name))));
            let started = self.player.play(self.laps);
            started.map_err(|e| SourceError::Unreadable("the demo's recording".into(), e))?;
        }
        let (finished, old) = (self.player.finished(), out.list.len());
        let filled = self.inner.fill(out)?;
        for packet in out.list.get(old..).unwrap_or_default() {
            if let Some(bytes) = out.slab.get_mut(packet.bytes.clone()) {
                relabel(packet.link, bytes, &self.addresses);
            }
        }
        self.quiet = if finished && filled == Filled::Idle { self.quiet + 1 } else { 0 };
        Ok(if self.quiet > QUIET { Filled::End } else { filled })
    }

    fn stopped(&mut self) -> Vec<SourceNews> {
        self.inner.stopped()
    }
}

/// Puts the recorded addresses into a frame of TCP over IPv4. Checksums are left: on loopback nobody fills them in.
fn relabel(link: LinkType, frame: &mut [u8], addresses: &Addresses) {
    let Some((_, header)) = [ETHERNET, NULL].into_iter().find(|(known, _)| *known == link) else { return };
    let Some(ip) = frame.get_mut(header..).filter(|ip| ip.first().is_some_and(|b| b >> 4 == 4)) else { return };
    let words = ip.first().map_or(0, |b| usize::from(b & 0xf));
    let Some((ip, tcp)) = ip.split_at_mut_checked(words * 4) else { return };
    for (address, port) in [(12..16, 0..2), (16..20, 2..4)] {
        let (Some(address), Some(port)) = (ip.get_mut(address), tcp.get_mut(port)) else { return };
        let (Ok(old), Ok(number)) = (<[u8; 4]>::try_from(&*address), <[u8; 2]>::try_from(&*port)) else { return };
        let recorded = addresses.recorded(SocketAddr::new(old.into(), u16::from_be_bytes(number)));
        if let IpAddr::V4(new) = recorded.ip() {
            address.copy_from_slice(&new.octets());
            port.copy_from_slice(&recorded.port().to_be_bytes());
        }
    }
}
