//! Who passes a request on, where its socket was gone before its process was found: a proxy that opens a connection for each request. The
//! request itself says that it has gone through one more hand than another one of its trace that its sender must have received.

use super::hop::Hop;
use super::legs::{Asked, alike};
use super::parties::name;
use super::trace::{SEARCHED, Trace};
use crate::model::{FlowId, Origin, Owner, Party, Pattern};
use std::num::NonZeroU16;
use std::sync::Arc;

impl Asked {
    /// Whether it says of itself that somebody has passed it on.
    pub(in crate::engine) fn passed_on(self) -> bool {
        self.hands > NonZeroU16::MIN
    }
}

impl Trace {
    /// Who sent a flow that somebody has passed on: the service that was asked the same by one hand less, and was at work on that. None
    /// where it may be another one, to whom something came after that; one that hands its own caller's fields on is such. `now` reads what
    /// a flow asked for, and whom, as far as it is still there.
    pub(in crate::engine) fn passer(
        &self,
        flow: FlowId,
        request: Asked,
        mut now: impl FnMut(FlowId) -> Option<(Option<Asked>, Arc<Party>)>,
    ) -> Option<Owner> {
        let down = self.hop(flow).filter(|_| self.hops.len() <= SEARCHED)?;
        let is_open = |up: &&Hop| {
            let before = (up.time, up.flow) < (down.time, flow) && up.end.is_none_or(|end| end >= down.last);
            before && up.pattern != Pattern::Publish && up.to.host() == down.from.host() && up.to.addr != down.to.addr
        };
        let mut open: Vec<(&Hop, Option<NonZeroU16>, Arc<Party>)> = Vec::new();
        for up in self.hops.iter().filter(is_open) {
            let (asked, to) = now(up.flow).unwrap_or_else(|| (up.asked, Arc::clone(&up.to)));
            let hands = asked.filter(|_| alike(up, down)).map(|asked| asked.hands);
            open.push((up, hands.filter(|hands| *hands < request.hands), to));
        }
        let (up, _, to) = open.iter().filter(|(_, hands, _)| hands.is_some()).max_by_key(|(up, hands, _)| (*hands, up.time))?;
        let service = name(to)?;
        let another = open.iter().any(|(later, _, to)| later.time >= up.time && name(to) != Some(service));
        (!another).then(|| passes(to)).flatten()
    }
}

/// The owner of the socket by which a service passes on what it received: which of its processes it was is not known.
fn passes(party: &Party) -> Option<Owner> {
    let (service, container) = (party.service.as_ref().map(Arc::clone)?, party.owner.as_ref().and_then(|o| o.container.clone()));
    Some(Owner { service, origin: Origin::Passes, pid: None, container, process: None })
}
