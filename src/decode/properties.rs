//! The shared properties: every analyzer of the registry passes them, with conversations that it brings itself.
//!
//! - Any split of the bytes gives the same flows, stamps included.
//! - A hole anywhere invents nothing, and what does not depend on it is found.
//! - Any mutation ends, without a panic in an analyzer.
//!
//! A turn of a conversation in datagrams is one: it is not split, and lost whole.

use super::{Driver, Limits, PROTOCOLS, Sink};
use crate::model::{
    Closed, ConnId, ConnMeta, Dir, End, Event, EventKind, Issue, Joined, Key, Message, PENDING, PacketNo, Stamp, Totals,
    Transport, Zone,
};
use crate::time::Time;
pub use hole::flows_without;
use hole::with_hole;
use proptest::prelude::*;
pub use room::remembered;
pub use sketch::Sketch;
use sketch::sketch;
use std::collections::BTreeMap;

mod hole;
mod room;
mod sketch;

/// Who says what, in turns, on one connection.
#[derive(Clone, Debug)]
pub struct Conversation {
    pub name: &'static str,
    pub joined: Joined,
    pub transport: Transport,
    pub turns: Vec<(Dir, Vec<u8>)>,
    /// Whether each turn waits for the one before it, so that what comes well after a hole must be found whole.
    pub sequential: bool,
    pub limits: Limits,
    /// What it is where it is seen from its opening, and by the right end: answers tell what they are without their questions.
    pub whole: Option<fn() -> Self>,
}

impl Conversation {
    pub fn new(name: &'static str) -> Self {
        let (joined, transport) = (Joined::Opening, Transport::Stream);
        Self { name, joined, transport, turns: Vec::new(), sequential: false, limits: Limits::default(), whole: None }
    }

    pub fn say(&mut self, dir: Dir, bytes: &[u8]) -> &mut Self {
        self.turns.push((dir, bytes.to_vec()));
        self
    }

    /// A direction is over here, before the other one: a turn without bytes.
    pub fn end(&mut self, dir: Dir) -> &mut Self {
        self.say(dir, b"")
    }
}

/// What a conversation came to.
#[derive(Debug, Default)]
pub struct Outcome {
    pub flows: BTreeMap<Key, Sketch>,
    pub events: Vec<Event>,
    pub totals: Totals,
    /// Its flows where it is seen from its opening, as far as that is another conversation.
    whole: Vec<Sketch>,
}

impl Outcome {
    /// Why a flow is none of what was said, if it is none.
    fn made_up(&self, seen: &Sketch) -> Option<Vec<Result<(), String>>> {
        let verdicts: Vec<_> = self.flows.values().chain(&self.whole).map(|t| told_true(seen, t)).collect();
        (!verdicts.iter().any(Result::is_ok)).then_some(verdicts)
    }
}

/// One thing that happens on a wire.
#[derive(Clone, Debug)]
enum Wire {
    Data(Dir, Vec<u8>, u64),
    Hole(Dir, u64),
    End(Dir),
    LetGo,
}

/// A connection, joined so.
pub fn meta(joined: Joined) -> ConnMeta {
    let (id, transport) = (ConnId(PacketNo(1)), Transport::Stream);
    let [client, server] = ["127.0.0.1:40000", "127.0.0.1:8080"].map(|a| a.parse().unwrap());
    ConnMeta { id, client, server, transport, first: Stamp::default(), joined, isn: None, zone: Zone::default() }
}

/// Plays a conversation's wire through a fresh driver that starts with detection.
fn play(talk: &Conversation, wire: &[Wire]) -> Outcome {
    let Conversation { joined, transport, .. } = *talk;
    let meta = ConnMeta { transport, ..meta(joined) };
    let mut driver = Driver::detecting();
    let (mut out, mut streams, mut held, limits, decode_as) = (Outcome::default(), 1, 0, talk.limits, Vec::new());
    let mut at = Stamp::default();
    for step in wire.iter().map(Some).chain([None]) {
        if let Some(Wire::Data(_, _, packet)) = step {
            at = stamp(*packet);
            // a pause changes nothing
            if packet % 2 == 0 {
                driver.rest();
            }
        }
        let mut sink = Sink {
            events: &mut out.events,
            totals: &mut out.totals,
            streams: &mut streams,
            held: &mut held,
            crowded: false,
            memory: usize::MAX,
            meta: &meta,
            at,
            limits: &limits,
            decode_as: &decode_as,
        };
        match step {
            Some(Wire::Data(dir, bytes, _)) if transport == Transport::Datagram => driver.datagram(&mut sink, *dir, bytes, at),
            Some(Wire::Data(dir, bytes, _)) => driver.data(&mut sink, *dir, bytes, at),
            Some(Wire::Hole(..)) if transport == Transport::Datagram => {}
            Some(Wire::Hole(dir, len)) => driver.hole(&mut sink, *dir, *len),
            Some(Wire::LetGo) => driver.let_go(&mut sink),
            Some(Wire::End(dir)) => driver.end(&mut sink, *dir, End::Fin),
            None => Dir::BOTH.into_iter().for_each(|dir| driver.end(&mut sink, dir, End::Fin)),
        }
    }
    assert_eq!(held, 0, "what was held is released at the end");
    let Totals { stream_bytes, decoded_bytes, undecoded_bytes, encrypted_bytes, tap_bytes, .. } = out.totals;
    let said = wire.iter().map(|step| if let Wire::Data(_, bytes, _) = step { bytes.len() } else { 0 }).sum::<usize>();
    assert_eq!(stream_bytes, said as u64, "each byte is counted once");
    let decoded = u64::try_from(decoded_bytes).expect("no more is given back than was taken");
    let told = decoded + undecoded_bytes + encrypted_bytes + tap_bytes;
    assert_eq!(told, stream_bytes, "each byte is decoded, or not, or encrypted, or a tap's");
    out.flows = sketch(&out.events);
    out
}

fn stamp(packet: u64) -> Stamp {
    Stamp { packet: PacketNo(packet), time: Time::from_nanos(packet as i64) }
}

fn conversations() -> Vec<Conversation> {
    PROTOCOLS.iter().flat_map(|p| (p.samples)()).collect()
}

/// Cuts every turn at the given places; packets are numbered by the global offset of their first byte, plus one.
fn cut(talk: &Conversation, cuts: &[usize]) -> Vec<Wire> {
    let mut wire = Vec::new();
    let mut offset = 0;
    for (dir, bytes) in &talk.turns {
        if bytes.is_empty() {
            wire.push(Wire::End(*dir));
            continue;
        }
        let mut places: Vec<usize> =
            cuts.iter().filter(|c| (offset + 1..offset + bytes.len()).contains(c)).map(|c| c - offset).collect();
        places.retain(|_| talk.transport == Transport::Stream);
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        places.dedup();
        for pair in places.windows(2) {
            wire.push(Wire::Data(*dir, bytes[pair[0]..pair[1]].to_vec(), (offset + pair[0]) as u64 + 1));
        }
        offset += bytes.len();
    }
    wire
}

/// How many bytes are said.
pub fn total(talk: &Conversation) -> usize {
    talk.turns.iter().map(|(_, b)| b.len()).sum()
}

/// The stamps of a byte-by-byte run, as they are when bytes arrive in `wire`'s packets.
fn coarser(sketch: &Sketch, wire: &[Wire]) -> Sketch {
    let packets: Vec<u64> = wire.iter().filter_map(|w| if let Wire::Data(_, _, p) = w { Some(*p) } else { None }).collect();
    let floor = |p: u64| packets[packets.partition_point(|q| *q <= p).saturating_sub(1)];
    let mut s = sketch.clone();
    s.first = floor(s.first);
    for (first, _) in s.halves.iter_mut().flatten() {
        *first = floor(*first);
    }
    for (_, message) in &mut s.messages {
        message.first = stamp(floor(message.first.packet.0));
    }
    if let Some(last) = s.closed.as_mut().and_then(|c| c.last.as_mut()) {
        *last = stamp(floor(last.packet.0));
    }
    s
}

fn flush(wire: &mut Vec<Wire>, dir: Dir, keep: &mut Vec<(u8, u64)>) {
    if let Some((_, packet)) = keep.first() {
        wire.push(Wire::Data(dir, keep.iter().map(|(b, _)| *b).collect(), *packet));
    }
    keep.clear();
}

/// Whether every value of `seen` is one of `truth`'s.
fn told_true(seen: &Sketch, truth: &Sketch) -> Result<(), String> {
    let fields = seen.fields.iter().all(|(name, value)| truth.fields.get(name) == Some(value));
    let unknown = truth.halves[0].is_some() && seen.halves[0].is_none() || seen.operation.contains("unknown");
    let operation = seen.operation == truth.operation || unknown;
    let whole = |i: usize| seen.sizes[i].is_some_and(|(_, whole)| whole);
    let sizes = [0, 1].iter().all(|&i| !whole(i) || seen.sizes[i] == truth.sizes[i] && seen.bodies[i] == truth.bodies[i]);
    let bodies = [0, 1].iter().all(|&i| truth.bodies[i].starts_with(&seen.bodies[i]));
    let heads = [0, 1].iter().all(|&i| match (&seen.halves[i], &truth.halves[i]) {
        // some may not have been seen
        (Some((_, seen)), Some((_, truth))) => {
            let mut truth = truth.iter();
            seen.iter().all(|field| truth.any(|f| f == field))
        }
        (Some(_), None) => false,
        (None, _) => true,
    });
    let whole = |m: &Message| m.body.whole && !m.body.kept.is_empty();
    let is_told = |(dir, m): &(Dir, Message)| truth.messages.iter().any(|(d, t)| d == dir && t.body.kept == m.body.kept);
    let messages = seen.messages.iter().filter(|(_, m)| whole(m)).all(is_told);
    let answer = |c: &Closed| c.status.as_deref().filter(|s| *s != PENDING).map(str::to_owned);
    let status = seen.closed.as_ref().and_then(answer).is_none_or(|s| truth.closed.as_ref().and_then(answer) == Some(s));
    let checks = [
        (fields, "fields"),
        (operation, "operation"),
        (sizes, "sizes"),
        (bodies, "bodies"),
        (heads, "heads"),
        (messages, "messages"),
        (status, "status"),
    ];
    match checks.iter().find(|(ok, _)| !ok) {
        Some((_, what)) => Err((*what).to_owned()),
        None => Ok(()),
    }
}

/// The packets that brought a flow's bytes, as far as its stamps tell.
fn extent(flow: &Sketch) -> (u64, u64) {
    let last = flow.closed.as_ref().and_then(|c| c.last).map_or(u64::MAX, |s| s.packet.0);
    (flow.first, last)
}

/// The flows of a conversation, in the order of their keys.
pub fn flows(talk: &Conversation) -> Vec<Sketch> {
    reference(talk).flows.into_values().collect()
}

/// The flows of a conversation of which a turn comes whole: quicker, where the places of packets do not matter.
pub fn quick_flows(talk: &Conversation) -> Vec<Sketch> {
    in_turns(talk).flows.into_values().collect()
}

/// What a conversation comes to where nothing is lost.
pub fn reference(talk: &Conversation) -> Outcome {
    play(talk, &cut(talk, &(0..total(talk)).collect::<Vec<_>>()))
}

/// A conversation as it is told where each turn comes in one packet.
pub fn in_turns(talk: &Conversation) -> Outcome {
    play(talk, &cut(talk, &[]))
}

/// The same, with all that it might tell.
fn truth(talk: &Conversation) -> Outcome {
    Outcome { whole: talk.whole.map(|whole| flows(&whole())).unwrap_or_default(), ..reference(talk) }
}

#[test]
fn every_sample_says_something() {
    for talk in conversations() {
        let outcome = reference(&talk);
        assert!(!outcome.flows.is_empty(), "{}: no flow", talk.name);
        assert!(outcome.flows.values().all(|f| f.closed.is_some()), "{}: a flow that never ends", talk.name);
        assert!(outcome.flows.values().all(|f| !f.operation.is_empty()), "{}: a flow without a name", talk.name);
    }
}

/// A hole of `len` bytes from the `from`th on makes nothing up, and loses nothing that does not depend on it.
fn check_hole(talk: &Conversation, truth: &Outcome, cuts: &[usize], from: usize, len: usize) -> Result<(), String> {
    let (wire, dir, hole) = with_hole(talk, cuts, from, len);
    let outcome = play(talk, &wire);
    let place = format!("{}: hole {dir:?} {hole:?}", talk.name);
    for seen in outcome.flows.values() {
        if let Some(verdicts) = truth.made_up(seen) {
            return Err(format!("{place} made up {seen:?}: {verdicts:?}"));
        }
    }
    if talk.sequential {
        let after = truth.flows.values().filter(|t| extent(t).0 > hole.end).skip(1);
        let before = truth.flows.values().filter(|t| extent(t).1 < hole.start);
        let status = |s: &Sketch| s.closed.as_ref().and_then(|c| c.status.clone());
        for t in before.chain(after) {
            let same = |s: &Sketch| s.operation == t.operation && s.bodies == t.bodies && status(s) == status(t);
            if !outcome.flows.values().any(same) {
                let found: Vec<_> = outcome.flows.values().map(|s| (&s.operation, status(s), &s.notes)).collect();
                return Err(format!("{place} lost {:?}: {found:?}", t.operation));
            }
        }
    }
    Ok(())
}

#[test]
fn no_hole_without_cuts_makes_anything_up() {
    for talk in conversations() {
        let truth = truth(&talk);
        // each place of a short one; of a long one some, and the others are left to chance below
        for from in (0..total(&talk)).step_by(1 + total(&talk) / 500) {
            for len in [1, 2, 3, 7, 19, 30, 31, 62, 110, 250] {
                let verdict = check_hole(&talk, &truth, &[], from, len);
                assert!(verdict.is_ok(), "{}", verdict.unwrap_err());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_gives_the_same_flows(which in any::<prop::sample::Index>(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        let talks = conversations();
        let talk = which.get(&talks);
        let cuts: Vec<usize> = cuts.iter().map(|c| c.index(total(talk))).collect();
        let wire = cut(talk, &cuts);
        let (fine, coarse) = (reference(talk), play(talk, &wire));
        let expected: BTreeMap<_, _> = fine.flows.iter().map(|(k, s)| (*k, coarser(s, &wire))).collect();
        prop_assert_eq!(&coarse.flows, &expected, "{}", talk.name);
        prop_assert_eq!(coarse.totals, fine.totals);
    }

    #[test]
    fn a_hole_invents_nothing(
        which in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
        len in 1_usize..400,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let talks = conversations();
        let talk = which.get(&talks);
        let cuts: Vec<usize> = cuts.iter().map(|c| c.index(total(talk))).collect();
        let verdict = check_hole(talk, &truth(talk), &cuts, from.index(total(talk)), len);
        prop_assert!(verdict.is_ok(), "{}", verdict.unwrap_err());
    }

    #[test]
    fn any_mutation_ends(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..3), 1..12),
        joined in any::<bool>(),
    ) {
        let talks = conversations();
        let mut talk = which.get(&talks).clone();
        for (at, byte, how) in &changes {
            let mut at = at.index(total(&talk).max(1));
            for (_, bytes) in &mut talk.turns {
                if at < bytes.len() {
                    match how {
                        0 => bytes[at] = *byte,
                        1 => bytes.insert(at, *byte),
                        _ => { bytes.remove(at); }
                    }
                    break;
                }
                at -= bytes.len();
            }
        }
        talk.joined = if joined { Joined::Midway } else { talk.joined };
        let cuts: Vec<_> = changes.iter().map(|(at, ..)| at.index(total(&talk).max(1))).collect();
        let outcome = play(&talk, &cut(&talk, &cuts));
        prop_assert!(!outcome.events.iter().any(|e| matches!(&e.kind, EventKind::Note(_, i) if *i == Issue::PANIC)));
        prop_assert!(outcome.events.len() <= 64 * (total(&talk) + 1));
    }
}
