//! Masking, row by row of its table, and what no output may ever show.

use super::*;
use proptest::prelude::*;

#[test]
fn every_word_is_secret_in_whatever_case_and_company() {
    let is_word = |word: &&&str| word.bytes().all(|b| b.is_ascii_alphabetic());
    for word in SECRET {
        for name in [word.to_string(), word.to_uppercase(), format!("größe-{word}"), format!("{word}2…")] {
            assert!(is_secret_name(&name), "{name}");
        }
        assert!(!is_secret_name(&format!("xX{word}")), "{word}");
        for after in TRAILING.iter().filter(is_word) {
            assert!(is_secret_name(&format!("{word}_{after}[]")), "{word}_{after}");
        }
    }
    for before in KEYS {
        assert!(is_secret_name(&format!("{before}Keys")), "{before}");
    }
}

#[test]
fn names_are_told_by_their_words() {
    for name in [
        "token",
        "Token",
        "access_token",
        "token_base64",
        "accessToken",
        "X-CSRF-Token",
        "id-token",
        "key",
        "KEY",
        "api_key",
        "apiKey",
        "APIKey",
        "apikey",
        "x-api-key",
        "Ocp-Apim-Subscription-Key",
        "privateKey",
        "password",
        "Password2",
        "passwd",
        "pwd",
        "user[password]",
        "user[password][]",
        "new_password",
        "password_confirmation",
        "db.password",
        "secret",
        "client_secret",
        "clientSecretValue",
        "secret_key",
        "SECRET",
        "x-auth-token",
        "PASSWORD",
        "aws_secret_access_key",
        "jwt",
        "credentials",
    ] {
        assert!(is_secret_name(name), "{name}");
    }
    for name in [
        "",
        "monkey",
        "keyboard",
        "tokenize_text",
        "tokenizer",
        "max_tokens",
        "tokens",
        "token_type",
        "routing_key",
        "partitionKey",
        "public_key",
        "primary_key",
        "idempotency-key",
        "Sec-WebSocket-Key",
        "keys",
        "key_id",
        "passenger",
        "compass",
        "secretary",
        "bypass_cache",
        "name",
        "password_policy",
        "hash",
        "value",
        "data",
        "author",
        "cookies",
    ] {
        assert!(!is_secret_name(name), "{name}");
    }
}

#[test]
fn one_row_a_header() {
    let rows = [
        ("Authorization", "Bearer eyJ.abc", "Bearer ***"),
        ("proxy-authorization", "Basic dTpw", "Basic ***"),
        ("authorization", "eyJ.abc", "***"),
        ("authorization", "Digest username=\"u\", response=\"r\"", "Digest ***"),
        ("authorization", "se.cret/1 more", "***"),
        ("X-Forwarded-Authorization", "Bearer a", "Bearer ***"),
        ("Cookie", "sid=1; theme=dark", "***"),
        ("Set-Cookie", "sid=1; Path=/; HttpOnly", "***"),
        ("Set-Cookie2", "sid=1", "***"),
        ("X-Api-Key", "k1", "***"),
        ("apikey", "k1", "***"),
        ("X-Auth-Token", "t1", "***"),
        ("Private-Token", "t1", "***"),
        ("Referer", "https://u:pw@shop/cart?token=t1&page=2", "https://u:***@shop/cart?token=***&page=2"),
        ("Location", "/login#access_token=t1", "/login#access_token=***"),
        ("Idempotency-Key", "8e03978e", "8e03978e"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZQ==", "dGhlIHNhbXBsZQ=="),
        ("Content-Type", "text/html; charset=utf-8", "text/html; charset=utf-8"),
    ];
    for (name, wire, shown) in rows {
        assert_eq!(header(name, wire, Secrets::Mask), shown, "{name}");
        assert_eq!(header(name, wire, Secrets::Show), wire);
    }
}

#[test]
fn one_row_a_target() {
    let rows = [
        ("/a?token=t1", "/a?token=***"),
        ("/a?x=1&password=a%26b,c;d&y=2", "/a?x=1&password=***&y=2"),
        ("/a?pass%77ord=p&API_KEY=k", "/a?pass%77ord=***&API_KEY=***"),
        ("/a?u[secret]=s", "/a?u[secret]=***"),
        ("http://me:pw@host:80/a?key=k", "http://me:***@host:80/a?key=***"),
        ("http://ghp_abc@host/", "http://***@host/"),
        ("/a?monkey=1&token_type=x&token=", "/a?monkey=1&token_type=x&token="),
        ("*", "*"),
        ("host:443", "host:443"),
    ];
    for (wire, shown) in rows {
        assert_eq!(target(wire, Secrets::Mask), shown);
        assert_eq!(target(wire, Secrets::Show), wire);
    }
}

#[test]
fn one_row_a_place_in_text() {
    let rows = [
        (r#"{"token":"t","a":1}"#, r#"{"token":"***","a":1}"#),
        (r#"{"token":""}"#, r#"{"token":"***"}"#),
        (r#"{"token":12,"secret":null}"#, r#"{"token":"***","secret":"***"}"#),
        (r#"{"secret":{"a":["}\"",{}]},"b":2}"#, r#"{"secret":"***","b":2}"#),
        (r#"{"key" : [1,2] }"#, r#"{"key" : "***" }"#),
        (r#"{"password":"a\"b\\","c":"d"}"#, r#"{"password":"***","c":"d"}"#),
        (r#"{"p\u0061ssword":"x"}"#, r#"{"p\u0061ssword":"***"}"#),
        (r#"{"passwo\u0072d":"x","toke\u006e":"y"}"#, r#"{"passwo\u0072d":"***","toke\u006e":"***"}"#),
        (r#"{"token\u00af":"x","a_token2":"y"}"#, r#"{"token\u00af":"***","a_token2":"***"}"#),
        (r#"{"a":"password","b":":x"}"#, r#"{"a":"password","b":":x"}"#),
        (r#"{"a":"{\"token\":\"t\\\"u\",\"n\":1}"}"#, r#"{"a":"{\"token\":\"***\",\"n\":1}"}"#),
        (r#"{"a":"{\"token\": 5}","b":1}"#, r#"{"a":"{\"token\": \"***\"}","b":1}"#),
        (r#"{"a":"{\"secret\":{\"b","c":1}"#, r#"{"a":"{\"secret\":\"***\"","c":1}"#),
        (r#"{"password":"beg"#, r#"{"password":"***"#),
        (r#"{"secret":{"a":"b"#, r#"{"secret":"***""#),
        ("{\"token\":\"t\"}\n{\"token\":\"u\"}\n", "{\"token\":\"***\"}\n{\"token\":\"***\"}\n"),
        (r#"say "hi and {"password":"x"}"#, r#"say "hi and {"password":"***"}"#),
        ("login token=t1 ok", "login token=*** ok"),
        ("<u><wsse:Password Type=\"x\">p<b/>w</wsse:Password></u>", "<u><wsse:Password Type=\"x\">***</wsse:Password></u>"),
        ("<Key>a.png</Key><apiKey>k</apiKey>", "<Key>a.png</Key><apiKey>***</apiKey>"),
        ("<u password=\"p w\" a='1' secret='s'/>", "<u password=\"***\" a='1' secret='***'/>"),
        (r#"{"url":"http:\/\/u:p@h"}"#, r#"{"url":"http:\/\/u:***@h"}"#),
    ];
    for (wire, shown) in rows {
        assert_eq!(text(wire, Secrets::Mask), shown);
        assert_eq!(text(wire, Secrets::Show), wire);
    }
    assert_eq!(json(r#"["<token>","a token=","b"]"#, Secrets::Mask), r#"["<token>","a token=","b"]"#);
    assert_eq!(json(r#"["<token>a\\","</token>"]"#, Secrets::Mask), r#"["<token>***","</token>"]"#);
}

#[test]
fn bytes_keep_their_offsets() {
    assert_eq!(*bytes(b"\xff{\"token\":\"abc\"}\0", Secrets::Mask), *b"\xff{\"token\":\"***\"}\0");
    assert_eq!(*bytes(b"\0secret=abcdef&x", Secrets::Mask), *b"\0secret=******&x");
    assert_eq!(*bytes(b"\0secret=abcdef&x", Secrets::Show), *b"\0secret=abcdef&x");
}

#[test]
fn the_scan_is_linear() {
    // each would take minutes, were it quadratic
    for piece in [
        "<token",
        "\"token\":",
        "token=\"",
        "://",
        "\\\"secret\\\":{",
        "\"a\" ",
        ":",
        "\\\\\\\"key\\\\\\\":",
        "<key>",
        "a=",
        "=\\",
    ] {
        let long = piece.repeat(300_000);
        assert!(text(&long, Secrets::Mask).len() <= long.len() * 3);
        assert_eq!(bytes(long.as_bytes(), Secrets::Mask).len(), long.len());
    }
}

fn value_strategy() -> impl Strategy<Value = serde_json::Value> {
    let string = proptest::sample::select(vec![
        "",
        "a",
        "token=",
        "a token=x",
        "\"",
        "\\",
        "\\\"",
        "<token>",
        "</token>",
        "<key a=",
        ":",
        "\"key\":",
        "{\"token\":\"b\"}",
        "{\"token\":{\"b\":[",
        "\n",
        "http://u:p@h",
        "[",
        "}",
        "secret",
        "<password>a\"b</password>",
        "token='",
        "\"secret\": \\\"",
    ]);
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<i32>().prop_map(Into::into),
        proptest::collection::vec(string, 0..4).prop_map(|parts| parts.concat().into()),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let name = proptest::sample::select(vec!["a", "token", "x\"y", "password", "mon\\key", "\\key", "list"]);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::vec((name, inner), 0..4).prop_map(|pairs| pairs
                .into_iter()
                .map(|(n, v)| (n.to_owned(), v))
                .collect::<serde_json::Map<_, _>>()
                .into()),
        ]
    })
}

/// What masking has to give: the same document, each value under a secret name replaced, strings apart.
fn agrees(was: &serde_json::Value, is: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Object, String};
    match (was, is) {
        (Object(was), Object(is)) => {
            was.len() == is.len()
                && was
                    .iter()
                    .zip(is)
                    .all(|((a, was), (b, is))| a == b && if is_secret_name(a) { is == MASK } else { agrees(was, is) })
        }
        (Array(was), Array(is)) => was.len() == is.len() && was.iter().zip(is).all(|(was, is)| agrees(was, is)),
        // strings may hold secrets of their own
        (String(was), String(is)) => was == is || is.contains(MASK),
        (was, is) => was == is,
    }
}

proptest! {
    #[test]
    fn masked_json_is_the_same_json_without_its_secrets(value in value_strategy(), nested in any::<bool>()) {
        let wire = if nested { serde_json::json!({ "a": value.to_string() }) } else { value };
        let masked = json(&wire.to_string(), Secrets::Mask).into_owned();
        let read = serde_json::from_str(&masked);
        prop_assert!(read.is_ok(), "{wire} -> {masked}");
        prop_assert!(agrees(&wire, &read.unwrap()), "{wire} -> {masked}");
    }

    #[test]
    fn a_marker_under_a_secret_name_never_appears(
        name in proptest::sample::select(vec!["token", "apiKey", "client_secret", "password"]),
        before in "[ -~\n]{0,30}",
        depth in 0..3_usize,
        cut in 0..400_usize,
    ) {
        let mut document = serde_json::json!({ "x": before, name: "MARKER", "z": { name: ["MARKER", { "q": "MARKER" }] }, "u": format!("/?{name}=MARKER") });
        for _ in 0..depth {
            document = serde_json::json!({ "body": document.to_string(), "b": before });
        }
        let wire = document.to_string();
        let wire = &wire[..cut.min(wire.len())];
        for shown in [text(wire, Secrets::Mask), json(wire, Secrets::Mask)] {
            prop_assert!(!shown.contains("MARKER"), "{wire} -> {shown}");
        }
        prop_assert!(!bytes(wire.as_bytes(), Secrets::Mask).windows(6).any(|w| w == b"MARKER"));
    }

    #[test]
    fn any_text_is_masked(wire in "(token|=|:|\"|\\\\|<|>|/|@|\\{|\\[|\\}|\\]|key|,| |a|ü|'){0,40}") {
        let _ = json(&wire, Secrets::Mask);
        let _ = text(&wire, Secrets::Mask);
        prop_assert_eq!(bytes(wire.as_bytes(), Secrets::Mask).len(), wire.len());
    }
}
