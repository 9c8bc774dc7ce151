//! The wire format of protocol buffers (protobuf.dev, "Encoding"), field by field, without a schema. What a field means is not known here.

use crate::decode::cursor::Cursor;

/// How deep messages and groups may nest: what the reference implementations take.
pub(super) const MAX_DEPTH: usize = 100;

/// One field as it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Field<'a> {
    pub number: u32,
    pub value: Value<'a>,
}

/// What a field holds, by wire type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// 0.
    Varint(u64),
    /// 1.
    Fixed64(u64),
    /// 2: text, bytes, a message, packed numbers.
    Bytes(&'a [u8]),
    /// 3, up to the 4 that ends it.
    Group(&'a [u8]),
    /// 5.
    Fixed32(u32),
}

/// Why bytes are no fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// They end inside a field.
    Ends,
    /// They cannot go on to be fields.
    Bad(&'static str),
}

impl Fault {
    pub fn text(self) -> &'static str {
        match self {
            Self::Ends => "it ends inside a field",
            Self::Bad(what) => what,
        }
    }
}

/// The fields of a message, up to the first fault.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    cursor: Cursor<'a>,
    done: bool,
}

impl<'a> Fields<'a> {
    pub const fn of(bytes: &'a [u8]) -> Self {
        Self { cursor: Cursor::new(bytes), done: false }
    }

    /// How many bytes the fields so far took.
    pub const fn position(&self) -> usize {
        self.cursor.position()
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done || self.cursor.rest().is_empty() {
            return None;
        }
        // a field that is not whole is not passed
        let mut ahead = self.cursor;
        let field = field(&mut ahead);
        match field {
            Ok(_) => self.cursor = ahead,
            Err(_) => self.done = true,
        }
        Some(field)
    }
}

/// A varint: at most ten bytes, of which the last counts one bit.
pub(super) fn varint(cursor: &mut Cursor<'_>) -> Result<u64, Fault> {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let &[byte] = cursor.take(1).ok_or(Fault::Ends)? else { return Err(Fault::Ends) };
        if shift == 63 && byte > 1 {
            break;
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Fault::Bad("a varint of more than 64 bits"))
}

/// A field's number and wire type.
pub(super) fn key(cursor: &mut Cursor<'_>) -> Result<(u32, u8), Fault> {
    let key = varint(cursor)?;
    match u32::try_from(key) {
        Ok(key) if key >> 3 > 0 => Ok((key >> 3, (key & 7) as u8)),
        Ok(_) => Err(Fault::Bad("a field number of 0")),
        Err(_) => Err(Fault::Bad("a field number above 536870911")),
    }
}

/// A length and that many bytes.
pub(super) fn delimited<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Fault> {
    let length = usize::try_from(varint(cursor)?).map_err(|_| Fault::Ends)?;
    cursor.take(length).ok_or(Fault::Ends)
}

fn field<'a>(cursor: &mut Cursor<'a>) -> Result<Field<'a>, Fault> {
    let (number, wire_type) = key(cursor)?;
    let value = match wire_type {
        3 => Value::Group(group(cursor, number)?),
        4 => return Err(Fault::Bad("the end of a group that did not begin")),
        other => scalar(cursor, other)?,
    };
    Ok(Field { number, value })
}

fn scalar<'a>(cursor: &mut Cursor<'a>, wire_type: u8) -> Result<Value<'a>, Fault> {
    match wire_type {
        0 => varint(cursor).map(Value::Varint),
        1 => fixed(cursor).map(|bytes| Value::Fixed64(u64::from_le_bytes(bytes))),
        2 => delimited(cursor).map(Value::Bytes),
        5 => fixed(cursor).map(|bytes| Value::Fixed32(u32::from_le_bytes(bytes))),
        _ => Err(Fault::Bad("a wire type that does not exist")),
    }
}

fn fixed<const N: usize>(cursor: &mut Cursor<'_>) -> Result<[u8; N], Fault> {
    cursor.take(N).and_then(|bytes| bytes.try_into().ok()).ok_or(Fault::Ends)
}

/// What stands before the end of the group that just began.
fn group<'a>(cursor: &mut Cursor<'a>, number: u32) -> Result<&'a [u8], Fault> {
    let inside = cursor.rest();
    let start = cursor.position();
    let mut open = vec![number];
    loop {
        let end = cursor.position() - start;
        match key(cursor)? {
            (number, 4) if open.pop() == Some(number) => {
                if open.is_empty() {
                    return Ok(inside.get(..end).unwrap_or_default());
                }
            }
            (_, 4) => return Err(Fault::Bad("the end of another group")),
            (_, 3) if open.len() == MAX_DEPTH => return Err(Fault::Bad("nested too deeply")),
            (number, 3) => open.push(number),
            (_, wire_type) => _ = scalar(cursor, wire_type)?,
        }
    }
}
