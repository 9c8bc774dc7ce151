//! Bodies from bytes to documents and out again, for any bytes.

use super::*;
use crate::model::BodyHint;
use crate::text::is_control;
use proptest::prelude::*;
use serde::de::IgnoredAny;

fn body(media_type: &str, kept: &[u8]) -> Body {
    let media_type = Some(media_type).filter(|t| !t.is_empty()).map(Into::into);
    Body { kept: kept.to_vec(), bytes: kept.len() as u64, hint: BodyHint { media_type, ..BodyHint::default() }, whole: true }
}

fn written(document: &Document, secrets: Secrets) -> String {
    let mut out = Vec::new();
    write_json(document, secrets, &mut out);
    String::from_utf8(out).unwrap()
}

/// The contract's object for a body of that type.
fn json_of(media_type: &str, kept: impl AsRef<[u8]>) -> String {
    written(&decode(&body(media_type, kept.as_ref()), &Context::plain(1 << 16)), Secrets::Show)
}

fn shown(media_type: &str, kept: impl AsRef<[u8]>) -> String {
    plain(&decode(&body(media_type, kept.as_ref()), &Context::plain(1 << 16)), Secrets::Show)
}

#[test]
fn json_keeps_the_wires_own_tokens() {
    let wire = "\u{feff} { \"b\" : 1.0e+05 ,\r\n \"a\":[ ] , \"b\":-0, \"n\":123456789012345678901234567890.10, \"s\":\"\\u00e9\\/ é\u{7f}\u{85}\u{2028}\"}\n";
    assert_eq!(
        json_of("application/json", wire),
        r#"{"kind":"json","value":{"b":1.0e+05,"a":[],"b":-0,"n":123456789012345678901234567890.10,"s":"\u00e9\/ é\u007f\u0085\u2028"}}"#
    );
    assert_eq!(json_of("application/problem+json; charset=UTF-8", " \"x\" "), r#"{"kind":"json","value":"x"}"#);
    assert_eq!(json_of("application/json", "null"), r#"{"kind":"json","value":null}"#);
}

#[test]
fn json_is_recognised_whatever_its_type() {
    for media_type in ["", "text/plain", "application/x-www-form-urlencoded", "application/octet-stream", "text/html"] {
        assert_eq!(json_of(media_type, "{\"a\": 1}"), r#"{"kind":"json","value":{"a":1}}"#, "{media_type}");
    }
    assert_eq!(json_of("text/plain", "12"), r#"{"kind":"text","value":"12"}"#);
    assert_eq!(json_of("application/x-ndjson", "{\"a\":1}\n"), r#"{"kind":"text","value":"{\"a\":1}\n"}"#);
    assert_eq!(json_of("text/event-stream", "data: {}\n\n"), r#"{"kind":"text","value":"data: {}\n\n"}"#);
}

#[test]
fn json_that_is_none_says_where() {
    let rows = [
        ("{\"a\":}", 5, "a value was expected"),
        ("{a:1}", 1, "a key was expected"),
        ("{\"a\" 1}", 5, "a colon was expected"),
        ("{\"a\":1,}", 7, "a key was expected"),
        ("[1,]", 3, "a value was expected"),
        ("[1 2]", 3, "a comma or the end of the list was expected"),
        ("[1}", 2, "a comma or the end of the list was expected"),
        ("01", 1, "more after the end"),
        ("1.", 2, "it ends early"),
        ("-x", 1, "a digit was expected"),
        ("nul", 3, "it ends early"),
        ("nulL", 3, "a value was expected"),
        ("\"\\x\"", 2, "an unknown escape"),
        ("\"\\u12G4\"", 5, "four hexadecimal digits were expected"),
        ("\"a\tb\"", 2, "a control character inside a string"),
        ("{} {}", 3, "more after the end"),
        ("[", 1, "it ends early"),
        ("NaN", 0, "a value was expected"),
    ];
    for (wire, at, what) in rows {
        let document = decode(&body("application/json", wire.as_bytes()), &Context::plain(100));
        assert_eq!(document.error, Some(format!("invalid JSON at byte {at}: {what}")), "{wire}");
        assert_eq!((document.kind, document.value), (Kind::Text, Content::Text(wire.to_owned())));
        assert!(serde_json::from_str::<IgnoredAny>(wire).is_err());
    }
    assert_eq!(
        json_of("application/json", b"\"\xff\0\""),
        r#"{"kind":"binary","value":"Iv8AIg==","error":"invalid JSON at byte 1: not UTF-8"}"#
    );
    let latin = r#"{"kind":"text","value":"\"ü\"","error":"invalid JSON at byte 1: not UTF-8; read as windows-1252"}"#;
    assert_eq!(json_of("application/json", b"\"\xfc\""), latin);
}

#[test]
fn deep_json_is_text() {
    let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
    assert_eq!(decode(&body("", deep(json::MAX_DEPTH).as_bytes()), &Context::plain(1 << 20)).kind, Kind::Json);
    let document = decode(&body("application/json", deep(100_000).as_bytes()), &Context::plain(1 << 20));
    assert_eq!((document.kind, document.error.as_deref()), (Kind::Text, Some("invalid JSON at byte 100: nested too deeply")));
}

#[test]
fn what_is_cut_says_so_and_keeps_what_there_is() {
    let sent = body("application/json", b"{\"a\":[1,\"\xc3\xa9\"]}");
    let cut = |limit| written(&decode(&sent, &Context::plain(limit)), Secrets::Show);
    assert_eq!(cut(0), r#"{"kind":"json","cut":true}"#);
    assert_eq!(cut(8), r#"{"kind":"json","value":"{\"a\":[1,","cut":true}"#);
    assert_eq!(cut(10), r#"{"kind":"json","value":"{\"a\":[1,\"","cut":true}"#);
    assert_eq!(cut(14), r#"{"kind":"json","value":{"a":[1,"é"]}}"#);
    // a number that was cut is not a smaller number
    let partial = Body { bytes: 5, ..body("application/json", b"12") };
    assert_eq!(written(&decode(&partial, &Context::plain(100)), Secrets::Show), r#"{"kind":"json","value":"12","cut":true}"#);
    let coming = Body { whole: false, ..body("text/plain", b"a\xc3") };
    assert_eq!(written(&decode(&coming, &Context::plain(100)), Secrets::Show), r#"{"kind":"text","value":"a","cut":true}"#);
    let evicted = Body { bytes: 5, whole: true, ..Body::default() };
    assert_eq!(written(&decode(&evicted, &Context::plain(100)), Secrets::Show), r#"{"kind":"binary","cut":true}"#);
    assert_eq!(json_of("application/json", ""), r#"{"kind":"empty"}"#);
    // what was not seen is not empty
    let unseen = Body { whole: false, ..body("application/json", b"") };
    assert_eq!(written(&decode(&unseen, &Context::plain(100)), Secrets::Show), r#"{"kind":"json","cut":true}"#);
    let mut sent = body("application/json", b"{\"a\":{\"b\":[1,{\"c\":\"d");
    sent.whole = false;
    assert_eq!(
        plain(&decode(&sent, &Context::plain(100)), Secrets::Show),
        "{\n  \"a\": {\n    \"b\": [\n      1,\n      {\n        \"c\": \"d"
    );
}

#[test]
fn codings_are_named_or_their_failure_is() {
    let mut sent = body("application/json", b"{}");
    sent.hint.encodings = vec!["snappy".into()];
    let raw = r#"{"kind":"text","value":"{}","error":"unknown content coding snappy"}"#;
    assert_eq!(written(&decode(&sent, &Context::plain(100)), Secrets::Show), raw);
    let zipped = zstd::encode_all(&b"{ }"[..], 1).unwrap();
    let mut sent = body("application/json", &zipped);
    sent.hint.encodings = vec!["zstd".into()];
    assert_eq!(written(&decode(&sent, &Context::plain(100)), Secrets::Show), r#"{"kind":"json","value":{},"encoding":"zstd"}"#);
    assert_eq!(
        written(&decode(&sent, &Context::plain(2)), Secrets::Show),
        r#"{"kind":"json","value":"{ ","encoding":"zstd","cut":true}"#
    );
    sent.kept.truncate(6);
    assert_eq!(written(&decode(&sent, &Context::plain(100)), Secrets::Show), r#"{"kind":"json","encoding":"zstd","cut":true}"#);
}

#[test]
fn forms_are_objects_in_wire_order() {
    let form = |wire: &str| json_of("application/x-www-form-urlencoded", wire);
    assert_eq!(form("b=1&a=x+y%21&b=%C3%BC&b&&=e\r\n"), r#"{"kind":"form","value":{"b":["1","ü",""],"a":"x y!","":"e"}}"#);
    assert_eq!(form("a=%ff+b&c=%4&d=%zz%"), r#"{"kind":"form","value":{"a":"%ff+b","c":"%4","d":"%zz%"}}"#);
    assert_eq!(shown("application/x-www-form-urlencoded", "a=1&b=%1b%5b"), "a: 1\nb: \\x1b[");
    assert_eq!(form("{\"a\":1,}"), r#"{"kind":"text","value":"{\"a\":1,}","error":"not a form"}"#);
    let binary = r#"{"kind":"binary","value":"AP8=","error":"not a form: not text"}"#;
    assert_eq!(json_of("application/x-www-form-urlencoded", b"\0\xff"), binary);
}

const PARTS: &str = "preamble\r\n--b=1 \r\nContent-Disposition: form-data; name=\"meta\"\r\n\r\n{\"a\": 1}\r\n--b=1\r\n\
    content-disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\nContent-Type: text/plain;\r\n charset=latin1\r\n\r\n--b=12\r\nx\r\n--b=1--\r\nend";

#[test]
fn multiparts_are_lists_of_documents() {
    let value = concat!(
        r#"{"kind":"multipart","value":[{"headers":[["Content-Disposition","form-data; name=\"meta\""]],"name":"meta","body":{"kind":"json","value":{"a":1}}},"#,
        r#"{"headers":[["content-disposition","form-data; name=\"f\"; filename=\"a.txt\""],["Content-Type","text/plain; charset=latin1"]],"#,
        r#""name":"f","filename":"a.txt","body":{"kind":"text","value":"--b=12\r\nx"}}]}"#
    );
    assert_eq!(json_of("multipart/form-data; boundary=\"b=1\"", PARTS), value);
    let unix = PARTS.replace('\r', "");
    assert_eq!(json_of("multipart/form-data; boundary=\"b=1\"", unix), value.replace("\\r", ""));
    let open = json_of("multipart/mixed; boundary=b", "--b\r\n\r\n[1]");
    assert_eq!(
        open,
        r#"{"kind":"multipart","value":[{"headers":[],"body":{"kind":"json","value":"[1]","cut":true}}],"cut":true}"#
    );
    assert_eq!(json_of("multipart/mixed", "x"), r#"{"kind":"text","value":"x","error":"multipart without a boundary"}"#);
    assert_eq!(json_of("multipart/mixed; boundary=b", "--b--"), r#"{"kind":"multipart","value":[]}"#);
    let text = "part 1 of 2\n  Content-Disposition: form-data; name=\"meta\"\n    {\n      \"a\": 1\n    }\n";
    assert!(shown("multipart/form-data; boundary=b=1", PARTS).starts_with(text));
}

#[test]
fn multiparts_nest_and_multiply_no_further_than_their_limits() {
    let mut wire = "x".to_owned();
    for i in (0..10).rev() {
        wire = format!("--b{i}\r\nContent-Type: multipart/mixed; boundary=b{}\r\n\r\n{wire}\r\n--b{i}--\r\n", i + 1);
    }
    assert!(json_of("multipart/mixed; boundary=b0", &wire).contains("nested too deeply"));
    let many = "--b\r\n\r\n".repeat(20_000);
    assert!(json_of("multipart/mixed; boundary=b", many).contains("more than 1000 parts"));
}

#[test]
fn text_is_read_in_its_charset() {
    assert_eq!(json_of("text/plain; charset=Shift_JIS", b"\x83e\x83X\x83g"), r#"{"kind":"text","value":"テスト"}"#);
    assert_eq!(json_of("text/plain; charset=iso-8859-1", b"\xfc"), r#"{"kind":"text","value":"ü"}"#);
    assert_eq!(json_of("text/plain", b"\xff\xfea\0"), r#"{"kind":"text","value":"a"}"#);
    assert_eq!(json_of("", b"plain \x1b[1m"), r#"{"kind":"text","value":"plain \u001b[1m"}"#);
    let labelled = r#"{"kind":"text","value":"ü","error":"not valid UTF-8; read as windows-1252"}"#;
    assert_eq!(json_of("text/html", b"\xfc"), labelled);
    assert_eq!(json_of("text/plain", b"\xfc\0"), r#"{"kind":"binary","value":"/AA=","error":"not valid UTF-8"}"#);
    assert_eq!(json_of("image/png", b"\x89PNG\r\n\x1a\n"), r#"{"kind":"binary","value":"iVBORw0KGgo="}"#);
    assert_eq!(shown("text/plain", "a\tb\r\n\x1b[2J\n\nc"), "a    b\n\\x1b[2J\n\nc");
}

#[test]
fn xml_is_kept_and_shown_by_element() {
    let wire = "<?xml version=\"1.0\"?><a x=\"1\" y='2'>\n<b>t &amp; u</b><c/><!-- d --><e><f/></e></a>";
    assert!(json_of("application/soap+xml", wire).starts_with(r#"{"kind":"xml","value":"<?xml version=\"1.0\"?><a x"#));
    assert!(json_of("text/plain", wire).starts_with(r#"{"kind":"xml""#));
    assert!(json_of("", "<a></a>").starts_with(r#"{"kind":"xml""#));
    assert!(json_of("", "<html><p>").starts_with(r#"{"kind":"text""#));
    let pretty =
        "<?xml version=\"1.0\"?>\n<a x=\"1\" y=\"2\">\n  <b>t &amp; u</b>\n  <c/>\n  <!-- d -->\n  <e>\n    <f/>\n  </e>\n</a>";
    assert_eq!(shown("text/xml", wire), pretty);
    assert_eq!(shown("text/xml", "<a b='\"' c><d e/></a>"), "<a b='\"' c>\n  <d e/>\n</a>");
    assert_eq!(shown("text/xml", "<a>\n<b></a>"), "<a>\n<b></a>");
    let cut = Body { whole: false, ..body("text/xml", b"<a><b>x</b><c d=\"") };
    assert_eq!(plain(&decode(&cut, &Context::plain(100)), Secrets::Show), "<a>\n  <b>x</b>\n  <c d=\"");
}

#[test]
fn bytes_are_dumped() {
    let lines: Vec<String> = hex(b"POST /checkout H\xff", Secrets::Show).iter().map(Line::text).collect();
    assert_eq!(
        lines,
        [
            "00000000  50 4f 53 54 20 2f 63 68  65 63 6b 6f 75 74 20 48  |POST /checkout H|",
            "00000010  ff                                                |.|",
        ]
    );
    assert_eq!(shown("", b"\0\x01"), "AAE=");
}

/// One row a place where a body hides a secret: type, bytes.
const SECRETS: &[(&str, &str)] = &[
    ("application/json", r#"{"password":"MARKER","a":[{"apiKey":["MARKER"]}]}"#),
    ("application/json", r#"{"password":"MARKER",}"#),
    ("application/json", r#"{"token":"MARK MARKER"#),
    ("application/x-www-form-urlencoded", "user=a&password=MARKER&password=MARKER&j=%7B%22token%22:%22MARKER%22%7D"),
    ("application/x-www-form-urlencoded", r#"{"password":"MARKER&MARKER",}"#),
    ("application/x-www-form-urlencoded", r#"["password":"MARKER",}"#),
    ("application/x-ndjson", "{\"token\":\"MARKER\"}\n{\"token\":\"MARKER\"}\n"),
    ("text/event-stream", "data: {\"secret\":\"MARKER\"}\n\n"),
    ("text/plain", "https://u:MARKER@h/?access_token=MARKER"),
    ("text/xml", "<a password=\"MARKER\"><b><pwd>MARKER</pwd></b></a>"),
    ("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nMARKER\r\n--b--"),
    (
        "multipart/form-data; boundary=b",
        "--b\r\nAuthorization: Bearer MARKER\r\nX-Api-Key: MARKER\r\n\r\n{\"key\":\"MARKER\"}\r\n--b--",
    ),
    ("", "\0{\"key\":\"MARKER\"}"),
];

#[test]
fn no_output_shows_a_secret() {
    for (media_type, wire) in SECRETS {
        let document = decode(&body(media_type, wire.as_bytes()), &Context::plain(1 << 16));
        let base64 = |text: &str| text.contains("TUFSS0VS") || text.contains("1BUktFU") || text.contains("NQVJLRV");
        let outputs = |secrets| {
            let lines: Vec<String> = render(&document, secrets).iter().map(Line::text).collect();
            [written(&document, secrets), plain(&document, secrets), lines.join("\n")]
        };
        for output in outputs(Secrets::Mask) {
            assert!(!output.replace(' ', "").contains("MARKER") && !base64(&output), "{media_type} {wire}: {output}");
            assert!(output.contains('*') || output.contains("Kioq"), "{output}");
        }
        for output in outputs(Secrets::Show) {
            assert!(output.contains("MARKER") || base64(&output) || output.contains("|MARKER"), "{media_type} {wire}: {output}");
        }
    }
}

fn any_type() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "",
        "application/json",
        "text/plain",
        "text/plain; charset=utf-16",
        "text/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=b",
        "multipart/mixed",
        "image/png",
        "text/event-stream",
        "text/html; charset=shift_jis",
    ])
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let pieces = "(--b|--b--|\r\n|\n|:|;|Content-Type: text/xml|<a|</a>|/>|<!--|-->|<!\\[CDATA\\[|&amp;|\\{|\\}|\\[|\\]|\"|\\\\|,|1|true|token|=|&|%41|%|\\+|ü| )";
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        proptest::string::string_regex(&format!("{pieces}{{0,40}}")).unwrap().prop_map(String::into_bytes),
        json_text().prop_map(String::into_bytes),
    ]
}

/// JSON with white space, odd numbers, escapes and duplicate keys.
fn json_text() -> impl Strategy<Value = String> {
    let string = "\"([ -!#-\\[\\]-~é\u{85}\u{2028}😀]|\\\\[\"\\\\/bfnrt]|\\\\u00[0-9a-fA-F]{2}){0,8}\"";
    let number = "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,2})?";
    let leaf = prop_oneof![
        proptest::string::string_regex(string).unwrap(),
        proptest::string::string_regex(number).unwrap(),
        "true|false|null"
    ];
    let space = || "[ \t\r\n]{0,2}";
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            (proptest::collection::vec(inner.clone(), 0..4), space())
                .prop_map(|(items, s)| format!("{s}[{s}{}{s}]{s}", items.join(&format!("{s},")))),
            (proptest::collection::vec(("[a-c]", inner), 0..4), space()).prop_map(|(pairs, s)| {
                let pairs: Vec<String> = pairs.iter().map(|(k, v)| format!("{s}\"{k}\"{s}:{s}{v}")).collect();
                format!("{{{}{s}}}", pairs.join(","))
            }),
        ]
    })
}

/// The text without the white space outside strings.
fn dense(json: &str) -> String {
    let (mut inside, mut escaped) = (false, false);
    let keep = |&c: &char| {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => inside = !inside,
            _ => {}
        }
        inside || !c.is_ascii_whitespace()
    };
    json.chars().filter(keep).collect()
}

proptest! {
    #[test]
    fn any_bytes_have_an_output(
        media_type in any_type(), bytes in any_bytes(), limit in 0..400_usize, whole in any::<bool>(), more in 0..2_u64, mask in any::<bool>(),
    ) {
        let secrets = if mask { Secrets::Mask } else { Secrets::Show };
        let mut body = body(media_type, &bytes);
        body.whole = whole;
        body.bytes += more;
        let document = decode(&body, &Context::plain(limit));
        let json = written(&document, secrets);
        prop_assert!(serde_json::from_str::<IgnoredAny>(&json).is_ok(), "{}", json);
        prop_assert!(!json.chars().any(is_control));
        for line in render(&document, secrets) {
            prop_assert!(!line.text().chars().any(is_control));
        }
        prop_assert!(!plain(&document, secrets).chars().any(|c| is_control(c) && c != '\n'));
        prop_assert_eq!(document.cut, document.cut || !whole || more > 0);
    }

    #[test]
    fn valid_json_stays_itself(text in json_text()) {
        let document = decode(&body("application/json", text.as_bytes()), &Context::plain(1 << 16));
        let Content::Json(compact) = &document.value else { panic!("{text}: {:?}", document.error) };
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(compact).unwrap(), serde_json::from_str::<serde_json::Value>(&text).unwrap());
        prop_assert_eq!(compact.replace("\\u0085", "\u{85}").replace("\\u2028", "\u{2028}"), dense(&text).replace("\\u0085", "\u{85}").replace("\\u2028", "\u{2028}"));
        prop_assert_eq!(dense(&plain(&document, Secrets::Show)), compact.clone());
    }

    #[test]
    fn the_scanner_agrees_with_serde(text in json_text(), at in 0..60_usize, with in "[ -~\n\u{85}]{0,2}") {
        let text: String = text.chars().take(at).chain(with.chars()).chain(text.chars().skip(at + 1)).collect();
        prop_assert_eq!(json::compact(&text).is_ok(), serde_json::from_str::<IgnoredAny>(&text).is_ok(), "{}", text);
    }

    #[test]
    fn json_cut_anywhere_is_cut_json(text in json_text(), at in 1..60_usize) {
        let text = format!("[{text}]");
        let document = decode(&body("", text.as_bytes()), &Context::plain(at));
        prop_assert_eq!((document.kind, document.cut, &document.error), (Kind::Json, at < text.len(), &None));
        let Content::Text(begun) = &document.value else { return Ok(()) };
        prop_assert!(text.starts_with(begun.as_str()) && begun.len() + 4 > at);
    }
}
