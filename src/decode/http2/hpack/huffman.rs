//! The Huffman code of HPACK (RFC 7541 §5.2 and Appendix B), four bits a step through a table made at compile time. Not the strings' framing.

/// How many bits each symbol's code has, the 256 bytes and then the end of string. The code is canonical: codes of one length are
/// handed out in the symbols' order, shorter ones first, so that their lengths say it all.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28,
    28, //
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, //
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, //
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, //
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23,
    24, //
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22,
    23, //
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27,
    27, //
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27,
    26, //
    30,
];

/// The symbol that may not occur in a string.
const END_OF_STRING: u16 = 256;
/// The longest code, in bits.
const LONGEST: u8 = 30;
/// What four more bits lead to, from each place within a code: 256 places, since a binary tree with 257 leaves forks so often.
static STEPS: [[Step; 16]; 256] = steps();
/// Whether a string may end at a place: at a code's end, or within at most seven bits of the end of string's code, which are all ones.
static ENDS: [bool; 256] = ends();

/// Where four bits lead.
#[derive(Clone, Copy)]
enum Step {
    /// To another place.
    On(u8),
    /// To another place, and a byte is out.
    Out(u8, u8),
    /// Out of the code: the end of string.
    Never,
}

/// Appends what `data` stands for to `out`. Whether it is a valid string: no end of string in it, and padded with fewer than eight ones.
pub fn decode(data: &[u8], out: &mut Vec<u8>) -> bool {
    let mut place = 0;
    for nibble in data.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
        match STEPS.get(usize::from(place)).and_then(|steps| steps.get(usize::from(nibble))) {
            Some(Step::On(to)) => place = *to,
            Some(Step::Out(to, byte)) => {
                out.push(*byte);
                place = *to;
            }
            Some(Step::Never) | None => return false,
        }
    }
    ENDS.get(usize::from(place)).is_some_and(|end| *end)
}

/// A fork of the tree, by the next bit: `FORK + place`, a symbol, or 0 where nothing is yet.
const FORK: u16 = 1 << 10;

const fn tree() -> [[u16; 2]; 256] {
    const SYMBOL: u16 = 1 << 11;
    let mut tree = [[0_u16; 2]; 256];
    let (mut places, mut code, mut length) = (1, 0_u32, 1);
    while length <= LONGEST {
        let mut symbol = 0;
        while symbol < 257 {
            if LENGTHS[symbol] == length {
                let (mut place, mut bit) = (0, length - 1);
                while bit > 0 {
                    let side = (code >> bit & 1) as usize;
                    if tree[place][side] == 0 {
                        tree[place][side] = FORK + places;
                        places += 1;
                    }
                    place = (tree[place][side] - FORK) as usize;
                    bit -= 1;
                }
                tree[place][(code & 1) as usize] = SYMBOL + symbol as u16;
                code += 1;
            }
            symbol += 1;
        }
        code <<= 1;
        length += 1;
    }
    tree
}

const fn steps() -> [[Step; 16]; 256] {
    let tree = tree();
    let mut steps = [[Step::Never; 16]; 256];
    let mut from = 0;
    while from < 256 {
        let mut nibble = 0;
        while nibble < 16 {
            let (mut place, mut out, mut bit) = (from, None, 4);
            let mut never = false;
            while bit > 0 {
                bit -= 1;
                let next = tree[place][nibble >> bit & 1];
                if next < 2 * FORK {
                    place = (next - FORK) as usize;
                } else {
                    let symbol = next - 2 * FORK;
                    never |= symbol == END_OF_STRING;
                    out = Some(symbol as u8);
                    place = 0;
                }
            }
            steps[from][nibble] = match out {
                _ if never => Step::Never,
                Some(byte) => Step::Out(place as u8, byte),
                None => Step::On(place as u8),
            };
            nibble += 1;
        }
        from += 1;
    }
    steps
}

const fn ends() -> [bool; 256] {
    let tree = tree();
    let mut ends = [false; 256];
    let (mut place, mut ones) = (0, 0);
    while ones < 8 {
        ends[place] = true;
        place = (tree[place][1] - FORK) as usize;
        ones += 1;
    }
    ends
}
