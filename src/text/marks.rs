//! Where in a text the bytes of a class stand.

use std::marker::PhantomData;

/// How many bytes are looked at at once.
const BLOCK: usize = 64;

/// Bytes that somebody looks for.
pub trait Class {
    /// Whether a byte is one.
    fn has(byte: u8) -> bool;
}

/// Finds them from front to back, a block at a time: the next one costs as little where they stand close together as where they don't.
pub struct Marks<'t, C> {
    bytes: &'t [u8],
    class: PhantomData<C>,
    /// Which block was looked at last.
    block: usize,
    /// Which of its bytes are of the class, the first one in the lowest bit.
    found: u64,
}

impl<'t, C: Class> Marks<'t, C> {
    /// Those in a text.
    pub fn new(bytes: &'t [u8]) -> Self {
        Self { bytes, class: PhantomData, block: usize::MAX, found: 0 }
    }

    /// The place of the next one from `at` on.
    #[inline]
    pub fn next(&mut self, at: usize) -> Option<usize> {
        let left = if at / BLOCK == self.block { self.found >> (at % BLOCK) } else { 0 };
        if left != 0 { Some(at + left.trailing_zeros() as usize) } else { self.further(at) }
    }

    /// The same, where it is not in the block that was looked at last.
    #[inline(never)]
    fn further(&mut self, mut at: usize) -> Option<usize> {
        if at / BLOCK == self.block {
            at = (self.block + 1) * BLOCK;
        }
        loop {
            let block = at / BLOCK;
            self.found = look::<C>(self.bytes.get(block * BLOCK..).filter(|rest| !rest.is_empty())?);
            self.block = block;
            let left = self.found >> (at % BLOCK);
            if left != 0 {
                return Some(at + left.trailing_zeros() as usize);
            }
            at = (block + 1) * BLOCK;
        }
    }
}

/// Which bytes of the block at the beginning are of the class.
fn look<C: Class>(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(block) => marks::<C>(block),
        None => {
            let mut block = [0; BLOCK];
            block.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            marks::<C>(&block) & !(u64::MAX << bytes.len())
        }
    }
}

fn marks<C: Class>(block: &[u8; BLOCK]) -> u64 {
    /// Brings the lowest bits of eight bytes together in the highest byte, the first one's in its lowest bit.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let each = block.map(|byte| u8::from(C::has(byte)));
    let (words, _) = each.as_chunks();
    words.iter().rev().fold(0, |marks, word| marks << 8 | u64::from_le_bytes(*word).wrapping_mul(GATHER) >> 56)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Colon;

    impl Class for Colon {
        fn has(byte: u8) -> bool {
            byte == b':' || byte == 0
        }
    }

    #[test]
    fn each_is_found_wherever_it_stands_and_nothing_behind_the_end() {
        for length in 0..200 {
            for (first, second) in [(0, 1), (7, 8), (62, 63), (63, 64), (64, 127), (5, 128), (1, 199)] {
                let text: Vec<u8> = (0..length).map(|at| if at == first || at == second { b':' } else { b'a' }).collect();
                let mut marks = Marks::<Colon>::new(&text);
                for at in 0..length + 70 {
                    let next = [first, second].into_iter().find(|place| *place >= at && *place < length);
                    assert_eq!(marks.next(at), next, "from {at} of {length}");
                }
                assert_eq!(marks.next(0), text.iter().position(|byte| *byte == b':'));
            }
        }
        assert_eq!(Marks::<Colon>::new(&[b':'; 100]).next(77), Some(77));
    }
}
