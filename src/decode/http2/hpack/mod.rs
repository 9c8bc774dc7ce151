//! HPACK (RFC 7541): header blocks to fields. It reads only, and goes on where fields from before the capture are not known.

mod huffman;
mod table;
#[cfg(test)]
mod tests;

use crate::decode::cursor::Cursor;
pub use table::Field;
use table::Table;

/// Reads the header blocks of one direction, each whole and in their order.
#[derive(Debug)]
pub struct Decoder(Table);

/// A block that no encoder makes: what it changes in the table is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// How a field is written (RFC 7541 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A field of the tables.
    Indexed,
    /// Written out, and inserted.
    Inserted,
    /// Written out.
    Literal,
    /// No field: the table's size changes.
    Resize,
}

impl Decoder {
    /// `opening` tells that the first block will be the first one that was sent.
    pub fn new(opening: bool) -> Self {
        Self(Table::new(opening))
    }

    /// Blocks may have gone by unseen.
    pub fn forget(&mut self) {
        self.0.forget();
    }

    /// What the fields that are held for later blocks count (RFC 7541 §4.1), in bytes.
    pub fn size(&self) -> usize {
        self.0.size()
    }

    /// What they take in memory, in bytes.
    pub fn cost(&self) -> usize {
        self.0.cost()
    }

    /// Lets the oldest of them go until they take no more than this in memory, in bytes.
    pub fn shrink(&mut self, room: usize) {
        self.0.shrink(room);
    }

    /// No block is to come soon.
    pub fn rest(&mut self) {
        self.0.rest();
    }

    /// Gives the fields of a block to `each`. One whose Huffman code is broken is given without its text, since the fields behind it can
    /// still be read.
    ///
    /// # Errors
    /// A broken block: what was read so far is given; what was in the table is forgotten.
    pub fn decode(&mut self, block: &[u8], each: &mut dyn FnMut(Field<'_>)) -> Result<(), Broken> {
        let mut cursor = Cursor::new(block);
        while !cursor.rest().is_empty() {
            if self.field(&mut cursor, each).is_none() {
                self.forget();
                return Err(Broken);
            }
        }
        Ok(())
    }

    fn field(&mut self, cursor: &mut Cursor<'_>, each: &mut dyn FnMut(Field<'_>)) -> Option<()> {
        let (form, index) = start(cursor)?;
        match form {
            Form::Resize => self.0.resize(index),
            Form::Indexed if index == 0 => return None,
            Form::Indexed => each(self.0.get(index)),
            Form::Inserted | Form::Literal => {
                let (mut own_name, mut own_value) = (Vec::new(), Vec::new());
                let written = if index == 0 { Some(string(cursor, &mut own_name)?) } else { None };
                let value = string(cursor, &mut own_value)?;
                let name = written.unwrap_or_else(|| self.0.get(index).name);
                each(Field { name, value });
                if form == Form::Inserted {
                    // the table's own texts move when it takes more in
                    let own = name.filter(|_| index > 0).map(<[u8]>::to_vec);
                    let name = if index > 0 { own.as_deref() } else { written.flatten() };
                    self.0.insert(name, value);
                }
            }
        }
        Some(())
    }
}

/// Whether these bytes can be a block, and begin as one of a request (`true`) or a response (`false`) does: with a pseudo-header field of
/// the static table. None: neither.
pub fn looks_like_head(block: &[u8]) -> Option<bool> {
    let mut cursor = Cursor::new(block);
    loop {
        match start(&mut cursor)? {
            (Form::Resize, _) => {}
            (_, 1..=7) => return Some(true),
            (_, 8..=14) => return Some(false),
            _ => return None,
        }
    }
}

/// Whether these bytes can be a whole block of no unusual number of fields, by its lengths alone: looked at in short time, whatever they
/// are.
pub fn is_block(block: &[u8]) -> bool {
    const FIELDS: usize = 128;
    let mut cursor = Cursor::new(block);
    for _ in 0..FIELDS {
        if cursor.rest().is_empty() {
            return true;
        }
        let strings = match start(&mut cursor) {
            None | Some((Form::Indexed, 0)) => return false,
            Some((Form::Indexed | Form::Resize, _)) => 0,
            Some((Form::Inserted | Form::Literal, 0)) => 2,
            Some((Form::Inserted | Form::Literal, _)) => 1,
        };
        if (0..strings).any(|_| raw_string(&mut cursor).is_none()) {
            return false;
        }
    }
    cursor.rest().is_empty()
}

/// The first byte of a field, and the number that begins in it.
fn start(cursor: &mut Cursor<'_>) -> Option<(Form, usize)> {
    let first = cursor.u8()?;
    let (form, bits) = match first {
        0x80.. => (Form::Indexed, 7),
        0x40.. => (Form::Inserted, 6),
        0x20.. => (Form::Resize, 5),
        // never to be indexed, or just not: the same to a reader
        _ => (Form::Literal, 4),
    };
    Some((form, integer(first, bits, cursor)?))
}

/// A number whose first `bits` bits are in `first` (RFC 7541 §5.1); none above 2³⁵ is sent.
fn integer(first: u8, bits: u32, cursor: &mut Cursor<'_>) -> Option<usize> {
    let most = u64::from(u8::MAX >> (8 - bits));
    let mut n = u64::from(first) & most;
    if n < most {
        return Some(n as usize);
    }
    for shift in (0..35).step_by(7) {
        let byte = cursor.u8()?;
        n += u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return usize::try_from(n).ok();
        }
    }
    None
}

/// A string (RFC 7541 §5.2), decoded into `own` where it is coded; inner none: its code is broken.
fn string<'s, 'd: 's>(cursor: &mut Cursor<'d>, own: &'s mut Vec<u8>) -> Option<Option<&'s [u8]>> {
    let (coded, text) = raw_string(cursor)?;
    if !coded {
        return Some(Some(text));
    }
    Some(huffman::decode(text, own).then_some(own.as_slice()))
}

fn raw_string<'a>(cursor: &mut Cursor<'a>) -> Option<(bool, &'a [u8])> {
    let first = cursor.u8()?;
    let length = integer(first, 7, cursor)?;
    Some((first & 0x80 != 0, cursor.take(length)?))
}
