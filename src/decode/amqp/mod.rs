//! AMQP 0-9-1, as RabbitMQ and its clients speak it (<https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf>): each message to and
//! from the broker with what became of it, and each method with its reply. Not AMQP 1.0, which is another protocol.
//!
//! ```text
//!  client   publish ─ header ─ body ─ body …          ack            publish: a flow, with its confirm or its return
//!  server                                 deliver ─ header ─ body …  deliver: a flow, with its ack, nack or reject
//!           └─ the frames of one channel in order; other channels' and heartbeats between them
//! ```

mod asked;
mod channel;
mod channels;
mod confirms;
mod content;
mod conversation;
mod fate;
pub mod field;
pub mod frame;
pub mod handed;
mod holes;
pub mod message;
pub mod method;
pub mod tap;
#[cfg(test)]
mod tests;
mod told;
mod transaction;
mod waiting;

use super::few::Few;
use super::keys::Keys;
use super::{Analyzer, Cx, Effort, Gap, Input, Protocol, Resync, Step};
use crate::model::{ConnMeta, Dir, End, Fields, Head, Issue, Joined, Part, Pattern, Stamp, Transport};
use channel::Channel;
use channels::CHANGES;
use content::Content;
use conversation::CONNECTION;
use frame::{Frame, HEAD, Kind, PROTOCOL as PROTOCOL_HEADER, Start, Version};
use method::Sender;

/// AMQP 0-9-1.
pub static PROTOCOL: Protocol = Protocol {
    name: "amqp",
    transport: Transport::Stream,
    ports: &[5672],
    upgrades: &[],
    begins: false,
    probe: frame::probe,
    scan: frame::scan,
    start: |meta, _| Box::new(Amqp::new(meta)),
    #[cfg(test)]
    samples: tests::samples,
};

/// How many messages of a connection wait for what becomes of them, whatever its channels; of more, those of the channel that has most
/// are given up. As many questions and consumers, which its channels share.
const WAITING: usize = 65_536;

const BAD_FRAME: Issue = Issue::broken("not an AMQP frame");
const BAD_METHOD: Issue = Issue::broken("an AMQP method that cannot be read");
const TOO_MANY_CHANNELS: Issue = Issue::unseen("too many channels are open");

/// One connection.
#[derive(Debug)]
struct Amqp {
    states: [State; 2],
    channels: Few<u16, Box<Channel>>,
    keys: Keys,
    /// Whether methods of the client may have gone by unseen.
    late: bool,
    /// Whether it is known who is the client.
    turned: bool,
    /// The protocol header that the client began with.
    header: Option<(Stamp, Version)>,
    /// The largest frame that was agreed on, in bytes; 0: any.
    frame_max: usize,
    /// Whether the broker has said that it takes no publishes for now.
    blocked: bool,
    /// How many wait for what becomes of them, and how many messages there were since that was looked at.
    waiting: usize,
    messages: usize,
    /// Whether any publish waits for time to pass.
    holds: bool,
    /// Whether the broker takes nothing more.
    failed: bool,
    /// How many bytes of the client's are missing at most where they were lost last.
    missing: u64,
    /// What its channels and their consumers take in memory, in bytes, about.
    remembered: usize,
}

/// What is awaited of a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The protocol header, or a frame.
    Start,
    /// A frame, at a place that has yet to show that one starts there.
    Place,
    /// A frame.
    Frame,
    /// So many bytes of a channel's body frame, and its end.
    Body(u16, u64),
    /// So many bytes of a frame that is passed over.
    Skip(u64),
    /// Nothing that is shown: a tap of meshtop is at the connection's end.
    Tap,
    /// Nothing more.
    Over,
}

/// A frame where it was found.
#[derive(Clone, Copy)]
struct Found<'a> {
    dir: Dir,
    channel: u16,
    payload: &'a [u8],
    /// The packets that brought its first and its last byte.
    at: (Stamp, Stamp),
    /// Its length, in bytes.
    length: usize,
}

impl Amqp {
    fn new(meta: &ConnMeta) -> Self {
        let opening = meta.joined == Joined::Opening;
        Self {
            states: [if opening { State::Start } else { State::Place }; 2],
            channels: Few::default(),
            keys: Keys::new(PROTOCOL.name, !opening),
            late: !opening,
            turned: opening,
            header: None,
            frame_max: 0,
            blocked: false,
            waiting: 0,
            messages: 0,
            holds: false,
            failed: false,
            missing: 0,
            remembered: 0,
        }
    }

    fn state(&mut self, dir: Dir) -> &mut State {
        let [to_server, to_client] = &mut self.states;
        match dir {
            Dir::ToServer => to_server,
            Dir::ToClient => to_client,
        }
    }

    /// The protocol header, or the server's, which refuses the client's (§4.2.2).
    fn start(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        let version = match frame::version(input.data) {
            Start::Is(version) => version,
            Start::Partial => return Step::Need(PROTOCOL_HEADER),
            Start::No => {
                *self.state(input.dir) = State::Frame;
                return self.frame(cx, input);
            }
        };
        *self.state(input.dir) = State::Frame;
        let at = (input.at(0), input.at(PROTOCOL_HEADER - 1));
        match (input.dir, self.header) {
            (Dir::ToServer, _) => self.header = Some((at.0, version)),
            (Dir::ToClient, Some((first, asked))) => {
                let key = self.keys.open(cx, Pattern::RequestResponse, format!("protocol {asked}"), Dir::ToServer, first);
                cx.fields(key, Fields::default().with("amqp.supported", &*version.to_string()));
                for (dir, first) in [(Dir::ToServer, first), (Dir::ToClient, at.0)] {
                    half(cx, key, dir, first, PROTOCOL_HEADER);
                }
                cx.close(key, Some("refused".into()), false, Some(at.1));
            }
            (Dir::ToClient, None) => cx.undecoded(PROTOCOL_HEADER as u64),
        }
        Step::Took(PROTOCOL_HEADER)
    }

    fn frame(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        let frame = match Frame::read(input.data) {
            Start::Is(frame) if self.frame_max == 0 || frame.total() <= self.frame_max => frame,
            Start::Partial => return Step::Need(HEAD),
            Start::Is(_) | Start::No => return self.lost(cx, input.dir, BAD_FRAME),
        };
        if frame.kind == Kind::Body {
            *self.state(input.dir) = State::Body(frame.channel, frame.size as u64);
            return Step::Took(HEAD);
        }
        let total = frame.total();
        if total > cx.limits().buffer {
            cx.sink.note(None, Issue::TOO_LONG);
            *self.state(input.dir) = State::Skip(total as u64);
            return self.skip(cx, input, total as u64);
        }
        let (Some(payload), Some(end)) = (input.data.get(HEAD..HEAD + frame.size), input.data.get(total - 1)) else {
            return Step::Need(total);
        };
        if *end != frame::END {
            return self.lost(cx, input.dir, BAD_FRAME);
        }
        let at = (input.at(0), input.at(total - 1));
        let found = Found { dir: input.dir, channel: frame.channel, payload, at, length: total };
        match frame.kind {
            Kind::Method => self.method(cx, found).unwrap_or(Step::Took(total)),
            Kind::Header => {
                self.header(cx, found);
                Step::Took(total)
            }
            Kind::Body | Kind::Heartbeat => Step::Took(total),
        }
    }

    /// A method. A step where it shows that client and server are the other way round.
    fn method(&mut self, cx: &mut Cx<'_, '_>, found: Found<'_>) -> Option<Step> {
        let Some((method, Some(args))) = method::read(found.payload) else {
            cx.sink.note(None, BAD_METHOD);
            cx.undecoded(found.length as u64);
            return None;
        };
        let own = match found.dir {
            Dir::ToServer => method.from != Sender::Server,
            Dir::ToClient => method.from != Sender::Client,
        };
        if !own && !self.turned {
            let to = Self { turned: true, ..Self::new(&ConnMeta { joined: Joined::Midway, ..*cx.meta() }) };
            return Some(Step::Become { took: 0, to: Box::new(to), layer: None, reversed: true });
        }
        self.turned |= method.from != Sender::Both;
        if !own {
            cx.sink.note(None, BAD_METHOD);
            cx.undecoded(found.length as u64);
        } else if !self.begin(cx, found.channel) {
            cx.sink.note(None, TOO_MANY_CHANNELS);
            cx.undecoded(found.length as u64);
        } else {
            let of_tap = tap::shows(method, &args);
            // its login is an answer, and told
            if !of_tap || method.class == CONNECTION {
                self.converse(cx, method, &args, found);
                if CHANGES.contains(&(method.class, method.id)) {
                    self.bound(cx);
                }
            }
            if of_tap {
                self.states = [State::Tap; 2];
            }
        }
        None
    }

    /// A content's header.
    fn header(&mut self, cx: &mut Cx<'_, '_>, found: Found<'_>) {
        let content = self.channels.get_mut(&found.channel).and_then(|c| c.contents.get_mut(found.dir.index())?.as_mut());
        match content.filter(|content| content.is_headless()) {
            Some(content) => {
                content.header(cx, found.payload, found.length, found.at.1);
                self.passed(cx, found.channel, found.dir);
            }
            None => {
                cx.undecoded(found.length as u64);
                self.headless(found);
            }
        }
    }

    /// Some of a body frame.
    fn body(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>, channel: u16, left: u64) -> Step {
        if left == 0 {
            if input.data.first() != Some(&frame::END) {
                return self.lost(cx, input.dir, BAD_FRAME);
            }
            *self.state(input.dir) = State::Frame;
            return Step::Took(1);
        }
        let n = usize::try_from(left).unwrap_or(usize::MAX).min(input.data.len());
        *self.state(input.dir) = State::Body(channel, left - n as u64);
        match self.content(channel, input.dir) {
            Some(content) => {
                content.data(cx, input.part(0..n));
                self.passed(cx, channel, input.dir);
            }
            None => cx.undecoded(n as u64),
        }
        Step::Took(n)
    }

    /// The content on its way whose header was seen.
    fn content(&mut self, channel: u16, dir: Dir) -> Option<&mut Content> {
        let content = self.channels.get_mut(&channel)?.contents.get_mut(dir.index())?.as_deref_mut();
        content.filter(|content| !content.is_headless())
    }

    fn skip(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>, left: u64) -> Step {
        let n = usize::try_from(left).unwrap_or(usize::MAX).min(input.data.len());
        cx.undecoded(n as u64);
        *self.state(input.dir) = if left == n as u64 { State::Frame } else { State::Skip(left - n as u64) };
        Step::Took(n)
    }
}

impl Analyzer for Amqp {
    fn feed(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        match *self.state(input.dir) {
            State::Start => self.start(cx, input),
            State::Place => match (frame::place(input.data), frame::version(input.data)) {
                (Start::Is(_), _) | (_, Start::Is(_)) => {
                    *self.state(input.dir) = State::Start;
                    self.start(cx, input)
                }
                (Start::Partial, _) | (_, Start::Partial) => Step::Need(input.data.len() + 1),
                (Start::No, Start::No) => Step::Lost(Issue::JOINED),
            },
            State::Frame => self.frame(cx, input),
            State::Body(channel, left) => self.body(cx, input, channel, left),
            State::Skip(left) => self.skip(cx, input, left),
            State::Tap => {
                cx.of_tap(input.data.len() as u64);
                Step::Took(input.data.len())
            }
            State::Over => Step::Opaque,
        }
    }

    fn gap(&mut self, cx: &mut Cx<'_, '_>, rest: Input<'_>, len: u64) -> Gap {
        self.hole(cx, rest, len)
    }

    fn resync(&mut self, dir: Dir, data: &[u8]) -> Resync {
        let next = frame::scan(data, &mut Effort::default());
        self.pass_over(dir, next, data.len());
        next
    }

    fn waiting(&self) -> usize {
        self.waiting * size_of::<waiting::Wait>()
    }

    fn remembered(&self) -> usize {
        self.remembered
    }

    fn waits(&self) -> bool {
        self.holds
    }

    fn tick(&mut self, cx: &mut Cx<'_, '_>, now: Stamp) {
        self.holds = false;
        for (_, channel) in self.channels.iter_mut() {
            channel.wait_no_longer(cx, now);
            self.holds |= channel.unconfirmed.len() > 0;
        }
    }

    fn rest(&mut self) {
        self.channels.iter_mut().for_each(|(_, channel)| channel.rest());
        self.channels.retain(|channel| !channel.is_blank());
        self.channels.rest();
        self.remembered = self.takes();
    }

    fn end(&mut self, cx: &mut Cx<'_, '_>, rest: Input<'_>, _: End) {
        let dir = rest.dir;
        *self.state(dir) = State::Over;
        if !rest.data.is_empty() {
            self.channels.iter_mut().for_each(|(_, channel)| channel.lose(cx, dir, true));
        }
        let both = self.states == [State::Over; 2];
        for (_, channel) in self.channels.iter_mut() {
            channel.over(cx, dir);
            if both {
                channel.over(cx, dir.other());
            }
        }
    }
}

/// One side of a flow that has no body: its frame is all of it.
fn half(cx: &mut Cx<'_, '_>, key: u64, dir: Dir, first: Stamp, length: usize) {
    let (headers, hint) = Default::default();
    cx.part(key, Part::Head(Box::new(Head { dir, first, headers, head_bytes: length as u64, hint })));
    cx.part(key, Part::BodyEnd { dir, bytes: 0, whole: true });
}
