//! The reader of tables, properties and methods, beside lapin's (`amq-protocol`).

use crate::decode::Limits;
use crate::decode::amqp::field::{Field, Table, bare_table, table};
use crate::decode::amqp::handed::{self, Handed};
use crate::decode::amqp::{message, method};
use crate::decode::cursor::Cursor;
use crate::model::{EventKind, Fields, Stamp};
use amq_protocol::frame::{ParserResult, WriteContext};
use amq_protocol::protocol::basic::{AMQPProperties, gen_properties};
use amq_protocol::protocol::{AMQPClass, parse_class};
use amq_protocol::types::generation::gen_field_table;
use amq_protocol::types::{AMQPValue, DecimalValue, FieldTable, LongString};
use proptest::prelude::*;

/// What stands for a value here, where both can be compared: the oracle keeps a table's fields by name.
fn plain(value: &AMQPValue) -> Field<'_> {
    match value {
        AMQPValue::Boolean(b) => Field::Bool(*b),
        AMQPValue::ShortShortInt(n) => Field::Int((*n).into()),
        AMQPValue::ShortShortUInt(n) => Field::Uint((*n).into()),
        AMQPValue::ShortInt(n) => Field::Int((*n).into()),
        AMQPValue::ShortUInt(n) => Field::Uint((*n).into()),
        AMQPValue::LongInt(n) => Field::Int((*n).into()),
        AMQPValue::LongUInt(n) => Field::Uint((*n).into()),
        AMQPValue::LongLongInt(n) => Field::Int(*n),
        AMQPValue::Float(n) => Field::Float(*n),
        AMQPValue::Double(n) => Field::Double(*n),
        AMQPValue::DecimalValue(d) => Field::Decimal(d.value.cast_signed(), d.scale),
        AMQPValue::ShortString(_) => unreachable!("no value of a table"),
        AMQPValue::LongString(text) => Field::Text(text.as_bytes()),
        AMQPValue::FieldArray(items) => Field::List(items.as_slice().iter().map(plain).collect()),
        AMQPValue::Timestamp(n) => Field::Time(*n),
        AMQPValue::FieldTable(inner) => Field::Table(plain_table(inner)),
        AMQPValue::ByteArray(bytes) => Field::Bytes(bytes.as_slice()),
        AMQPValue::Void => Field::Void,
    }
}

fn plain_table(fields: &FieldTable) -> Table<'_> {
    Table(fields.inner().iter().map(|(name, value)| (name.as_str().as_bytes(), plain(value))).collect())
}

fn value() -> impl Strategy<Value = AMQPValue> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(AMQPValue::Boolean),
        any::<i8>().prop_map(AMQPValue::ShortShortInt),
        any::<u8>().prop_map(AMQPValue::ShortShortUInt),
        any::<i16>().prop_map(AMQPValue::ShortInt),
        any::<u16>().prop_map(AMQPValue::ShortUInt),
        any::<i32>().prop_map(AMQPValue::LongInt),
        any::<u32>().prop_map(AMQPValue::LongUInt),
        any::<i64>().prop_map(AMQPValue::LongLongInt),
        (-1e9_f32..1e9).prop_map(AMQPValue::Float),
        (-1e99..1e99).prop_map(AMQPValue::Double),
        (any::<u8>(), any::<u32>()).prop_map(|(scale, value)| AMQPValue::DecimalValue(DecimalValue { scale, value })),
        any::<Vec<u8>>().prop_map(|bytes| AMQPValue::LongString(LongString::from(bytes))),
        any::<u64>().prop_map(AMQPValue::Timestamp),
        any::<Vec<u8>>().prop_map(|bytes| AMQPValue::ByteArray(bytes.into())),
        Just(AMQPValue::Void),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| AMQPValue::FieldArray(items.into())),
            fields(inner).prop_map(AMQPValue::FieldTable),
        ]
    })
}

fn fields(value: impl Strategy<Value = AMQPValue>) -> impl Strategy<Value = FieldTable> {
    prop::collection::btree_map("[a-z]{0,9}", value, 0..6).prop_map(|map| {
        map.into_iter().map(|(name, value)| (name.into(), value)).collect::<std::collections::BTreeMap<_, _>>().into()
    })
}

proptest! {
    #[test]
    fn tables_are_read_as_they_were_written(written in fields(value())) {
        let bytes = gen_field_table(&written)(WriteContext::from(Vec::new())).unwrap().into_inner().0;
        prop_assert_eq!(table(&mut Cursor::new(&bytes)), Some(plain_table(&written)));
    }

    #[test]
    fn any_bytes_are_read_or_not(bytes in any::<Vec<u8>>()) {
        bare_table(&bytes);
        message::read(&bytes);
        method::read(&bytes);
    }
}

#[test]
fn each_property_is_found() {
    let mut headers = FieldTable::default();
    headers.insert("n".into(), AMQPValue::LongInt(1));
    let written = AMQPProperties::default()
        .with_content_type("a/b".into())
        .with_content_encoding("gzip".into())
        .with_headers(headers)
        .with_delivery_mode(2)
        .with_priority(3)
        .with_correlation_id("c".into())
        .with_reply_to("r".into())
        .with_expiration("60".into())
        .with_message_id("m".into())
        .with_timestamp(7)
        .with_type("t".into())
        .with_user_id("u".into())
        .with_app_id("a".into())
        .with_cluster_id("k".into());
    let bytes = gen_properties(&written)(WriteContext::from(Vec::new())).unwrap().into_inner().0;
    let payload = [&message::BASIC[..], &9_u64.to_be_bytes(), &bytes].concat();
    let (size, properties) = message::read(&payload).unwrap();
    assert_eq!(size, 9);
    assert_eq!(
        properties.value(),
        crate::model::Value::Map(vec![
            ("content_type".into(), "a/b".into()),
            ("content_encoding".into(), "gzip".into()),
            ("headers".into(), crate::model::Value::Map(vec![("n".into(), 1.into())])),
            ("delivery_mode".into(), 2.into()),
            ("priority".into(), 3.into()),
            ("correlation_id".into(), "c".into()),
            ("reply_to".into(), "r".into()),
            ("expiration".into(), "60".into()),
            ("message_id".into(), "m".into()),
            ("timestamp".into(), 7.into()),
            ("type".into(), "t".into()),
            ("user_id".into(), "u".into()),
            ("app_id".into(), "a".into()),
            ("cluster_id".into(), "k".into()),
        ])
    );
}

/// The shortest payload of a method, all zeros, and where its bits are.
fn shortest(method: &method::Method) -> Vec<u8> {
    let mut payload = [method.class.to_be_bytes(), method.id.to_be_bytes()].concat();
    while method::read(&payload).unwrap().1.is_none() {
        payload.push(0);
        assert!(payload.len() < 64, "{}", method.name);
    }
    payload
}

/// Lower-case letters and digits alone: both have names of their own.
fn letters(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

#[test]
fn each_method_is_the_oracles() {
    for method in method::METHODS {
        let payload = shortest(method);
        let parsed: ParserResult<&[u8], AMQPClass> = parse_class(&payload[..]);
        let (rest, class) = parsed.unwrap_or_else(|e| panic!("{}: {e:?}", method.name));
        assert!(rest.is_empty(), "{}: {rest:?} is left", method.name);
        assert!(letters(&format!("{class:?}")).starts_with(&letters(method.name)), "{}: {class:?}", method.name);
        // each octet of the payload that holds bits, bit by bit
        for (at, bit) in (4..payload.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut with = payload.clone();
            with[at] = 1 << bit;
            let (Some((_, Some(args))), Ok((&[], class))) = (method::read(&with), parse_class(&with[..])) else { continue };
            let shown = letters(&format!("{class:?}"));
            for (name, _) in args.0.iter().filter(|(name, field)| *field == Field::Bool(true) && *name != b"reserved") {
                let word = letters(std::str::from_utf8(name).unwrap()) + "true";
                assert!(shown.contains(&word), "{}: {word} is not in {class:?}", method.name);
            }
        }
    }
}

#[test]
fn decimals_have_their_point() {
    for (digits, scale, text) in [(12345, 2, "123.45"), (-5, 3, "-0.005"), (7, 0, "7"), (0, 1, "0.0")] {
        assert_eq!(Field::Decimal(digits, scale).text(), text);
    }
}

#[test]
fn headers_are_text_and_carry_traces_as_bytes_too() {
    let headers = bare_table(b"\x01ax\0\0\0\x02\0\xff\x01bx\0\0\0\x03yes\x01ct\x01").unwrap();
    let told = message::told(&Table(vec![(b"headers", Field::Table(headers)), (b"correlation_id", Field::Text(b"c-1"))]));
    assert_eq!(format!("{:?}", told.headers), r#"[("a", "AP8="), ("b", "yes"), ("c", "true")]"#);
    assert_eq!(told.carried.iter().map(|(name, _)| name).collect::<Vec<_>>(), [&b"a"[..], b"b", b"correlation-id"]);
}

#[test]
fn numbers_carry_traces_too() {
    let headers =
        Table(vec![(b"x-datadog-trace-id", Field::Int(7)), (b"x-datadog-parent-id", Field::Uint(9)), (b"n", Field::Void)]);
    let told = message::told(&Table(vec![(b"headers", Field::Table(headers))]));
    assert_eq!(format!("{:?}", told.carried), r#"[("x-datadog-trace-id", "7"), ("x-datadog-parent-id", "9")]"#);
}

#[test]
fn a_dead_letter_that_a_tap_is_handed_is_told_as_one() {
    let dead = || vec![(&b"x-death"[..], Field::List(Vec::new()))];
    for (headers, queue, noted) in [(dead(), None, 1), (dead(), Some(&b"q"[..]), 0), (vec![(&b"a"[..], Field::Void)], None, 0)] {
        let properties = Some(Table(vec![(b"headers", Field::Table(Table(headers)))]));
        let handed = Handed { queue, exchange: b"dead", routing_key: b"k", properties, body: b"", fields: Fields::default() };
        let mut events = Vec::new();
        handed::tell(&mut events, &super::fate::meta(), 1, Stamp::default(), handed, &Limits::default());
        assert_eq!(events.iter().filter(|event| matches!(event.kind, EventKind::Note(..))).count(), noted);
    }
}

#[test]
fn charsets_are_no_codings() {
    let coded = |coding: &'static str| {
        message::told(&Table(vec![(b"content_encoding", Field::Text(coding.as_bytes()))])).hint.encodings.len()
    };
    assert_eq!(["utf-8", "binary", "gzip"].map(coded), [0, 0, 1]);
}

#[test]
fn tables_keep_order_and_duplicates() {
    let table = bare_table(b"\x01bt\x01\x01aV\x01bt\0").unwrap();
    let names: Vec<_> = table.0.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, [b"b", b"a", b"b"]);
}

#[test]
fn too_deep_is_not_read() {
    let deep = |depth: usize| {
        (0..depth).fold(b"V".to_vec(), |inner, _| [b"A", &(inner.len() as u32).to_be_bytes()[..], &inner].concat())
    };
    assert!(bare_table(&[b"\x01a", &deep(16)[..]].concat()).is_some());
    assert!(bare_table(&[b"\x01a", &deep(17)[..]].concat()).is_none());
}
