//! HPACK against the examples of RFC 7541 (Appendix C), the public stories and another implementation, from the first block on and
//! joined late.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use proptest::prelude::*;

type Known = (Option<String>, Option<String>);

fn decode(decoder: &mut Decoder, block: &[u8]) -> Vec<Known> {
    let mut fields = Vec::new();
    let text = |bytes: Option<&[u8]>| bytes.map(|b| String::from_utf8_lossy(b).into_owned());
    decoder.decode(block, &mut |f| fields.push((text(f.name), text(f.value)))).unwrap();
    fields
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

fn known(fields: &[(&str, &str)]) -> Vec<Known> {
    fields.iter().map(|(n, v)| (Some((*n).to_owned()), Some((*v).to_owned()))).collect()
}

/// Blocks of one direction, each with its fields.
fn check(limit: Option<usize>, blocks: &[(&str, &[(&str, &str)])]) {
    let mut decoder = Decoder::new(true);
    if let Some(limit) = limit {
        decoder.0.resize(limit);
    }
    for (block, fields) in blocks {
        assert_eq!(decode(&mut decoder, &hex(block)), known(fields), "{block}");
    }
}

#[test]
fn numbers_and_single_fields() {
    for (bytes, bits, n) in [("0a", 5, 10), ("1f9a0a", 5, 1337), ("2a", 8, 42)] {
        let bytes = hex(bytes);
        assert_eq!(integer(bytes[0], bits, &mut Cursor::new(&bytes[1..])), Some(n));
    }
    check(None, &[("400a637573746f6d2d6b65790d637573746f6d2d686561646572", &[("custom-key", "custom-header")])]);
    check(None, &[("040c2f73616d706c652f70617468", &[(":path", "/sample/path")])]);
    check(None, &[("100870617373776f726406736563726574", &[("password", "secret")])]);
    check(None, &[("82", &[(":method", "GET")])]);
}

const GET: &[(&str, &str)] = &[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")];
const AGAIN: &[(&str, &str)] =
    &[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com"), ("cache-control", "no-cache")];
const LAST: &[(&str, &str)] = &[
    (":method", "GET"),
    (":scheme", "https"),
    (":path", "/index.html"),
    (":authority", "www.example.com"),
    ("custom-key", "custom-value"),
];

#[test]
fn requests_with_and_without_huffman() {
    let plain = [
        "828684410f7777772e6578616d706c652e636f6d",
        "828684be58086e6f2d6361636865",
        "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
    ];
    let coded =
        ["828684418cf1e3c2e5f23a6ba0ab90f4ff", "828684be5886a8eb10649cbf", "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"];
    for blocks in [plain, coded] {
        check(None, &[(blocks[0], GET), (blocks[1], AGAIN), (blocks[2], LAST)]);
    }
}

#[test]
fn responses_that_evict_with_and_without_huffman() {
    let date = "Mon, 21 Oct 2013 20:13:21 GMT";
    let first = [(":status", "302"), ("cache-control", "private"), ("date", date), ("location", "https://www.example.com")];
    let second = [(":status", "307"), ("cache-control", "private"), ("date", date), ("location", "https://www.example.com")];
    let third = [
        (":status", "200"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
        ("location", "https://www.example.com"),
        ("content-encoding", "gzip"),
        ("set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"),
    ];
    let plain = [
        "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d",
        "4803333037c1c0bf",
        "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31",
    ];
    let coded = [
        "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
        "4883640effc1c0bf",
        "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
    ];
    for blocks in [plain, coded] {
        check(Some(256), &[(blocks[0], &first), (blocks[1], &second), (blocks[2], &third)]);
    }
}

#[test]
fn what_was_not_seen_is_unknown_and_nothing_else_is_lost() {
    // an entry from before, a literal that is named by one and inserted, that one again, and a size that changes at the end
    let mut decoder = Decoder::new(false);
    let fields = decode(&mut decoder, &hex("be 7f00 03616263 be 3fe11f"));
    let value = Some("abc".to_owned());
    assert_eq!(fields, [(None, None), (None, value.clone()), (None, value)]);
}

#[test]
fn broken_huffman_costs_its_field_alone() {
    let mut decoder = Decoder::new(true);
    // a value that holds the end of string, inserted; then a field behind it, and the inserted one
    let fields = decode(&mut decoder, &hex("40 0161 84ffffffff 82 be"));
    let broken = (Some("a".to_owned()), None);
    assert_eq!(fields, [broken.clone(), known(&[(":method", "GET")]).remove(0), broken]);
}

#[test]
fn a_broken_block_forgets_and_harms_no_later_one() {
    for broken in ["80", "40ff", "3fffffffffffffffff01", "000a61"] {
        let mut decoder = Decoder::new(true);
        decode(&mut decoder, &hex("400161 0162"));
        assert_eq!(decoder.decode(&hex(broken), &mut |_| ()), Err(Broken), "{broken}");
        assert_eq!(decode(&mut decoder, &hex("be")), [(None, None)]);
    }
}

#[test]
fn the_table_never_holds_more_than_its_limit() {
    let mut decoder = Decoder::new(false);
    decode(&mut decoder, &hex("3fffffffff07"));
    for _ in 0..100_000 {
        // unknown name, unknown value
        decode(&mut decoder, &hex("7f00 84ffffffff"));
    }
    assert!(decoder.0.get(61 + 2048 + 1) == Field::default());
    assert_eq!(decode(&mut decoder, &hex("400161 0162 be")), known(&[("a", "b"), ("a", "b")]));
}

#[test]
fn a_table_of_a_size_that_was_not_seen_is_small_until_it_shows_that_it_is_not() {
    let mut decoder = Decoder::new(false);
    let inserted = |n: u8| [&[0x40, 2, b'x', n, 0x7f, 1][..], &[b'v'; 128]].concat();
    let mut size_with = |index: &[u8]| {
        assert_eq!(decode(&mut decoder, index).into_iter().filter(|field| *field != (None, None)).count(), 0);
        (0..100).for_each(|n| _ = decode(&mut decoder, &inserted(n)));
        decoder.size()
    };
    let rows = [size_with(&[]), size_with(&[0xff, 35]), size_with(&[0x80 | 122])];
    // the 101st newest is from before the capture, the 61st went
    assert_eq!(rows.map(|size| size <= 4096), [true, true, false], "{rows:?}");
}

#[test]
fn a_table_takes_what_it_holds_and_gives_back_the_rest() {
    let mut decoder = Decoder::new(true);
    // `content-type: application/grpc`, its name written out, then `x-a: 1`
    decode(&mut decoder, &hex("40 0c636f6e74656e742d74797065 106170706c69636174696f6e2f67727063"));
    decode(&mut decoder, &hex("40 03782d61 0131"));
    decoder.rest();
    assert_eq!(decoder.cost(), 2 * 8 + 16 + 4, "no name of the static table is held again");
    let both = known(&[("x-a", "1"), ("content-type", "application/grpc")]);
    assert_eq!(decode(&mut decoder, &hex("be bf")), both);
    decoder.shrink(16);
    assert!(decoder.cost() <= 16, "{}", decoder.cost());
    assert_eq!(decode(&mut decoder, &hex("be bf")), [both[0].clone(), (None, None)]);
    decoder.shrink(0);
    assert_eq!((decoder.cost(), decode(&mut decoder, &hex("be"))), (0, vec![(None, None)]));
}

#[test]
fn a_full_table_takes_little_more_than_its_size() {
    let mut decoder = Decoder::new(true);
    for n in 0..10_000_u32 {
        let value = format!("{n:064}");
        decode(&mut decoder, &[b"\x40\x03x-a\x40", value.as_bytes()].concat());
        assert!(decoder.cost() <= 8192, "{} bytes after {n}", decoder.cost());
    }
}

#[test]
fn the_public_stories_of_other_encoders() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hpack/stories.jsonl");
    let (mut lists, mut stories) = (Vec::new(), 0);
    for line in std::fs::read_to_string(file).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let Some(blocks) = line["blocks"].as_array() else {
            lists = serde_json::from_value::<Vec<Vec<(String, String)>>>(line["headers"].clone()).unwrap();
            continue;
        };
        let blocks: Vec<_> = blocks.iter().map(|block| BASE64.decode(block.as_str().unwrap()).unwrap()).collect();
        let place = |n: usize| format!("{} {} block {n}", line["encoder"], line["story"]);
        stories += 1;
        assert_eq!(blocks.len(), lists.len(), "{}", place(0));
        for late in 0..blocks.len() {
            let mut decoder = Decoder::new(late == 0);
            for (n, (block, list)) in blocks.iter().zip(&lists).enumerate().skip(late) {
                let seen = decode(&mut decoder, block);
                assert_eq!(seen.len(), list.len(), "{} from {late}", place(n));
                let wrong = seen.iter().zip(list).any(|((name, value), truth)| {
                    let differs = |seen: &Option<String>, truth: &String| seen.as_ref().map_or(late == 0, |seen| seen != truth);
                    differs(name, &truth.0) || differs(value, &truth.1)
                });
                assert!(!wrong, "{} from {late}: {seen:?}", place(n));
            }
        }
    }
    assert_eq!(stories, 4 * 11);
}

/// A field's name and value, and the oracle's flags.
type Written = (Vec<u8>, Vec<u8>, u8);

/// A field to encode: its name and value, out of few so that they come again, and the oracle's flags.
fn field() -> impl Strategy<Value = Written> {
    let name = prop_oneof![
        prop::sample::select(vec![&b":path"[..], b":status", b"content-type", b"cookie", b"x-a", b"x-b", b"grpc-status"])
            .prop_map(<[u8]>::to_vec),
        prop::collection::vec(any::<u8>(), 1..20),
    ];
    let value = prop_oneof![
        prop::sample::select(vec![&b"200"[..], b"/", b"1", b"application/grpc", b""]).prop_map(<[u8]>::to_vec),
        prop::collection::vec(any::<u8>(), 0..300),
    ];
    // with or without Huffman; inserted, not, or never; by an index where there is one, or not
    let flags = (0_u8..4, prop::sample::select(vec![0_u8, 4, 8]), prop::sample::select(vec![0_u8, 0x10]));
    (name, value, flags.prop_map(|(a, b, c)| a | b | c))
}

/// A block: perhaps a new size of the table, then fields.
fn block() -> impl Strategy<Value = (Option<u32>, Vec<Written>)> {
    (prop::option::weighted(0.3, 0_u32..4096), prop::collection::vec(field(), 0..8))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn another_encoder_is_understood_and_late_nothing_is_wrong(blocks in prop::collection::vec(block(), 1..8), late in any::<prop::sample::Index>()) {
        let mut encoder = httlib_hpack::Encoder::default();
        let late = late.index(blocks.len());
        let (mut whole, mut joined) = (Decoder::new(true), Decoder::new(false));
        for (n, (size, fields)) in blocks.into_iter().enumerate() {
            let mut wire = Vec::new();
            if let Some(size) = size {
                encoder.update_max_dynamic_size(size, &mut wire).unwrap();
            }
            for field in &fields {
                encoder.encode(field.clone(), &mut wire).unwrap();
            }
            prop_assert!(is_block(&wire));
            let mut seen = Vec::new();
            whole.decode(&wire, &mut |f| seen.push((f.name.unwrap().to_vec(), f.value.unwrap().to_vec()))).unwrap();
            prop_assert_eq!(&seen, &fields.iter().map(|(n, v, _)| (n.clone(), v.clone())).collect::<Vec<_>>());
            if n >= late {
                let mut at = 0;
                joined.decode(&wire, &mut |f| {
                    assert!(f.name.is_none_or(|name| name == seen[at].0));
                    assert!(f.value.is_none_or(|value| value == seen[at].1));
                    at += 1;
                }).unwrap();
                prop_assert_eq!(at, seen.len());
            }
        }
    }

    #[test]
    fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut decoder = Decoder::new(true);
        let whole = decoder.decode(&bytes, &mut |_| ()).is_ok();
        prop_assert_eq!(whole, is_block(&bytes));
    }
}

#[test]
fn what_has_more_fields_than_any_head_is_none_to_begin_with() {
    assert!(is_block(&[0x82; 128]) && is_block(&[]));
    assert!(!is_block(&[0x82; 129]));
}
