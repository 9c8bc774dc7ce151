//! The language from outside: what matches, what is refused and where.

mod printed;

use super::*;
use crate::model::*;
use crate::time::{Span, Time};
use std::sync::Arc;

mod calls;

/// 2026-11-21T07:21:03.123456789Z
const AT: i64 = 1_795_245_663_123_456_789;

fn headers(pairs: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::default();
    for (name, value) in pairs {
        headers.push(name.as_bytes(), value.as_bytes());
    }
    headers
}

fn flow() -> Flow {
    let request = Half { headers: headers(&[("Host", "shop.test"), ("Accept", "a"), ("accept", "b")]), ..Half::default() };
    let response = Half { headers: headers(&[("Retry-After", "120")]), ..Half::default() };
    let properties = Value::Map(vec![("type".into(), "order".into()), ("hops".into(), Value::Int(3))]);
    let detail = Detail {
        request: Some(request),
        response: Some(response),
        fields: Fields::default()
            .with("http.method", "POST")
            .with("http.status", 503)
            .with("http.target", "/checkout?x=1")
            .with("grpc.web", false)
            .with("amqp.properties", properties)
            .with("redis.args", Value::List(vec!["SET".into(), Value::Int(7)])),
        notes: vec![Issue::JOINED],
        ..Detail::default()
    };
    let party =
        |addr: &str, service: Option<&str>| Party { addr: addr.into(), service: service.map(Arc::from), rank: None, owner: None };
    Flow {
        row: Row {
            id: FlowId(17),
            conn: ConnId(PacketNo(1)),
            time: Time::from_nanos(AT),
            duration: Some(Span::from_millis(250)),
            place: 0,
            protocol: "http",
            pattern: Pattern::RequestResponse,
            state: State::Settled,
            ok: false,
            dir: Dir::ToServer,
            operation: "POST /checkout".into(),
            status: Some("503".into()),
            bytes: 5000,
            trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
            link: None,
            sources: SourceSet(1),
        },
        detail: Some(Arc::new(detail)),
        client: party("127.0.0.1:51234", Some("gateway")).into(),
        server: party("[::1]:8081", None).into(),
        connection: 3,
        sources: vec!["lo".into()],
    }
}

#[track_caller]
fn check(flow: &Flow, rows: &[(&str, bool)]) {
    for (text, expected) in rows {
        let filter = Filter::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(filter.matches(flow.as_ref()), *expected, "{text}");
    }
}

#[test]
fn fields() {
    check(
        &flow(),
        &[
            ("proto == http", true),
            ("proto == HTTP", true),
            ("proto != http", false),
            ("proto in (grpc, http)", true),
            ("proto in {grpc,amqp}", false),
            ("client == gateway", true),
            ("client", true),
            ("server", false),
            ("not server and service", true),
            ("client == Gateway", false),
            ("client == 127.0.0.1", true),
            ("client == 127.0.0.1:51234", true),
            ("client ~ \"gate\"", true),
            ("server == :8081", true),
            ("server == 8081", true),
            ("server == ::1", true),
            ("server == [::1]", true),
            ("server == [::1]:8081", true),
            ("server != :8081", false),
            ("server == gateway", false),
            ("service == gateway", true),
            ("service == :8081", true),
            ("service in (orders, gateway)", true),
            ("service != orders", true),
            ("service != gateway", false),
            ("op == 'POST /checkout'", true),
            ("op contains /check", true),
            ("op ~ ^POST", true),
            ("op ~ ^post", false),
            ("op ~ \"(?i)^post\"", true),
            ("trace", true),
            ("trace == 4BF92F3577B34DA6A3CE929D0E0E4736", true),
            ("trace ~ ^4bf9", true),
            ("conn == 3", true),
            ("conn in (1, 2)", false),
            ("link", false),
            ("hops >= 1", false),
            ("link == trace_id", false),
            ("link != trace_id", false),
            ("ok", false),
            ("not ok", true),
            ("ok == false", true),
            ("ok != true", true),
        ],
    );
}

#[test]
fn numbers_compare_as_numbers() {
    check(
        &flow(),
        &[
            ("status >= 500", true),
            ("status > 99", true),
            ("status < 1000", true),
            ("status == 503", true),
            ("status == \"503\"", true),
            ("status == 503.0", true),
            ("status != NOT_FOUND", true),
            ("status in (200, 404)", false),
            ("status in {404,503}", true),
            ("dur > 100ms", true),
            ("dur >= 0.25s", true),
            ("dur == 250ms", true),
            ("dur < 250000us", false),
            ("size > 4KiB", true),
            ("size > 5kB", false),
            ("size == 5000", true),
            ("header.retry-after > 90", true),
            ("http.status >= 500", true),
        ],
    );
}

#[test]
fn moments() {
    check(
        &flow(),
        &[
            ("time == 07:21:03", true),
            ("time == 07:21", true),
            ("time == 07:21:03.1", true),
            ("time == 07:21:03.124", false),
            ("time > 07:21:03", false),
            ("time >= 07:21:03", true),
            ("time > 07:21:02", true),
            ("time == 2026-11-21", true),
            ("time < 2026-11-21", false),
            ("time == 2026-11-21T07:21:03Z", true),
            ("time == 2026-11-21T08:21:03.123456789+01:00", true),
            ("time == 2026-11-21T07:21:03", true),
            ("time > 2026-11-21T07:21:04Z", false),
        ],
    );
}

#[test]
fn the_protocols_own() {
    check(
        &flow(),
        &[
            ("http.method == POST", true),
            ("http.method != GET", true),
            ("http.target == /checkout?x=1", true),
            ("http.target contains x=1", true),
            ("header.host == shop.test", true),
            ("header.HOST ~ test$", true),
            ("header.accept == b", true),
            ("header.accept != b", false),
            ("header.accept != c", true),
            ("header.authorization", false),
            ("header.host", true),
            ("http.method", true),
            ("grpc.web", false),
            ("not grpc.web", true),
            ("grpc.web == false", true),
            ("amqp.properties.type == order", true),
            ("amqp.properties.hops > 2", true),
            ("amqp.properties.none", false),
            ("redis.args == SET", true),
            ("redis.args == 7", true),
            ("redis.args contains E", true),
            ("sql", false),
        ],
    );
}

#[test]
fn what_is_absent_is_neither_equal_nor_unequal() {
    check(
        &flow(),
        &[
            ("grpc.method == x", false),
            ("grpc.method != x", false),
            ("not grpc.method == x", true),
            ("header.x-none != a", false),
            ("grpc.status < 5", false),
            ("grpc.method in (a, b)", false),
        ],
    );
    let mut open = flow();
    open.row.duration = None;
    open.row.status = None;
    open.row.trace_id = None;
    open.detail = None;
    check(
        &open,
        &[
            ("dur", false),
            ("dur != 1s", false),
            ("dur < 1h", false),
            ("status", false),
            ("status != 200", false),
            ("trace", false),
            ("header.host", false),
            ("http.method == POST", false),
            ("body", true),
            ("checkout", true),
            ("shop.test", false),
        ],
    );
}

#[test]
fn bare_words_search_everything_visible() {
    check(
        &flow(),
        &[
            ("CHECKOUT", true),
            ("\"post /check\"", true),
            ("Gateway", true),
            ("51234", true),
            ("503", true),
            ("http", true),
            ("'retry-after: 120'", true),
            ("\"mid-connection\"", true),
            ("shop.test", true),
            ("shop.other", false),
            ("127.0.0.1", true),
            ("nowhere", false),
        ],
    );
}

#[test]
fn and_binds_tighter_than_or_and_not_tightest() {
    // Y and Z are tests of known outcome
    for (text, expected) in [
        ("Y or Z and Z", true),
        ("(Y or Z) and Z", false),
        ("not Z and Z", false),
        ("not (Z and Z)", true),
        ("not Z or Y", true),
        ("!Z&&Y", true),
        ("Z||Y&&!Z", true),
        ("not not Y", true),
        ("Y AND NOT Z", true),
        ("((Y))", true),
    ] {
        check(&flow(), &[(text.replace('Y', "conn==3").replace('Z', "conn==4").as_str(), expected)]);
    }
    check(&flow(), &[("proto == http and (not ok or dur > 250ms) and client ~ \"gate\"", true)]);
}

#[test]
fn a_filter_sees_what_is_shown_and_nothing_else() {
    let body = Body {
        kept: br#"{"customer": "c1", "password": "hunter2"}"#.to_vec(),
        bytes: 41,
        hint: BodyHint { media_type: Some("application/json".into()), ..BodyHint::default() },
        whole: true,
    };
    let (auth, target) = ("Bearer hunter3", "/a?token=hunter4");
    let request = Half { headers: headers(&[("Authorization", auth)]), body: body.clone(), ..Half::default() };
    let fields = Fields::default().with("http.target", target);
    let mut flow = flow();
    flow.detail = Some(Arc::new(Detail { request: Some(request), fields, ..Detail::default() }));
    for secrets in [Secrets::Mask, Secrets::Show] {
        let lines = crate::body::render(&crate::body::decode(&body, &crate::body::Context::plain(1 << 16)), secrets);
        let shown: String = lines.iter().map(|line| line.text()).collect();
        for (text, visible) in [
            ("hunter2", shown.contains("hunter2")),
            ("body contains hunter2", shown.contains("hunter2")),
            ("body ~ c1", shown.contains("c1")),
            ("CUSTOMER", shown.contains("customer")),
            ("hunter3", crate::mask::header("Authorization", auth, secrets).contains("hunter3")),
            ("header.authorization ~ hunter", crate::mask::header("Authorization", auth, secrets).contains("hunter")),
            ("http.target contains hunter4", crate::mask::value("http.target", target, secrets).contains("hunter4")),
        ] {
            let filter = Filter::parse(text).unwrap().looking(secrets, 1 << 16);
            assert_eq!(filter.matches(flow.as_ref()), visible, "{text} {secrets:?}");
        }
    }
}

#[test]
fn errors_say_where_and_what_was_expected() {
    for (text, error) in [
        ("", "at 1: expected a field or text, found the end"),
        ("   ", "at 4: expected a field or text, found the end"),
        ("status >= 5x", "at 11: '5x' is no number: only numbers have an order"),
        ("dur > banana", "at 7: 'banana' is no time: a number and us ms s m h, as in 250ms"),
        ("dur > 5", "at 7: '5' is no time: a number and us ms s m h, as in 250ms"),
        ("size > 4parsecs", "at 8: '4parsecs' is no size: a number and B kB KiB MB MiB GB GiB, as in 64KiB"),
        ("conn == x", "at 9: 'x' is no whole number"),
        ("ok == yes", "at 7: 'yes' is neither true nor false"),
        ("time > teatime", "at 8: 'teatime' is no moment: RFC 3339, or HH:MM:SS in UTC"),
        ("status =", "at 8: expected '==', found '='"),
        ("status = 200", "at 8: expected '==', found '='"),
        ("a & b", "at 3: expected '&&', found '&'"),
        ("status ==", "at 10: expected a value for 'status', found the end"),
        ("dur >", "at 6: expected a time (as in 250ms) for 'dur', found the end"),
        ("status == 1 2", "at 13: expected 'and' or 'or' (text with spaces goes in quotes), found 2"),
        ("order placed", "at 7: expected 'and' or 'or' (text with spaces goes in quotes), found placed"),
        ("(ok", "at 4: expected ')' for the '(' at 1, found the end"),
        ("ok)", "at 3: expected 'and' or 'or' (text with spaces goes in quotes), found )"),
        ("ok and", "at 7: expected a field or text, found the end"),
        ("and ok", "at 1: expected a field or text, found and"),
        ("ok and or ok", "at 8: expected a field or text, found or"),
        ("\"abc", "at 1: expected \" at the end of the text that begins here"),
        ("op ~ '['", "at 6: this is no regular expression: unclosed character class"),
        ("dur ~ 1s", "at 5: expected one of == != < <= > >= in after 'dur', found ~"),
        ("ok < true", "at 4: expected one of == != after 'ok', found <"),
        ("client > a", "at 8: expected one of == != ~ contains in after 'client', found >"),
        ("status in 200", "at 11: expected a list in '()' or '{}' after 'in', found 200"),
        ("status in (200", "at 15: expected ',' or ')', found the end"),
        ("status in (200}", "at 15: expected ',' or ')', found }"),
        ("status in ()", "at 12: expected a value for 'status', found )"),
        ("\"x\" == 1", "at 5: expected 'and' or 'or' after text in quotes, found =="),
        ("größe == 1", "at 1: unknown field 'größe'; fields are "),
        ("\"größe\" status == ", "at 9: expected 'and' or 'or' (text with spaces goes in quotes), found status"),
        ("header. == 1", "at 1: unknown field 'header.'; fields are "),
    ] {
        let found = Filter::parse(text).expect_err(text).to_string();
        assert!(found == error || (error.ends_with("are ") && found.starts_with(error)), "{text}: {found}");
        assert!(!found.contains('\n'));
    }
}

#[test]
fn nesting_and_regexes_are_bounded() {
    assert!(Filter::parse(&format!("{}ok", "not ".repeat(60))).is_ok());
    assert!(Filter::parse(&format!("{}ok", "not ".repeat(70))).unwrap_err().message.contains("nested"));
    assert!(Filter::parse(&"(".repeat(8000)).unwrap_err().message.contains("nested"));
    assert!(Filter::parse(&"x".repeat(9000)).unwrap_err().message.contains("longer"));
    assert!(Filter::parse(r#"op ~ "(\w{900}){900}""#).unwrap_err().message.contains("too big"));
}

#[test]
fn completion_by_place() {
    let values =
        [("proto".to_owned(), vec!["http".to_owned(), "grpc".to_owned()]), ("http.method".to_owned(), vec!["GET".to_owned()])];
    for (text, from, first) in [
        ("", 0, Some("proto")),
        ("st", 0, Some("status")),
        ("http.", 0, Some("http.method")),
        ("proto ", 6, Some("==")),
        ("proto == ", 9, Some("http")),
        ("proto == g", 9, Some("grpc")),
        ("proto in ", 9, Some("(")),
        ("proto in (", 10, Some("http")),
        ("proto in (http, g", 16, Some("grpc")),
        ("proto in (http ", 15, Some(",")),
        ("proto in (http) ", 16, Some("and")),
        ("http.method == ", 15, Some("GET")),
        ("ok == t", 6, Some("true")),
        ("proto == http ", 14, Some("and")),
        ("proto == http a", 14, Some("and")),
        ("proto == http and d", 18, Some("dur")),
        ("not o", 4, Some("op")),
        ("(s", 1, Some("service")),
        ("\"open", 5, None),
    ] {
        let got = complete(text, text.len(), &values);
        assert_eq!((got.from, got.words.first().map(String::as_str)), (from, first), "{text}");
    }
    assert_eq!(complete("st and ok", 2, &values).words, ["status"]);
}
