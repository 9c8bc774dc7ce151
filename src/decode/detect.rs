//! Detection: an analyzer that waits for bytes that tell, then becomes the protocol that they are.

use super::{Analyzer, Cx, Gap, Input, PROTOCOLS, Probe, Protocol, Resync, Step, Verdict};
use crate::model::{ConnMeta, Dir, End, EventKind, Issue, Joined, Transport};

/// `-d PORT=PROTO`: what the user knows better.
pub type DecodeAs = Vec<(u16, &'static Protocol)>;

/// How many bytes are looked at before an unfinished first line counts as none that we know.
const MOST: usize = 16 * 1024;

/// Not yet known what it is.
#[derive(Debug, Default)]
pub struct Detect {
    /// Whether a direction's first bytes are no protocol that we know.
    refused: [bool; 2],
    /// Whether bytes were lost: then what is seen first need not be a start.
    holed: Option<Joined>,
}

impl Detect {
    /// A fresh one.
    pub fn boxed() -> Box<dyn Analyzer> {
        Box::<Self>::default()
    }

    fn joined(&self, cx: &Cx<'_, '_>) -> Joined {
        self.holed.unwrap_or(cx.meta().joined)
    }
}

/// The protocols that TCP carries.
fn streams() -> impl Iterator<Item = &'static Protocol> {
    PROTOCOLS.iter().copied().filter(|p| p.transport == Transport::Stream)
}

/// Starts a protocol in place of whoever calls, at its first unconsumed byte. `joined` tells it whether that is the first one
/// that was sent.
pub fn becoming(cx: &mut Cx<'_, '_>, protocol: &'static Protocol, joined: Joined, reversed: bool) -> Step {
    cx.sink.push(EventKind::Identified(protocol.name));
    let to = (protocol.start)(&ConnMeta { joined, ..*cx.meta() }, cx.limits());
    Step::Become { took: 0, to, layer: None, reversed }
}

impl Analyzer for Detect {
    fn feed(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        let ports = [cx.meta().server.port(), cx.meta().client.port()];
        if let Some(protocol) = ports.iter().find_map(|p| cx.sink.decode_as.iter().find(|(port, _)| port == p)) {
            let reversed = protocol.0 != ports[0] && protocol.0 == ports[1];
            return becoming(cx, protocol.1, self.joined(cx), reversed);
        }
        let joined = self.joined(cx);
        let opening = joined == Joined::Opening;
        let probe = Probe { dir: input.dir, data: input.data, opening };
        let mut more = false;
        // the usual port decides which is asked first, never what it is
        let usual = |p: &&Protocol| !p.ports.contains(&ports[0]);
        let mut asked: Vec<_> = streams().collect();
        asked.sort_by_key(usual);
        for protocol in asked {
            match (protocol.probe)(&probe) {
                Verdict::Yes => return becoming(cx, protocol, joined, false),
                Verdict::Reversed if !opening => return becoming(cx, protocol, joined, true),
                Verdict::More => more = true,
                Verdict::No | Verdict::Reversed => {}
            }
        }
        if more && input.data.len() < MOST {
            return Step::Need(input.data.len() + 1);
        }
        if !opening {
            return Step::Lost(Issue::JOINED);
        }
        self.refused[input.dir.index()] = true;
        if self.refused == [true; 2] { Step::Opaque } else { Step::Wait }
    }

    fn gap(&mut self, _: &mut Cx<'_, '_>, rest: Input<'_>, _: u64) -> Gap {
        self.holed = match rest.dir {
            Dir::ToServer => Some(Joined::BehindHole),
            Dir::ToClient => self.holed.or(Some(Joined::Midway)),
        };
        Gap::Lost
    }

    fn resync(&mut self, _: Dir, data: &[u8]) -> Resync {
        let mut skip = data.len();
        let mut found = None::<usize>;
        for protocol in streams() {
            match (protocol.scan)(data) {
                Resync::Found(n) => found = Some(found.map_or(n, |f| f.min(n))),
                Resync::Skip(n) => skip = skip.min(n),
            }
        }
        found.map_or(Resync::Skip(skip), Resync::Found)
    }

    fn end(&mut self, _: &mut Cx<'_, '_>, _: Input<'_>, _: End) {}
}
