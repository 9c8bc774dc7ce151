//! What prints reads back the same, and no text panics.

use super::*;
use crate::filter::expr::Expr;
use proptest::prelude::*;

#[test]
fn it_says_what_it_reads() {
    for (text, needs) in [
        ("ok and dur > 1s", Needs::Row),
        ("body", Needs::Row),
        ("header.host", Needs::Detail),
        ("http.method == GET", Needs::Detail),
        ("http.method", Needs::Bodies),
        ("body ~ x", Needs::Bodies),
        ("ok and not (dur > 1s or word)", Needs::Bodies),
    ] {
        assert_eq!(Filter::parse(text).unwrap().needs(), needs, "{text}");
    }
    // what is cheap is asked first
    assert_eq!(
        Filter::parse("word and http.method == a and ok").unwrap().expr.to_string(),
        r#"ok and http.method == "a" and "word""#
    );
}

/// Texts made of the language's own pieces, so that many of them parse.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "ok",
        "status",
        "dur",
        "op",
        "proto",
        "header.a",
        "http.method",
        "time",
        "client",
        "and",
        "or",
        "not",
        "(",
        ")",
        "{",
        "}",
        ",",
        "==",
        "!=",
        "<",
        ">=",
        "~",
        "contains",
        "in",
        "\"a\\\"b\\\\\"",
        "'x'",
        "200",
        "1ms",
        "07:21:03",
        "true",
        "&&",
        "||",
        "!",
        "word",
        "a.b",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|p| p.join(" "))
}

/// Expressions that are right by construction.
fn expressions() -> impl Strategy<Value = String> {
    let test = prop::sample::select(vec![
        "ok",
        "trace",
        "status >= 500",
        "status in (200, '404')",
        "dur > 1.5s",
        "op ~ \"^a\\\\.b\\\"\"",
        "http.method contains 'x y'",
        "header.a == \"\\\\\"",
        "\"free text\"",
        "word",
        "a.b",
        "time < 07:21:03.5",
        "size != 4KiB",
    ]);
    test.prop_map(str::to_owned).prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|e| format!("not ({e})")),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|e| format!("({})", e.join(" and "))),
            prop::collection::vec(inner, 1..4).prop_map(|e| format!("({})", e.join(" || "))),
        ]
    })
}

fn reads_back(expr: &Expr) {
    let printed = expr.to_string();
    assert_eq!(Filter::parse(&printed).unwrap_or_else(|e| panic!("{printed}: {e}")).expr, *expr, "{printed}");
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,60}|[ -~]{0,60}", cursor in 0usize..80) {
        let parsed = Filter::parse(&text);
        if let Ok(filter) = &parsed {
            filter.matches(flow().as_ref());
            reads_back(&filter.expr);
        }
        if let Err(e) = parsed {
            prop_assert!(e.at <= text.chars().count());
        }
        complete(&text, cursor, &[]);
    }

    #[test]
    fn pieces_of_the_language_never_panic_and_read_back(text in pieces()) {
        if let Ok(filter) = Filter::parse(&text) {
            filter.matches(flow().as_ref());
            reads_back(&filter.expr);
        }
        complete(&text, text.len(), &[]);
    }

    #[test]
    fn what_is_right_parses_and_reads_back(text in expressions()) {
        let filter = Filter::parse(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
        filter.matches(flow().as_ref());
        reads_back(&filter.expr);
    }
}
