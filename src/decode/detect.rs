//! Detection: an analyzer that waits for bytes that tell, then becomes the protocol that they are.

use super::sealed::{self, Sealed};
use super::search::{Effort, Place, Search};
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
    /// Whether it was told that nothing can be read so far.
    told: bool,
    /// How far each direction was searched for a start, once one was.
    searches: Option<Box<[Search; 2]>>,
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

/// Whether a datagram is of a protocol that we know, by itself: nothing is kept of one that is not. One that was cut short, so that it
/// may be, is believed where a port says the same. `ports` are the receiver's and the sender's.
pub fn recognises(decode_as: &DecodeAs, ports: [u16; 2], data: &[u8], cut: bool) -> bool {
    let probe = Probe { dir: Dir::ToServer, data, opening: true };
    let one = |p: &Protocol| match (p.probe)(&probe) {
        Verdict::Yes | Verdict::Reversed => true,
        Verdict::More => cut && ports.iter().any(|port| p.ports.contains(port)),
        Verdict::No => false,
    };
    told(decode_as, ports, Transport::Datagram).is_some() || carried(Transport::Datagram).any(one)
}

/// The protocols that a transport carries.
fn carried(transport: Transport) -> impl Iterator<Item = &'static Protocol> {
    PROTOCOLS.iter().copied().filter(move |p| p.transport == transport)
}

/// What the user said of a port, the first one first.
fn told(decode_as: &DecodeAs, ports: [u16; 2], transport: Transport) -> Option<(u16, &'static Protocol)> {
    let of = |port| decode_as.iter().find(|(p, protocol)| *p == port && protocol.transport == transport);
    ports.into_iter().find_map(of).copied()
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
        let transport = cx.meta().transport;
        if let Some((port, protocol)) = told(cx.sink.decode_as, ports, transport) {
            return becoming(cx, protocol, self.joined(cx), port != ports[0]);
        }
        let joined = self.joined(cx);
        let opening = joined == Joined::Opening;
        let probe = Probe { dir: input.dir, data: input.data, opening };
        // who sent the first datagram of several is as good as unknown
        let guessed = !opening || transport == Transport::Datagram;
        let mut more = None;
        // the usual port decides which is asked first, never what it is
        let usual = |p: &&Protocol| !p.ports.contains(&ports[0]);
        let mut asked: Vec<_> = carried(transport).collect();
        asked.sort_by_key(usual);
        for protocol in asked {
            match (protocol.probe)(&probe) {
                Verdict::Yes => return becoming(cx, protocol, joined, false),
                Verdict::Reversed if guessed => return becoming(cx, protocol, joined, true),
                Verdict::More => more = more.or(Some(protocol)),
                Verdict::No | Verdict::Reversed => {}
            }
        }
        // a datagram comes here only if it was recognised: this one was cut
        if let (Transport::Datagram, Some(protocol)) = (transport, more) {
            return becoming(cx, protocol, joined, false);
        }
        if more.is_some() && input.data.len() < MOST {
            return Step::Need(input.data.len() + 1);
        }
        let sealed = sealed::is_record(input.data);
        if sealed && input.data.len() < sealed::HEAD {
            return Step::Need(sealed::HEAD);
        }
        self.refused[input.dir.index()] = true;
        if !sealed && opening && self.refused != [true; 2] && input.data.len() <= cx.limits().unknown {
            return Step::Wait;
        }
        if !std::mem::replace(&mut self.told, true) {
            cx.sink.push(EventKind::Unread);
        }
        if sealed {
            return Step::Become { took: 0, to: Box::<Sealed>::default(), layer: None, reversed: false };
        }
        if opening { Step::Opaque } else { Step::Lost(Issue::JOINED) }
    }

    fn gap(&mut self, _: &mut Cx<'_, '_>, rest: Input<'_>, _: u64) -> Gap {
        self.holed = match rest.dir {
            Dir::ToServer => Some(Joined::BehindHole),
            Dir::ToClient => self.holed.or(Some(Joined::Midway)),
        };
        Gap::Lost
    }

    fn resync(&mut self, dir: Dir, data: &[u8]) -> Resync {
        self.search(Input::new(dir, data, 0, &[]))
    }

    fn search(&mut self, input: Input<'_>) -> Resync {
        let Input { dir, data, .. } = input;
        let protocols: Vec<_> = carried(Transport::Stream).collect();
        let scan = |which: usize, data: &[u8], effort: &mut Effort| {
            protocols.get(which).map_or(Resync::Skip(data.len()), |protocol| (protocol.scan)(data, effort))
        };
        let look = |data: &[u8], closed_only: bool| {
            let probe = Probe { dir, data, opening: false };
            let asked = protocols.iter().filter(|protocol| !closed_only || protocol.begins).map(|protocol| {
                match (protocol.probe)(&probe) {
                    Verdict::Yes | Verdict::Reversed => Place::Yes,
                    Verdict::More => Place::More,
                    Verdict::No => Place::No,
                }
            });
            asked.chain([sealed::place(data)]).max().unwrap_or(Place::No)
        };
        let begins = input.marks().iter().map(|(at, _)| *at);
        let [to_server, to_client] = &mut **self.searches.get_or_insert_default();
        let search = match dir {
            Dir::ToServer => to_server,
            Dir::ToClient => to_client,
        };
        search.go_on((data, input.base()), begins, (protocols.len(), scan), look)
    }

    fn end(&mut self, _: &mut Cx<'_, '_>, _: Input<'_>, _: End) {}
}
