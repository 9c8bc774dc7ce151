//! The parameters of a Bind as they are read by people: text as text, binary ones by their types, as far as those are told, else as
//! PostgreSQL writes bytes (`\x…`).
//!
//! ```text
//!  portal 0 statement 0   | n | format × n |   | n | length | value | × n   …
//!                           2   2                2   4: -1 is null
//! ```

use crate::decode::cursor::Cursor;
use crate::model::Value;
use std::fmt::Write;

/// How many are kept, and how much of each.
const PARAMETERS: usize = 100;
const LONGEST: usize = 1024;
/// What follows in the place of what was not kept.
pub(super) const ELLIPSIS: &str = "…";

/// The types of parameters (object identifiers), as a Parse or a ParameterDescription tells them.
pub(super) fn types(c: &mut Cursor<'_>) -> Vec<u32> {
    let count = usize::from(c.u16().unwrap_or_default()).min(PARAMETERS);
    (0..count).map_while(|_| c.u32()).collect()
}

/// What a Bind tells behind its names.
pub(super) fn values(c: &mut Cursor<'_>, types: &[u32]) -> Option<Vec<Value>> {
    let formats: Vec<u16> = (0..c.u16()?).map(|_| c.u16()).collect::<Option<_>>()?;
    let count = usize::from(c.u16()?);
    let mut values = Vec::new();
    for at in 0..count.min(PARAMETERS) {
        let length = c.u32()?;
        if length == u32::MAX {
            values.push(Value::Null);
            continue;
        }
        let binary = formats.get(if formats.len() == 1 { 0 } else { at }) == Some(&1);
        let whole = c.take(length as usize);
        let of = types.get(at).copied().filter(|_| binary && whole.is_some());
        values.push(Value::from(shown(whole.unwrap_or(c.rest()), length as usize, of, binary).as_str()));
        if whole.is_none() {
            break;
        }
    }
    if count > PARAMETERS {
        values.push(ELLIPSIS.into());
    }
    Some(values)
}

/// A value of so many bytes, as far as it was read, of a type if it is told that.
fn shown(bytes: &[u8], length: usize, of: Option<u32>, binary: bool) -> String {
    if let Some(text) = of.and_then(|of| typed(bytes, of)) {
        return text;
    }
    let kept = bytes.get(..LONGEST).unwrap_or(bytes);
    let cut = if kept.len() < length { ELLIPSIS } else { "" };
    let text = match std::str::from_utf8(kept) {
        Ok(text) => Some(text),
        // a character that is cut is left out
        Err(e) if e.error_len().is_none() && !cut.is_empty() => {
            std::str::from_utf8(kept.get(..e.valid_up_to()).unwrap_or_default()).ok()
        }
        Err(_) => None,
    };
    match text.filter(|_| !binary) {
        Some(text) => format!("{text}{cut}"),
        None => kept.iter().fold("\\x".to_owned(), |hex, b| hex + &format!("{b:02x}")) + cut,
    }
}

/// Binary values of the types that programs use for numbers and names (`pg_type.dat`).
fn typed(bytes: &[u8], of: u32) -> Option<String> {
    Some(match (of, bytes) {
        // bool
        (16, [b]) => (*b != 0).to_string(),
        // int8, int2, int4, oid
        (20, _) => i64::from_be_bytes(bytes.try_into().ok()?).to_string(),
        (21, _) => i16::from_be_bytes(bytes.try_into().ok()?).to_string(),
        (23, _) => i32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        (26, _) => u32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        // float4, float8
        (700, _) => f32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        (701, _) => f64::from_be_bytes(bytes.try_into().ok()?).to_string(),
        // text, char(n), varchar, name, json
        (25 | 1042 | 1043 | 19 | 114, _) if bytes.len() <= LONGEST => std::str::from_utf8(bytes).ok()?.to_owned(),
        // uuid
        (2950, _) if bytes.len() == 16 => bytes.iter().enumerate().fold(String::new(), |mut uuid, (at, b)| {
            let dash = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
            _ = write!(uuid, "{dash}{b:02x}");
            uuid
        }),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_values_are_shown_by_their_types() {
        for (of, bytes, text) in [
            (16, &[1][..], "true"),
            (20, &[0xff; 8], "-1"),
            (21, &[0, 10], "10"),
            (23, &[0, 1, 0, 0], "65536"),
            (26, &[0xff; 4], "4294967295"),
            (701, &[0x3f, 0xf8, 0, 0, 0, 0, 0, 0], "1.5"),
            (25, b"tea", "tea"),
            (2950, &[0x0f; 16], "0f0f0f0f-0f0f-0f0f-0f0f-0f0f0f0f0f0f"),
            // of another length than its type, and of a type that is not read
            (23, &[7], "\\x07"),
            (1184, &[0; 8], "\\x0000000000000000"),
        ] {
            assert_eq!(shown(bytes, bytes.len(), Some(of), true), text, "{of}");
        }
        assert_eq!(shown(b"10", 2, None, false), "10");
        assert_eq!(shown(b"\xff", 1, None, false), "\\xff");
    }

    #[test]
    fn long_values_are_cut_and_say_so() {
        let long = "ü".repeat(LONGEST);
        assert_eq!(shown(long.as_bytes(), long.len(), None, false), format!("{}…", "ü".repeat(LONGEST / 2)));
        assert_eq!(shown(&[7, 7], 5000, None, true), "\\x0707…");
        let bind = [&[0, 0, 0, 2, 0, 0, 0, 1][..], b"a", &[0, 0, 0, 9], b"of nine"].concat();
        assert_eq!(values(&mut Cursor::new(&bind), &[]), Some(vec![Value::from("a"), Value::from("of nine…")]));
    }

    #[test]
    fn of_too_many_values_it_is_said_that_there_are_more() {
        let bind = |count: u16| [&[0, 0][..], &count.to_be_bytes(), &b"\0\0\0\x01x".repeat(usize::from(count))].concat();
        let of = |count| values(&mut Cursor::new(&bind(count)), &[]).unwrap();
        assert_eq!(of(100).len(), PARAMETERS);
        assert_eq!((of(101).len(), of(101).last()), (PARAMETERS + 1, Some(&Value::from(ELLIPSIS))));
    }
}
