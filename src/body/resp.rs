//! Answers of Redis as they were sent (RESP2 and RESP3), as JSON: a text alone as whatever it holds, since it is what somebody stored.
//! Not how they are found in a stream: that is `decode`'s, and it has checked them.
//!
//! Texts within lists are strings, what is no UTF-8 with `\xNN`; maps are objects, a key that is no text is its JSON; an error in a list is
//! an object of its own, since it is no text that somebody stored.

use super::{Content, Document, Kind, Raw, json, read};
use crate::decode::cursor::Cursor;
use crate::text::write_json_string;
use std::borrow::Cow;

/// The type that `decode` gives it.
const TYPE: &str = "application/x-resp";

/// A value.
enum Value<'a> {
    Text(Cow<'a, [u8]>),
    /// A text that says what it is: `txt`, `mkd`.
    Verbatim(&'a [u8]),
    Error(&'a [u8]),
    /// A JSON token.
    Token(Cow<'a, str>),
    List(Vec<Value<'a>>),
    Map(Vec<(Value<'a>, Value<'a>)>),
}

/// How far reading came.
struct Reader<'a> {
    cursor: Cursor<'a>,
    /// Whether the bytes ended early.
    ended: bool,
}

/// The body, where it is an answer of Redis.
pub(super) fn document(raw: &Raw<'_>) -> Option<Document> {
    if raw.media.essence != TYPE || raw.bytes.is_empty() {
        return None;
    }
    let mut reader = Reader { cursor: Cursor::new(raw.bytes), ended: false };
    let mut values = Vec::new();
    while !reader.ended && !reader.cursor.rest().is_empty() {
        values.extend(reader.value(0));
    }
    let cut = raw.cut || reader.ended;
    // the confirmations of several channels are one answer
    let value = if values.len() > 1 { Value::List(values) } else { values.pop()? };
    let value = if raw.media.parameter("pairs").is_some() { pairs(value) } else { value };
    let plain = |bytes: &[u8], media_type: &str| {
        let media = super::MediaType::parse(media_type);
        read(&Raw { bytes, media: &media, media_type, cut: reader.ended, ..*raw }, reader.ended)
    };
    Some(match &value {
        Value::Text(text) => plain(text, ""),
        Value::Verbatim(text) => match text.split_at_checked(4) {
            Some((b"mkd:", text)) => plain(text, "text/markdown"),
            Some((_, text)) => plain(text, "text/plain"),
            None => plain(text, ""),
        },
        Value::Error(text) => plain(text, "text/plain"),
        Value::Token(_) | Value::List(_) | Value::Map(_) => {
            let mut out = Vec::new();
            write(&value, &mut out);
            let text = String::from_utf8(out).unwrap_or_default();
            Document { kind: Kind::Json, value: Content::Json(text), cut, ..Document::default() }
        }
    })
}

/// A list of names and values in turn, as a map.
fn pairs(value: Value<'_>) -> Value<'_> {
    let Value::List(items) = value else { return value };
    let (mut items, mut found) = (items.into_iter(), Vec::new());
    while let Some(name) = items.next() {
        found.push((name, items.next().unwrap_or(Value::Token("null".into()))));
    }
    Value::Map(found)
}

impl<'a> Reader<'a> {
    /// The next value, or what there is of it; none where nothing is.
    fn value(&mut self, depth: usize) -> Option<Value<'a>> {
        let Some(line) = self.cursor.line().filter(|_| depth < json::MAX_DEPTH - 20) else {
            return self.end();
        };
        let (first, rest) = line.split_first()?;
        let text = std::str::from_utf8(rest).unwrap_or_default();
        Some(match first {
            b'+' => Value::Text(rest.into()),
            b'-' => Value::Error(rest),
            b'_' => Value::Token("null".into()),
            b'#' => Value::Token(if rest == b"t" { "true" } else { "false" }.into()),
            b':' | b',' | b'(' => number(text),
            b'$' | b'*' if rest == b"-1" => Value::Token("null".into()),
            b'$' if rest == b"?" => self.chunks(),
            b'$' => Value::Text(self.bytes(text).into()),
            b'!' => Value::Error(self.bytes(text)),
            b'=' => Value::Verbatim(self.bytes(text)),
            b'*' | b'~' | b'>' => {
                let mut items = Vec::new();
                self.each(text, |reader| items.extend(reader.value(depth + 1)));
                Value::List(items)
            }
            b'%' => {
                let mut items = Vec::new();
                self.each(text, |reader| {
                    let name = reader.value(depth + 1);
                    items.extend(name.zip(reader.value(depth + 1)));
                });
                Value::Map(items)
            }
            // beside the value that follows
            b'|' => {
                self.each(text, |reader| drop((reader.value(depth + 1), reader.value(depth + 1))));
                return self.value(depth + 1);
            }
            // the end of a streamed list
            b'.' => return None,
            _ => return self.end(),
        })
    }

    fn end<T>(&mut self) -> Option<T> {
        self.ended = true;
        None
    }

    /// So many times, or until the end that is said.
    fn each(&mut self, count: &str, mut one: impl FnMut(&mut Self)) {
        let count: u64 = count.parse().unwrap_or(u64::MAX);
        for _ in 0..count {
            if count == u64::MAX && self.cursor.rest().starts_with(b".\r\n") {
                self.cursor.take(3);
                return;
            }
            one(self);
            if self.ended {
                return;
            }
        }
    }

    fn bytes(&mut self, length: &str) -> &'a [u8] {
        let length = length.parse().unwrap_or(0);
        let rest = self.cursor.rest();
        let bytes = rest.get(..length).unwrap_or(rest);
        self.ended |= bytes.len() < length;
        self.cursor.take(bytes.len());
        // what is missing of the line's end is no part of the value
        self.cursor.take(2.min(self.cursor.rest().len()));
        bytes
    }

    fn chunks(&mut self) -> Value<'a> {
        let mut all = Vec::new();
        while let Some(line) = self.cursor.line() {
            match line {
                b";0" => return Value::Text(all.into()),
                [b';', length @ ..] => all.extend_from_slice(self.bytes(std::str::from_utf8(length).unwrap_or_default())),
                _ => break,
            }
        }
        self.ended = true;
        Value::Text(all.into())
    }
}

/// A number as it was sent, where JSON has it; `inf` and its like are texts.
fn number(text: &str) -> Value<'_> {
    let plain = text.strip_prefix('+').unwrap_or(text);
    match json::compact(plain) {
        Ok(token) if token.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => Value::Token(token.into()),
        _ => Value::Text(text.as_bytes().into()),
    }
}

fn write(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Text(bytes) => write_json_string(&text(bytes), out),
        Value::Verbatim(bytes) => write_json_string(&text(bytes.get(4..).unwrap_or(bytes)), out),
        Value::Error(bytes) => {
            out.extend_from_slice(b"{\"error\":");
            write_json_string(&text(bytes), out);
            out.push(b'}');
        }
        Value::Token(token) => out.extend_from_slice(token.as_bytes()),
        Value::List(items) => super::list(items, b"[]", out, write),
        Value::Map(items) => super::list(items, b"{}", out, |(name, value), out| {
            match name {
                Value::Text(bytes) => write_json_string(&text(bytes), out),
                name => {
                    let mut key = Vec::new();
                    write(name, &mut key);
                    write_json_string(&text(&key), out);
                }
            }
            out.push(b':');
            write(value, out);
        }),
    }
}

/// Bytes as text, `\xNN` for each that is none where they are no UTF-8.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => bytes.iter().flat_map(|&b| std::ascii::escape_default(b)).map(char::from).collect::<String>().into(),
    }
}

#[cfg(test)]
mod tests {
    use crate::body::{Context, decode, write_json};
    use crate::mask::Secrets;
    use crate::model::{Body, BodyHint};

    fn shown(media_type: &str, sent: &[u8], missing: usize) -> String {
        let hint = BodyHint { media_type: Some(media_type.into()), ..BodyHint::default() };
        let bytes = (sent.len() + missing) as u64;
        let body = Body { kept: sent.to_vec(), bytes, hint, whole: missing == 0 };
        let mut out = Vec::new();
        write_json(&decode(&body, &Context::plain(1 << 16)), Secrets::Mask, &mut out);
        let out = String::from_utf8(out).unwrap();
        serde_json::from_str::<serde_json::Value>(&out).unwrap();
        out
    }

    #[test]
    fn answers_read_as_what_they_hold() {
        for (sent, wanted) in [
            ("+OK\r\n", r#"{"kind":"text","value":"OK"}"#),
            ("-ERR no\r\n", r#"{"kind":"text","value":"ERR no"}"#),
            (":42\r\n", r#"{"kind":"json","value":42}"#),
            ("$-1\r\n", r#"{"kind":"json","value":null}"#),
            ("$0\r\n\r\n", r#"{"kind":"empty"}"#),
            ("$7\r\n{\"a\":1}\r\n", r#"{"kind":"json","value":{"a":1}}"#),
            ("$2\r\n\u{7ff}\r\n", "{\"kind\":\"text\",\"value\":\"\u{7ff}\"}"),
            ("*3\r\n$1\r\na\r\n:-1\r\n*-1\r\n", r#"{"kind":"json","value":["a",-1,null]}"#),
            ("*2\r\n+OK\r\n-WRONGTYPE x\r\n", r#"{"kind":"json","value":["OK",{"error":"WRONGTYPE x"}]}"#),
            ("%2\r\n+a\r\n#t\r\n:1\r\n_\r\n", r#"{"kind":"json","value":{"a":true,"1":null}}"#),
            ("~2\r\n,1.50\r\n,inf\r\n", r#"{"kind":"json","value":[1.50,"inf"]}"#),
            ("(123456789012345678901\r\n", r#"{"kind":"json","value":123456789012345678901}"#),
            ("=7\r\ntxt:abc\r\n", r#"{"kind":"text","value":"abc"}"#),
            ("|1\r\n+ttl\r\n:1\r\n*?\r\n:1\r\n.\r\n", r#"{"kind":"json","value":[1]}"#),
            ("$?\r\n;2\r\nab\r\n;1\r\nc\r\n;0\r\n", r#"{"kind":"text","value":"abc"}"#),
            ("*1\r\n:1\r\n*1\r\n:2\r\n", r#"{"kind":"json","value":[[1],[2]]}"#),
        ] {
            assert_eq!(shown("application/x-resp", sent.as_bytes(), 0), wanted, "{sent:?}");
        }
        let binary = shown("application/x-resp", b"*1\r\n$3\r\n\xff\\a\r\n", 0);
        assert_eq!(binary, r#"{"kind":"json","value":["\\xff\\\\a"]}"#);
    }

    #[test]
    fn what_is_cut_is_told_so_far() {
        let sent = b"*2\r\n$1\r\na\r\n%2\r\n+k\r\n$5\r\nhello\r\n+l\r\n:1\r\n";
        for n in 1..sent.len() {
            let out = shown("application/x-resp", &sent[..n], sent.len() - n);
            assert!(out.contains("\"cut\":true"), "{out}");
        }
        assert_eq!(shown("application/x-resp", &sent[..25], 1), r#"{"kind":"json","value":["a",{"k":"he"}],"cut":true}"#);
        assert_eq!(shown("application/x-resp", b"$9\r\nhell", 5), r#"{"kind":"text","value":"hell","cut":true}"#);
    }

    #[test]
    fn passwords_among_settings_are_masked() {
        let sent = b"*4\r\n$11\r\nrequirepass\r\n$6\r\nhidden\r\n$4\r\nport\r\n$4\r\n6379\r\n";
        let out = shown("application/x-resp; pairs=1", sent, 0);
        assert_eq!(out, r#"{"kind":"json","value":{"requirepass":"***","port":"6379"}}"#);
    }
}
