//! What a flow is apart from its literals, so that like ones are found, and whether its answer is held back by design.

use crate::engine::digest::digester;
use crate::model::{Detail, FlowRef, Half, Pattern, Value};
use crate::time::Time;
use compact_str::CompactString;
use std::hash::{Hash as _, Hasher as _};
use std::ops::Range;

/// How much of a statement is looked at: of longer ones the beginnings are compared.
const MAX_STATEMENT: usize = 2048;
/// Words in a path by which answers are waited for: long polling, streams, notifications.
const HELD: &[&str] =
    &["poll", "longpoll", "watch", "events", "stream", "subscribe", "socket.io", "sockjs", "notifications", "tail", "_changes"];
/// Parameters by which a part of a list is asked for.
const PAGED: &[&str] = &[
    "page",
    "offset",
    "cursor",
    "after",
    "before",
    "skip",
    "marker",
    "start",
    "pageToken",
    "page_token",
    "starting_after",
    "$skip",
];
/// Media types of answers that come bit by bit.
const STREAMED: &[&str] = &["text/event-stream", "application/x-ndjson", "multipart/x-mixed-replace", "application/stream+json"];

/// What is shorter fits into any window (RFC 9293 §3.8.6): it is on its way at once when it is sent, whoever reads it. In bytes.
const SHORT: u64 = 16 << 10;

/// Whether what is left of an answer can come late only because it was sent late: nobody reads so slowly that something so short waits for
/// him, save where other streams fill the connection. Not of an answer that comes bit by bit by design.
pub(super) fn comes_late(flow: FlowRef<'_>) -> bool {
    let alone = flow.detail.is_some_and(|detail| !detail.layers.contains(&"http2"));
    alone && flow.row.bytes <= SHORT && !held(flow)
}

/// What a query is, numbers, IDs and quoted texts left out: `select * from stock where sku = ?`, `GET user:?`. None of a flow that is
/// told by its operation.
pub(super) fn of_query(flow: FlowRef<'_>) -> Option<CompactString> {
    let fields = &flow.detail.filter(|_| flow.row.pattern == Pattern::Query)?.fields;
    if let Some(Value::Text(statement)) = fields.get("sql") {
        return Some(of_statement(statement));
    }
    match fields.get("redis.args")? {
        Value::List(args) => Some(match args.first() {
            Some(Value::Text(key)) => format!("{} {}", flow.row.operation, of_path(key)).into(),
            _ => flow.row.operation.clone(),
        }),
        _ => None,
    }
}

/// A path, a key: its parts that look like IDs left out, as `GET /orders/?`.
pub(super) fn of_path(text: &str) -> String {
    pieces(text).collect()
}

/// Stands for an operation apart from what looks like IDs in it.
pub(in crate::engine) fn sort(operation: &str) -> u64 {
    let mut hasher = digester();
    pieces(operation).for_each(|piece| hasher.write(piece.as_bytes()));
    hasher.finish()
}

/// It in pieces, one after the other: what looks like an ID is one, as `?`, and what lies between two of them.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let id = first_id(rest.as_bytes());
        let end = if id.start == 0 { id.end } else { id.start };
        let (piece, behind) = rest.split_at_checked(end).filter(|_| !rest.is_empty())?;
        rest = behind;
        Some(if id.start == 0 { "?" } else { piece })
    })
}

/// Where the first ID is; behind all of it where there is none.
fn first_id(text: &[u8]) -> Range<usize> {
    let Some(digit) = text.iter().position(u8::is_ascii_digit) else { return text.len()..text.len() };
    let separates = |b: &u8| SEPARATES[usize::from(*b)];
    let first = text.get(..digit).and_then(|before| before.iter().rposition(separates)).map_or(0, |at| at + 1);
    let (mut begin, mut digits) = (first, 0);
    for (at, &b) in text.iter().enumerate().skip(first) {
        digits += usize::from(b.is_ascii_digit());
        if SEPARATES[usize::from(b)] {
            if digits > 0 && is_id(text.get(begin..at).unwrap_or_default(), digits) {
                return begin..at;
            }
            (begin, digits) = (at + 1, 0);
        }
    }
    let last = text.get(begin..).unwrap_or_default();
    if is_id(last, digits) { begin..text.len() } else { text.len()..text.len() }
}

/// Which bytes lie between the parts of a path, a key or an operation.
const SEPARATES: [bool; 256] = {
    let (mut separates, marks, mut at) = ([false; 256], b"/:. =,;()|", 0);
    while at < marks.len() {
        separates[marks[at] as usize] = true;
        at += 1;
    }
    separates
};

/// Whether a part of a path with so many digits is one of many: it has some, and is a number, hexadecimal, or long.
fn is_id(word: &[u8], digits: usize) -> bool {
    let version = || word.len() <= 3 && matches!(word.first(), Some(b'v' | b'V'));
    let hexadecimal = || word.len() >= 8 && word.iter().all(|b| b.is_ascii_hexdigit() || *b == b'-');
    digits > 0 && !version() && (digits * 2 >= word.len() || word.len() >= 16 || hexadecimal())
}

/// A statement: literals, parameters, lists of them and comments left out, white space and case made one.
fn of_statement(statement: &str) -> CompactString {
    let mut shape = String::new();
    let mut chars = statement.chars().take(MAX_STATEMENT).peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                // a quote within is doubled or escaped
                while let Some(c) = chars.next() {
                    match c {
                        '\\' => _ = chars.next(),
                        '\'' if chars.peek() != Some(&'\'') => break,
                        '\'' => _ = chars.next(),
                        _ => {}
                    }
                }
                shape.push('?');
            }
            '$' | '0'..='9' if !shape.ends_with(|c: char| c.is_alphanumeric() || c == '_') => {
                while chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '.').is_some() {}
                shape.push('?');
            }
            // where a tracer writes its IDs (sqlcommenter)
            '/' if chars.next_if_eq(&'*').is_some() => {
                while chars.next().is_some_and(|c| c != '*' || chars.next_if_eq(&'/').is_none()) {}
            }
            '-' if chars.peek() == Some(&'-') => while chars.next_if(|c| *c != '\n').is_some() {},
            c if c.is_whitespace() => {
                if !shape.ends_with(' ') {
                    shape.push(' ');
                }
            }
            c => shape.extend(c.to_lowercase()),
        }
    }
    // lists of any length are one
    loop {
        let shorter = shape.replace("?, ?", "?").replace("?,?", "?").replace("(?), (?)", "(?)").replace("(?),(?)", "(?)");
        if shorter.len() == shape.len() {
            return shape.trim().into();
        }
        shape = shorter;
    }
}

/// Whether its answer comes bit by bit, for as long as there is something to tell.
pub(in crate::engine) fn streams(flow: FlowRef<'_>) -> bool {
    let response = flow.detail.and_then(|detail| detail.response.as_ref());
    let kind = response.and_then(|half| half.headers.get("content-type")).unwrap_or_default();
    matches!(flow.row.pattern, Pattern::ServerStream | Pattern::BidiStream)
        || flow.row.status.as_deref() == Some("101")
        || STREAMED.iter().any(|known| contains(kind, known))
}

/// When the first part came of an answer that comes bit by bit: from then on its caller may be at work on a part of it as well as its
/// receiver on the next one. Not of a conversation, in which who has asked waits.
pub(super) fn first_part(flow: FlowRef<'_>) -> Option<Time> {
    let half = flow.detail?.response.as_ref()?;
    let first = || half.messages.first().filter(|_| half.messages_dropped == 0).map(|message| message.first.time);
    // what has come at once is no part
    let parts = || flow.row.last().is_none_or(|last| last > half.first.time) && flow.row.status.as_deref() != Some("101");
    match flow.row.pattern {
        Pattern::ServerStream => Some(first().unwrap_or(half.first.time)),
        Pattern::RequestResponse if parts() && streams(flow) => Some(half.first.time),
        _ => None,
    }
}

/// Whether its caller may be at work on a part of its answer at a moment.
pub(in crate::engine) fn answered(flow: FlowRef<'_>, time: Time) -> bool {
    first_part(flow).is_some_and(|first| first <= time)
}

/// Whether its answer may be held back by design, so that its time tells nothing: streams, long polling, other protocols.
pub(in crate::engine) fn held(flow: FlowRef<'_>) -> bool {
    let row = flow.row;
    let one = matches!(row.pattern, Pattern::RequestResponse | Pattern::Unary | Pattern::Query);
    let Some(detail) = flow.detail.filter(|_| one) else { return true };
    let says = |half: &Option<Half>, name, words: &[&str]| {
        let value = half.as_ref().and_then(|half| half.headers.get(name)).unwrap_or_default();
        words.iter().any(|word| contains(value, word))
    };
    row.status.as_deref() == Some("101")
        || begins(&row.operation, "connect ")
        || is(&row.operation, &["blpop", "brpop", "blmove", "xread", "xreadgroup", "bzpopmin", "bzpopmax", "wait", "listen"])
        || row.operation.split(['/', ' ', '.', '-']).any(|word| HELD.iter().any(|held| begins(word, held)))
        || parameters(detail).any(|(name, _)| is(name, &["wait", "timeout", "watch", "poll", "follow", "transport"]))
        || says(&detail.request, "prefer", &["wait"])
        || says(&detail.request, "accept", &["text/event-stream"])
        || says(&detail.response, "content-type", STREAMED)
}

/// A part of a list that begins where the one before ends, so that it can not be asked for together with that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Page {
    /// Stands for the list, and for where in it the page begins; none where a cursor or a statement knows, which need not say.
    pub(in crate::engine) list: u64,
    pub(in crate::engine) place: Option<u64>,
}

/// Which page it fetches, if any: where it says from where on. The first part of each of many lists is none. `query` is what it is apart
/// from its literals: one that asks for what equals something may be of another list.
pub(super) fn page(flow: FlowRef<'_>, query: Option<&str>) -> Option<Page> {
    let detail = flow.detail?;
    let further = |place: &str| !["", "0", "1"].contains(&place);
    let behind = |query: &str| query.contains(" limit ?") && query.contains(" order by ") && query.contains(['>', '<']);
    let ordered = |query: &str, at: usize| query.get(..at).is_some_and(|before| before.ends_with(['<', '>', '!']));
    // a cursor knows where it is, and goes on from there
    let fetches = |query: &str| ["fetch ", "move "].iter().any(|word| query.starts_with(word));
    let same_list = |query: &&str| query.match_indices('=').all(|(at, _)| ordered(query, at));
    let cursor = ["scan", "hscan", "sscan", "zscan"].iter().position(|scan| flow.row.operation.eq_ignore_ascii_case(scan));
    match (cursor, detail.fields.get("redis.args")) {
        // without a key the cursor comes first
        (Some(scan), Some(Value::List(args))) => {
            let goes_on = matches!(args.get(usize::from(scan > 0)), Some(Value::Text(place)) if further(place));
            goes_on.then_some(Page { list: 0, place: None })
        }
        _ if query.is_some_and(fetches)
            || query.filter(same_list).is_some_and(|query| query.contains(" offset ?") || behind(query)) =>
        {
            Some(Page { list: 0, place: None })
        }
        _ => {
            let mut list = digester();
            let mut place = None;
            flow.row.operation.hash(&mut list);
            for (name, value) in parameters(detail) {
                if is(name, PAGED) && further(value) {
                    (name, value).hash(place.get_or_insert_with(digester));
                } else {
                    (name, value).hash(&mut list);
                }
            }
            place.map(|place| Page { list: list.finish(), place: Some(place.finish()) })
        }
    }
}

/// The parameters of its target.
fn parameters(detail: &Detail) -> impl Iterator<Item = (&str, &str)> {
    let query = match detail.fields.get("http.target") {
        Some(Value::Text(target)) => target.split_once('?').map_or("", |(_, query)| query),
        _ => "",
    };
    query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn is(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether a text begins with a word, in whichever case.
fn begins(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
}

fn contains(value: &[u8], word: &str) -> bool {
    value.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_differ_in_literals_are_alike() {
        let one = "select * from stock where sku = ?";
        for statement in [
            "SELECT * FROM stock WHERE sku = 'it''s'",
            "select *\n from stock  where sku = $1",
            "select * from stock where sku = 17.5 ",
            "/* n0/1 */ select * from stock where sku = 17 /*traceparent='00-4bf9-00'*/",
            "select * -- all of it, it's few\nfrom stock where sku = 1",
        ] {
            assert_eq!(&*of_statement(statement), one, "{statement}");
        }
        assert_eq!(of_statement("x in (1, 2,3)"), of_statement("x in (4)"));
        assert_eq!(of_statement("insert into t2 values (1,'a'), (2,'b')"), of_statement("insert into t2 values (1, 'b')"));
        assert_ne!(of_statement("select a1 from t"), of_statement("select a2 from t"));
    }

    #[test]
    fn paths_that_differ_in_ids_are_alike() {
        for (path, wanted) in [
            ("GET /orders/17", "GET /orders/?"),
            ("GET /v1/orders/o-1729", "GET /v1/orders/?"),
            ("GET /x/0f8fad5b-d9cb-469f-a165-70867728950e/y", "GET /x/?/y"),
            ("user:17:name", "user:?:name"),
            ("/shop.v1.Orders/Place", "/shop.v1.Orders/Place"),
            ("GET /facade", "GET /facade"),
        ] {
            assert_eq!(of_path(path), wanted);
        }
    }
}
