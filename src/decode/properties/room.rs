//! What is let go to make room is counted, and nothing is made of it.

use super::*;

/// What a connection remembers of a conversation, in bytes, where each may remember so many; and how often it had to give up something.
pub fn remembered(talk: &Conversation, memory: usize) -> (usize, u64) {
    let (mut driver, mut events, mut totals, decode_as) = (Driver::detecting(), Vec::new(), Totals::default(), Vec::new());
    let (mut streams, mut held, meta, at) = (1, 0, meta(talk.joined), Stamp::default());
    let mut sink = Sink {
        events: &mut events,
        totals: &mut totals,
        streams: &mut streams,
        held: &mut held,
        crowded: false,
        memory,
        meta: &meta,
        at,
        limits: &talk.limits,
        decode_as: &decode_as,
    };
    talk.turns.iter().for_each(|(dir, bytes)| driver.data(&mut sink, *dir, bytes, at));
    (driver.remembered(), totals.evicted_held)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn letting_go_invents_nothing(
        which in any::<prop::sample::Index>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..12),
        places in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        let talks: Vec<_> = conversations().into_iter().filter(|talk| talk.transport == Transport::Stream).collect();
        let talk = which.get(&talks);
        let cuts: Vec<usize> = cuts.iter().map(|c| c.index(total(talk))).collect();
        let mut wire = cut(talk, &cuts);
        for place in &places {
            wire.insert(place.index(wire.len() + 1), Wire::LetGo);
        }
        let truth = truth(talk);
        // that each byte is counted once is checked while it is played
        let played = play(talk, &wire).flows;
        // a client of whose overlapping questions no two are left looks like one that waits
        let overlapping = |seen: &&Sketch| ["GET /p/0", "GET /p/1", "GET /p/2"].contains(&&*seen.operation);
        let waits = talk.name == "pipelined" && played.values().filter(overlapping).count() < 2;
        // a list that nobody asked for, and that looks like a message, is one
        let asked = played.values().any(|seen| seen.operation == "LRANGE");
        let is_list = |seen: &&Sketch| talk.name == "Redis subscriber" && !asked && seen.operation == "deliver no";
        for seen in played.values().filter(|seen| !waits && !is_list(seen)) {
            // without its content type a call is what carries it, and says that it was not seen whole
            let cut = talk.name == "gRPC-Web" && seen.notes.contains(&Issue::GAP.text);
            let verdicts = truth.made_up(seen);
            prop_assert!(cut || verdicts.is_none(), "{}: made up {:?}: {:?}", talk.name, seen, verdicts);
        }
    }
}
