//! Values and tables of AMQP 0-9-1 (§4.2.5), as RabbitMQ and its clients write them
//! (<https://www.rabbitmq.com/amqp-0-9-1-errata#section_3>): in the order of the wire, duplicates kept. Not which method has which.

use crate::decode::cursor::Cursor;
use crate::model::{Value, text_of};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::borrow::Cow;

/// How deep tables and arrays may lie in one another.
pub const DEPTH: usize = 16;
/// How many fields and elements of one table are kept, those of inner ones included; further ones are read and dropped.
const FIELDS: usize = 1000;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Field<'a> {
    /// `V`.
    Void,
    /// `t`, and the bits of a method's arguments.
    Bool(bool),
    /// `b` `s` `U` `I` `l` `L`: one to eight bytes, signed.
    Int(i64),
    /// `B` `u` `i`, and the numbers of a method's arguments.
    Uint(u64),
    /// `f`.
    Float(f32),
    /// `d`.
    Double(f64),
    /// `D`: a number, and how many of its digits are behind the point.
    Decimal(i32, u8),
    /// `S`, and short strings: text by intent, any bytes in fact.
    Text(&'a [u8]),
    /// `x`: shown as text where they are some, else in base64.
    Bytes(&'a [u8]),
    /// `T`: seconds since 1970.
    Time(u64),
    /// `A`.
    List(Vec<Field<'a>>),
    /// `F`.
    Table(Table<'a>),
}

/// Names and values in order: a table, a method's arguments, a message's properties.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table<'a>(pub Vec<(&'a [u8], Field<'a>)>);

impl<'a> Table<'a> {
    /// The first value of a name.
    pub fn get(&self, name: &str) -> Option<&Field<'a>> {
        self.0.iter().find(|(n, _)| *n == name.as_bytes()).map(|(_, field)| field)
    }

    /// The bytes of a text; none where it is absent, or something else.
    pub fn bytes(&self, name: &str) -> &'a [u8] {
        match self.get(name) {
            Some(Field::Text(text)) => text,
            _ => &[],
        }
    }

    /// A text; empty where it is absent, or something else.
    pub fn text(&self, name: &str) -> Cow<'a, str> {
        text_of(self.bytes(name))
    }

    /// A number; 0 where it is absent, or something else.
    pub fn number(&self, name: &str) -> u64 {
        match self.get(name) {
            Some(Field::Uint(n)) => *n,
            _ => 0,
        }
    }

    /// Whether a bit is set.
    pub fn is(&self, name: &str) -> bool {
        self.get(name) == Some(&Field::Bool(true))
    }

    /// Those of some names.
    pub fn only(&self, names: &[&str]) -> Self {
        Self(self.0.iter().filter(|(name, _)| names.iter().any(|n| n.as_bytes() == *name)).cloned().collect())
    }

    /// As a field of a flow.
    pub fn value(&self) -> Value {
        Value::Map(self.0.iter().map(|(name, field)| (text_of(name).into(), field.value())).collect())
    }
}

impl Field<'_> {
    /// As a field of a flow: what JSON has no form for is text.
    pub fn value(&self) -> Value {
        match self {
            Self::Void => Value::Null,
            Self::Bool(b) => Value::Bool(*b),
            Self::Int(n) => Value::Int(*n),
            Self::Uint(n) | Self::Time(n) => i64::try_from(*n).map_or_else(|_| Value::Number(n.to_string().into()), Value::Int),
            Self::Float(_) | Self::Double(_) | Self::Decimal(..) => {
                let text = self.text();
                let finite = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'.'));
                if finite { Value::Number(text.into()) } else { Value::Text(text.into()) }
            }
            Self::Text(_) | Self::Bytes(_) => Value::Text(self.text().into()),
            Self::List(items) => Value::List(items.iter().map(Field::value).collect()),
            Self::Table(table) => table.value(),
        }
    }

    /// In one line, as a header's value.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Void => Cow::Borrowed(""),
            Self::Bool(b) => Cow::Borrowed(if *b { "true" } else { "false" }),
            Self::Int(n) => n.to_string().into(),
            Self::Uint(n) | Self::Time(n) => n.to_string().into(),
            Self::Float(n) => n.to_string().into(),
            Self::Double(n) => n.to_string().into(),
            Self::Decimal(digits, scale) => decimal(*digits, usize::from(*scale)).into(),
            Self::Text(text) => text_of(text),
            Self::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) if !text.contains(char::is_control) => Cow::Borrowed(text),
                _ => BASE64.encode(bytes).into(),
            },
            Self::List(items) => format!("[{}]", items.iter().map(Field::text).collect::<Vec<_>>().join(", ")).into(),
            Self::Table(Table(pairs)) => {
                let pairs = pairs.iter().map(|(name, field)| format!("{}: {}", text_of(name), field.text()));
                format!("{{{}}}", pairs.collect::<Vec<_>>().join(", ")).into()
            }
        }
    }
}

fn decimal(digits: i32, scale: usize) -> String {
    let (sign, digits) = (if digits < 0 { "-" } else { "" }, format!("{:0>1$}", digits.unsigned_abs(), scale + 1));
    let (whole, part) = digits.split_at(digits.len() - scale);
    if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

/// A short string: a length in one byte, then so many (§4.2.5.3).
pub fn short<'a>(c: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let length = c.u8()?;
    c.take(length.into())
}

/// A long string: the same with a length in four bytes.
pub fn long<'a>(c: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let length = c.u32()?;
    c.take(usize::try_from(length).ok()?)
}

/// Eight bytes.
pub fn eight(c: &mut Cursor<'_>) -> Option<u64> {
    c.take(8)?.try_into().ok().map(u64::from_be_bytes)
}

/// A table: a length in four bytes, then names and values. None where it breaks its own bounds, or has a type that nobody knows.
pub fn table<'a>(c: &mut Cursor<'a>) -> Option<Table<'a>> {
    pairs(long(c)?, DEPTH, &mut { FIELDS })
}

/// Names and values that fill the bytes.
pub fn bare_table(bytes: &[u8]) -> Option<Table<'_>> {
    pairs(bytes, DEPTH, &mut { FIELDS })
}

/// The same without one table that lies in it, which has bounds of its own: that one, where it is there and within them.
pub fn apart<'a>(bytes: &'a [u8], inner: &[u8], depth: usize) -> Option<(Table<'a>, Option<Table<'a>>)> {
    let (mut c, mut found, mut apart, mut room) = (Cursor::new(bytes), Vec::new(), None, FIELDS);
    while !c.rest().is_empty() {
        let name = short(&mut c)?;
        if name == inner && c.rest().first() == Some(&b'F') {
            c.u8()?;
            apart = pairs(long(&mut c)?, depth, &mut { FIELDS });
            continue;
        }
        let value = field(&mut c, DEPTH, &mut room)?;
        if take(&mut room) {
            found.push((name, value));
        }
    }
    Some((Table(found), apart))
}

fn pairs<'a>(bytes: &'a [u8], depth: usize, room: &mut usize) -> Option<Table<'a>> {
    let (mut c, mut found) = (Cursor::new(bytes), Vec::new());
    while !c.rest().is_empty() {
        let pair = (short(&mut c)?, field(&mut c, depth, room)?);
        if take(room) {
            found.push(pair);
        }
    }
    Some(Table(found))
}

fn field<'a>(c: &mut Cursor<'a>, depth: usize, room: &mut usize) -> Option<Field<'a>> {
    Some(match c.u8()? {
        b'V' => Field::Void,
        b't' => Field::Bool(c.u8()? != 0),
        b'b' => Field::Int(i64::from(c.u8()?.cast_signed())),
        b'B' => Field::Uint(c.u8()?.into()),
        b's' | b'U' => Field::Int(i64::from(c.u16()?.cast_signed())),
        b'u' => Field::Uint(c.u16()?.into()),
        b'I' => Field::Int(i64::from(c.u32()?.cast_signed())),
        b'i' => Field::Uint(c.u32()?.into()),
        b'l' | b'L' => Field::Int(eight(c)?.cast_signed()),
        b'f' => Field::Float(f32::from_bits(c.u32()?)),
        b'd' => Field::Double(f64::from_bits(eight(c)?)),
        b'D' => {
            let scale = c.u8()?;
            Field::Decimal(c.u32()?.cast_signed(), scale)
        }
        b'S' => Field::Text(long(c)?),
        b'x' => Field::Bytes(long(c)?),
        b'T' => Field::Time(eight(c)?),
        b'A' => {
            let (mut inner, depth, mut items) = (Cursor::new(long(c)?), depth.checked_sub(1)?, Vec::new());
            while !inner.rest().is_empty() {
                let item = field(&mut inner, depth, room)?;
                if take(room) {
                    items.push(item);
                }
            }
            Field::List(items)
        }
        b'F' => Field::Table(pairs(long(c)?, depth.checked_sub(1)?, room)?),
        _ => return None,
    })
}

/// Whether there is room for one more.
fn take(room: &mut usize) -> bool {
    let more = *room > 0;
    *room = room.saturating_sub(1);
    more
}
