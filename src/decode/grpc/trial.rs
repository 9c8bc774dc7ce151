//! Where messages begin again after a hole: at the beginning of a frame, once what follows shows it. Nothing is told before that, and
//! never what only may be a message.
//!
//! ```text
//!  frame ─┬─ message ─ message ─ … ─ end of the frame                          that many lengths fit by no chance
//!         └─ message, over several frames ─ end of a frame ─┬─ … the same ─┐   one length may, two do not
//!                                                           └─ end of the side
//! ```
//! Senders begin a message with a frame of its own, or put several whole ones into one. Where one begins within a frame and ends within
//! another, nothing is sure, and the next frame is tried. One thing reads the same and cannot be told apart: content of a message that
//! holds such messages itself, if a frame begins and ends just where they do.

use super::COMPRESSED;
use super::messages::{Piece, Reader, Room, State};
use crate::model::Stamp;

/// The longest message that is waited for over several frames, in bytes: as much as peers take unless they are told otherwise. Bytes that
/// only look like its length would hide all others for so long.
const LONGEST: u64 = 4 * 1024 * 1024;
/// How many messages of a frame are held until it ends: those of a frame as long as peers send unless they are told otherwise (16 KiB,
/// RFC 9113 §6.5.2), each with a byte of content.
const MOST: usize = 16_384 / 6 + 1;

/// Messages that are read as if the frame began with one.
#[derive(Debug)]
pub struct Trial {
    pub reader: Reader,
    /// Those that are whole.
    pub found: Vec<Piece>,
    /// The rest of the frame, in bytes.
    left: u64,
    /// Whether the first one goes on behind its frame.
    long: bool,
    /// Whether it ended with one.
    fit: bool,
}

/// Whether messages begin there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// What comes will tell.
    Open,
    Yes,
    No,
}

impl Trial {
    /// At the beginning of a frame with so many bytes.
    pub fn new(length: u64) -> Self {
        Self { reader: Reader::default(), found: Vec::new(), left: length, long: false, fit: false }
    }

    /// The next frame begins.
    pub fn frame(&mut self, length: u64) {
        self.left = length;
    }

    /// Reads on; bytes of one frame.
    pub fn read(&mut self, data: &[u8], at: &dyn Fn(usize) -> Stamp, room: &mut Room<'_>) -> Verdict {
        let valid = self.reader.framed(data, at, room, &mut self.found);
        self.left = self.left.saturating_sub(data.len() as u64);
        let known = |piece: &Piece| piece.flags <= COMPRESSED;
        let begun = match &self.reader.state {
            State::Message(piece, _) => Some(piece),
            State::Prefix(..) | State::Lost | State::Trial(_) => None,
        };
        if !valid || !self.found.iter().chain(begun).all(known) || self.found.len() > MOST {
            return Verdict::No;
        }
        if self.left > 0 {
            return Verdict::Open;
        }
        // nothing but zeros would read as empty messages, as many as one likes
        let says = |found: &[Piece]| found.len() == 1 || found.first().is_some_and(|piece| piece.bytes > 0);
        match (self.reader.is_between(), begun) {
            (true, _) if self.fit || !self.long && says(&self.found) => Verdict::Yes,
            (true, _) if self.long => {
                self.fit = true;
                Verdict::Open
            }
            (false, Some(piece)) if self.found.is_empty() && piece.bytes <= LONGEST || self.fit && self.found.len() == 1 => {
                self.long = true;
                Verdict::Open
            }
            _ => Verdict::No,
        }
    }

    /// Whether the end of the side is where it would have to be.
    pub fn fits(&self) -> bool {
        self.fit && self.reader.is_between()
    }

    /// Messages do not begin there: what was taken for some is given, as none.
    pub fn fail(self, out: &mut Vec<Piece>) {
        let Self { mut reader, mut found, .. } = self;
        reader.lose(&mut found);
        found.iter_mut().for_each(|piece| piece.sure = false);
        out.append(&mut found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Input;
    use crate::model::Dir;
    use proptest::prelude::*;

    fn framed(message: &[u8]) -> Vec<u8> {
        [&[0][..], &(message.len() as u32).to_be_bytes(), message].concat()
    }

    /// What a reader that has lost its place makes of the content of frames, and whether all of it is sure.
    fn found(frames: &[Vec<u8>], ends: bool) -> (Vec<Vec<u8>>, bool) {
        let (mut reader, mut out) = (Reader::default(), Vec::new());
        reader.lose(&mut out);
        for frame in frames {
            reader.frame(frame.len() as u64);
            // as they come, in pieces
            for data in frame.chunks(700) {
                let stamps = [(0, Stamp::default())];
                let input = Input::new(Dir::ToClient, data, 0, &stamps);
                reader.read(input, &mut Room { keep: usize::MAX, hold: &mut |n| n }, &mut out);
            }
        }
        if ends {
            reader.last(&mut out);
        }
        reader.end(false, &mut out);
        let sure = out.iter().all(|piece| piece.sure);
        (out.into_iter().filter(|piece| piece.sure && piece.whole).map(|piece| piece.kept).collect(), sure)
    }

    #[test]
    fn several_whole_messages_in_a_frame_are_found() {
        let (a, b, c) = (b"one".to_vec(), Vec::new(), b"three".to_vec());
        let all = [framed(&a), framed(&b), framed(&c)].concat();
        assert_eq!(found(&[b"the rest of one".to_vec(), all.clone()], true), (vec![a.clone(), b.clone(), c.clone()], true));
        // what follows is read on, wherever it begins
        let frames = [all.clone(), all[..4].to_vec(), all[4..].to_vec()];
        assert_eq!(found(&frames, true).0.len(), 6);
        // one byte more or less, and nothing is
        assert_eq!(found(&[all[..all.len() - 1].to_vec()], true), (Vec::new(), false));
        assert_eq!(found(&[[&all[..], &[0]].concat()], true), (Vec::new(), false));
    }

    #[test]
    fn a_message_of_several_frames_is_found_once_another_length_fits() {
        let long = vec![7; 40_000];
        let frames: Vec<_> = framed(&long).chunks(16_384).map(<[u8]>::to_vec).collect();
        assert_eq!(found(&frames, true), (vec![long.clone()], true), "the end of the side");
        assert_eq!(found(&frames, false), (Vec::new(), false), "its end was not seen");
        let twice = [&frames[..], &frames].concat();
        assert_eq!(found(&twice, false).0, [&long[..], &long]);
        let then = |next: &[u8]| found(&[&frames[..], &[next.to_vec()]].concat(), false).0.len();
        assert_eq!((then(&framed(b"short")), then(b"no message")), (2, 0));
        // what the length ends within is no frame's end
        assert_eq!(found(&[frames[0].clone(), frames[1].clone(), [&frames[2][..], b"x"].concat()], true).0.len(), 0);
    }

    #[test]
    fn zeros_are_no_messages() {
        for length in 6..200 {
            assert_eq!(found(&[vec![0; length]], true).0.len(), 0, "{length}");
        }
    }

    #[test]
    fn no_more_messages_are_held_than_a_usual_frame_has() {
        let many = framed(b"x").repeat(MOST);
        assert_eq!(found(std::slice::from_ref(&many), true).0.len(), MOST);
        assert_eq!(found(&[framed(b"x").repeat(MOST + 1)], true), (Vec::new(), false));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_is_found_was_sent(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..12),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
            lost in any::<prop::sample::Index>(),
            whole in any::<bool>(),
        ) {
            let (mut content, mut ends) = (Vec::new(), vec![0]);
            for message in &messages {
                content.extend(framed(message));
                ends.push(content.len());
            }
            // frames end anywhere, or where messages do
            let mut cuts: Vec<usize> =
                cuts.iter().map(|cut| if whole { *cut.get(&ends) } else { cut.index(content.len() + 1) }).collect();
            cuts.extend([0, content.len()]);
            cuts.sort_unstable();
            cuts.dedup();
            // no content that is such a message itself, alone in its frame, or in two of which one is tiny
            let alone = |frame: &[u8]| frame.len() < 10 || frame == framed(&frame[5..]);
            let told_apart = |cut: &&[usize]| ends.contains(&cut[0]) || !alone(&content[cut[0]..cut[1]]);
            let cuts: Vec<_> = cuts.windows(2).filter(told_apart).map(|cut| cut[0]).chain([content.len()]).collect();
            let frames: Vec<_> = cuts.windows(2).map(|cut| content[cut[0]..cut[1]].to_vec()).collect();
            let from = lost.index(frames.len());
            let (found, _) = found(&frames[from..], true);
            prop_assert!(messages.ends_with(&found), "{found:?}");
            // of a zero-length one alone in its frame all is known too
            let spoken = |frame: &Vec<u8>| frame.len() == 5 || frame.get(..5).is_some_and(|head| head != [0; 5]);
            if whole && frames[from..].first().is_some_and(spoken) {
                prop_assert_eq!(found.len(), ends.iter().rev().skip(1).filter(|end| **end >= cuts[from]).count());
            }
        }
    }
}
