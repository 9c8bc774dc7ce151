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
    /// Whether it was told that a direction's first bytes do not tell its protocol at once.
    unknown: [bool; 2],
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
        if opening && !std::mem::replace(&mut self.unknown[input.dir.index()], true) {
            cx.sink.push(EventKind::Unknown(input.dir));
        }
        if more.is_some() && input.data.len() < MOST {
            return Step::Need(input.data.len() + 1);
        }
        let sealed = sealed::is_record(input.data);
        if sealed && input.data.len() < sealed::HEAD {
            return Step::Need(sealed::HEAD);
        }
        self.refused[input.dir.index()] = true;
        if !sealed && opening {
            let waits = self.refused != [true; 2] && input.data.len() <= cx.limits().unknown;
            return if waits { Step::Wait } else { Step::Opaque };
        }
        if !std::mem::replace(&mut self.told, true) {
            cx.sink.push(EventKind::Unread { anew: false });
        }
        if sealed {
            return Step::Become { took: 0, to: Box::<Sealed>::default(), layer: None, reversed: false };
        }
        Step::Lost(Issue::JOINED)
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

#[cfg(test)]
mod tests {
    use super::super::properties::{Conversation, in_turns};
    use super::*;

    const UP: Dir = Dir::ToServer;
    const DOWN: Dir = Dir::ToClient;

    const UNREAD: EventKind = EventKind::Unread { anew: true };

    /// What is told of how it can be read, and in which turn.
    fn told(turns: &[(Dir, &[u8])]) -> Vec<(usize, EventKind)> {
        let mut talk = Conversation::new("detection");
        turns.iter().for_each(|(dir, bytes)| _ = talk.say(*dir, bytes));
        let begins: Vec<_> =
            turns.iter().scan(1, |at, (_, bytes)| Some(std::mem::replace(at, *at + bytes.len() as u64))).collect();
        let how = |kind: &EventKind| matches!(kind, EventKind::Unknown(_) | EventKind::Unread { .. } | EventKind::Identified(_));
        let events = in_turns(&talk).events.into_iter().filter(|event| how(&event.kind));
        events.map(|event| (begins.iter().position(|at| *at == event.at.packet.0).unwrap(), event.kind)).collect()
    }

    #[test]
    fn an_unknown_protocol_is_told_with_its_first_byte() {
        let [asks, answers] = [&b"\0\0\0\x0c\x80\x01\0\x01get\0\0\0\x01\x05"[..], b"\0\0\0\x02\x80\x01"];
        let told_both = [(0, EventKind::Unknown(UP)), (1, EventKind::Unknown(DOWN)), (1, UNREAD)];
        assert_eq!(told(&[(UP, asks), (DOWN, answers), (UP, asks)]), told_both);
        assert_eq!(told(&[(UP, asks)]), told_both[..1]);
    }

    #[test]
    fn one_that_is_known_at_once_is_not_told_to_be_unknown() {
        let whole: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
        assert_eq!(told(&[(UP, whole)]), [(0, EventKind::Identified("http"))]);
        let (begin, rest) = whole.split_at(2);
        assert_eq!(told(&[(UP, begin), (UP, rest)]), [(0, EventKind::Unknown(UP)), (1, EventKind::Identified("http"))]);
    }

    #[test]
    fn what_follows_an_upgrade_to_what_nobody_reads_is_told_with_its_first_byte() {
        let asks = b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        let answers = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
        let message = b"\x81\x82\0\0\0\0ab";
        let both = [(0, EventKind::Identified("http")), (2, UNREAD)];
        assert_eq!(told(&[(UP, asks), (DOWN, answers)]), both[..1]);
        assert_eq!(told(&[(UP, asks), (DOWN, answers), (UP, message), (UP, message)]), both);
    }
}
