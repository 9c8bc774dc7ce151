//! What a conversation comes to of which some bytes are lost.

use super::*;

/// Its flows without `len` bytes from the `from`th on, in the order of their keys.
pub fn flows_without(talk: &Conversation, from: usize, len: usize) -> Vec<Sketch> {
    play(talk, &with_hole(talk, &[], from, len).0).flows.into_values().collect()
}

/// A range of the turn that starts at global offset `from` is cut out.
pub(super) fn with_hole(talk: &Conversation, cuts: &[usize], from: usize, len: usize) -> (Vec<Wire>, Dir, std::ops::Range<u64>) {
    let mut wire = Vec::new();
    let mut hole = (talk.turns[0].0, 0..0);
    let (mut offset, mut left) = (0, 0);
    let datagrams = talk.transport == Transport::Datagram;
    for (dir, bytes) in &talk.turns {
        if bytes.is_empty() {
            wire.push(Wire::End(*dir));
        }
        let start = offset;
        if datagrams {
            let ends = offset + bytes.len();
            if from < ends && offset < from + len {
                let first = if hole.1.is_empty() { offset as u64 + 1 } else { hole.1.start };
                hole = (*dir, first..ends as u64 + 1);
            } else if !bytes.is_empty() {
                wire.push(Wire::Data(*dir, bytes.clone(), offset as u64 + 1));
            }
            offset = ends;
            continue;
        }
        let mut keep = Vec::new();
        for (i, b) in bytes.iter().enumerate() {
            let at = start + i;
            if at == from {
                (hole, left) = ((*dir, from as u64 + 1..from as u64 + 1), len);
            }
            let lost = left > 0 && *dir == hole.0 && at >= from;
            if lost {
                left -= 1;
                hole.1.end = at as u64 + 2;
                if let Some(Wire::Hole(d, n)) = wire.last_mut()
                    && *d == *dir
                    && keep.is_empty()
                {
                    *n += 1;
                } else {
                    flush(&mut wire, *dir, &mut keep);
                    wire.push(Wire::Hole(*dir, 1));
                }
            } else {
                if keep.is_empty() || cuts.contains(&at) {
                    flush(&mut wire, *dir, &mut keep);
                }
                keep.push((*b, at as u64 + 1));
            }
        }
        flush(&mut wire, *dir, &mut keep);
        offset += bytes.len();
    }
    (wire, hole.0, hole.1)
}
