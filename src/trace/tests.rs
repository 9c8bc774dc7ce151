//! Every propagator by its specification's own examples; what several of them together say.

use super::*;
use compact_str::CompactString;

const W3C: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn of(fields: &[(&str, &str)]) -> Extracted {
    let mut headers = Headers::default();
    headers.push(b"Host", b"a");
    for (name, value) in fields {
        headers.push(name.as_bytes(), value.as_bytes());
    }
    extract(&headers, &[])
}

/// `trace span parent sampled carrier` of each context.
fn shown(extracted: &Extracted) -> Vec<String> {
    let text = |t: &Option<CompactString>| t.as_deref().unwrap_or("-").to_owned();
    let sampled = |s: Option<bool>| s.map_or("-", |s| if s { "1" } else { "0" });
    let line = |c: &TraceContext| {
        format!("{} {} {} {} {}", c.trace_id, text(&c.span_id), text(&c.parent_id), sampled(c.sampled), c.carrier)
    };
    extracted.contexts.iter().map(line).collect()
}

#[test]
fn each_specifications_example() {
    for (fields, expected) in [
        (&[("TraceParent", W3C)][..], "4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7 - 1 traceparent"),
        (
            &[("b3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90")],
            "80f198ee56343ba864fe8b2a57d3eff7 e457b5a2e4d86bd1 05e3ac9a4f6e3b90 1 b3",
        ),
        (&[("b3", "64fe8b2a57d3eff7-e457b5a2e4d86bd1-d")], "64fe8b2a57d3eff7 e457b5a2e4d86bd1 - 1 b3"),
        (&[("b3", "64fe8b2a57d3eff7-e457b5a2e4d86bd1")], "64fe8b2a57d3eff7 e457b5a2e4d86bd1 - - b3"),
        (
            &[
                ("X-B3-TraceId", "80f198ee56343ba864fe8b2a57d3eff7"),
                ("X-B3-ParentSpanId", "05e3ac9a4f6e3b90"),
                ("X-B3-SpanId", "e457b5a2e4d86bd1"),
                ("X-B3-Sampled", "0"),
            ],
            "80f198ee56343ba864fe8b2a57d3eff7 e457b5a2e4d86bd1 05e3ac9a4f6e3b90 0 x-b3-traceid",
        ),
        (&[("uber-trace-id", "7c1bf0d2a3e45b6c:53c2e1b4:0:1")], "7c1bf0d2a3e45b6c 53c2e1b4 - 1 uber-trace-id"),
        (&[("uber-trace-id", "7c1bf0d2a3e45b6c%3A53c2e1b4%3Aab%3A0")], "7c1bf0d2a3e45b6c 53c2e1b4 ab 0 uber-trace-id"),
        (
            &[("sentry-trace", "12312012123120121231201212312012-1121201211212012-1")],
            "12312012123120121231201212312012 1121201211212012 - 1 sentry-trace",
        ),
        // what older SDKs for Python send of a decision that is not made yet
        (
            &[("sentry-trace", "12312012123120121231201212312012-1121201211212012-")],
            "12312012123120121231201212312012 1121201211212012 - - sentry-trace",
        ),
        (
            &[("x-datadog-trace-id", "1234567890"), ("x-datadog-parent-id", "987"), ("x-datadog-sampling-priority", "-1")],
            "1234567890 987 - 0 x-datadog-trace-id",
        ),
        (
            &[("X-Amzn-Trace-Id", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1")],
            "1-5759e988-bd862e3fe1be46a994272793 53995c3f42cd8ad8 - 1 x-amzn-trace-id",
        ),
        (
            &[("X-Cloud-Trace-Context", "105445aa7843bc8bf206b12000100000/1;o=1")],
            "105445aa7843bc8bf206b12000100000 1 - 1 x-cloud-trace-context",
        ),
        (&[("sw8", "1-TRACEID=-U0VHTUVOVA==-3-U0VSVklDRQ==-SU5TVA==-L2VuZA==-MTI3LjAuMC4xOjgwODA=")], ""),
        (&[("sw8", "1-VFJBQ0U=-U0VHTUVOVA==-3-U0VSVklDRQ==-SU5TVA==-L2VuZA==-MTI3LjAuMC4xOjgwODA=")], "TRACE SEGMENT-3 - 1 sw8"),
        (
            &[("grpc-trace-bin", "AABAQUJDREVGR0hJSktMTU5PAWFiY2RlZmdoAgE")],
            "404142434445464748494a4b4c4d4e4f 6162636465666768 - 1 grpc-trace-bin",
        ),
        (&[("X-Request-ID", " 7f52-a1 ")], "7f52-a1 - - - x-request-id"),
        (&[("X-Correlation-Id", "order 17")], "order 17 - - - x-correlation-id"),
    ] {
        let found = of(fields);
        assert_eq!(shown(&found).join("; "), expected, "{fields:?}");
        assert_eq!(found.issues.is_empty(), !expected.is_empty(), "{fields:?}");
    }
}

#[test]
fn a_binary_context_may_come_as_it_is() {
    let mut headers = Headers::default();
    let bytes = [&[0, 0][..], b"@ABCDEFGHIJKLMNO", &[1], b"abcdefg\n", &[2, 1]].concat();
    headers.push(b"grpc-trace-bin", &bytes);
    let found = extract(&headers, &[]);
    assert_eq!(shown(&found), ["404142434445464748494a4b4c4d4e4f 616263646566670a - 1 grpc-trace-bin"]);
    // it may end as white space does
    let mut headers = Headers::default();
    headers.push(b"grpc-trace-bin", &bytes[..bytes.len() - 2]);
    assert_eq!(shown(&extract(&headers, &[])), ["404142434445464748494a4b4c4d4e4f 616263646566670a - - grpc-trace-bin"]);
}

#[test]
fn what_is_malformed_is_neither_there_nor_absent() {
    for (name, value) in [
        ("traceparent", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"),
        ("traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"),
        ("traceparent", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x"),
        ("traceparent", ""),
        ("b3", "80f198ee56343ba864fe8b2a57d3eff7"),
        ("b3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-7"),
        ("b3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90-x"),
        ("x-b3-traceid", "80f198ee56343ba864"),
        ("uber-trace-id", "0:0:0:0"),
        ("uber-trace-id", "a:b:c"),
        ("sentry-trace", "1231-11-1"),
        ("sentry-trace", "12312012123120121231201212312012-1121201211212012-2"),
        ("sentry-trace", "12312012123120121231201212312012-1121201211212012--"),
        ("x-datadog-trace-id", "0"),
        ("x-datadog-trace-id", "18446744073709551616"),
        ("x-amzn-trace-id", "Root=1-5759e988-bd862e3f"),
        ("x-cloud-trace-context", "105445aa7843bc8bf206b12000100000/x"),
        ("sw8", "1-a-b"),
        ("grpc-trace-bin", "AABAQUJD"),
        ("grpc-trace-bin", "!"),
    ] {
        let found = of(&[(name, value)]);
        assert!(found.contexts.is_empty(), "{name}: {value}: {found:?}");
        let [issue] = found.issues[..] else { panic!("{name}: {value}: {:?}", found.issues) };
        assert_eq!(issue.text, format!("malformed {name}"));
    }
    assert_eq!(of(&[("traceparent", W3C), ("traceparent", W3C)]).issues.len(), 1, "two of them disagree about who the parent is");
    let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-later";
    assert_eq!(of(&[("traceparent", later)]).contexts[0].sampled, Some(false), "a later version may say more");
    for quiet in [("b3", "0"), ("x-b3-sampled", "1"), ("tracestate", "a=1"), ("baggage", "a=1"), ("x-request-id", "")] {
        let found = of(&[quiet]);
        assert!(found.contexts.is_empty() && found.issues.is_empty(), "{quiet:?}: {found:?}");
    }
}

#[test]
fn the_strongest_comes_first_and_what_disagrees_is_told() {
    let found = of(&[("x-request-id", "r"), ("b3", "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"), ("traceparent", W3C)]);
    assert_eq!(found.contexts.iter().map(|c| c.carrier).collect::<Vec<_>>(), ["traceparent", "b3", "x-request-id"]);
    assert!(found.issues.is_empty(), "{:?}", found.issues);
    // the lower half, in decimal
    let datadog = 0xa3ce_929d_0e0e_4736_u64.to_string();
    assert!(of(&[("traceparent", W3C), ("x-datadog-trace-id", &datadog)]).issues.is_empty());
    let found = of(&[("traceparent", W3C), ("sentry-trace", "12312012123120121231201212312012-1121201211212012")]);
    assert_eq!((found.contexts.len(), found.issues.as_slice()), (2, &[DISAGREE][..]));
}

#[test]
fn endless_baggage_ends_with_a_whole_member() {
    let member = format!("user={}", "é".repeat(500));
    let found = of(&[("traceparent", W3C), ("baggage", &member), ("baggage", &[&*member; 20].join(","))]);
    let baggage = found.contexts[0].baggage.as_deref().unwrap();
    assert!(baggage.len() <= LONGEST && baggage.len() > LONGEST - 2 * member.len(), "{} bytes", baggage.len());
    assert!(baggage.split(',').all(|kept| kept == member));
    assert_eq!(of(&[("traceparent", W3C), ("baggage", &"x".repeat(LONGEST + 1))]).contexts[0].baggage, None);
}

#[test]
fn states_and_baggage_ride_along() {
    let found = of(&[("traceparent", W3C), ("tracestate", "a=1"), ("baggage", "user=7"), ("tracestate", "b=2")]);
    let [context] = &found.contexts[..] else { panic!("{found:?}") };
    assert_eq!((context.state.as_deref(), context.baggage.as_deref()), (Some("a=1,b=2"), Some("user=7")));
}

#[test]
fn keys_compare_across_carriers() {
    let key_of = |fields: &[(&str, &str)]| key(&of(fields).contexts[0]).into_string();
    assert_eq!(key_of(&[("traceparent", W3C)]), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(key_of(&[("x-amzn-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793")]), "5759e988bd862e3fe1be46a994272793");
    assert_eq!(key_of(&[("x-datadog-trace-id", "255")]), "00000000000000ff");
    assert_eq!(key_of(&[("uber-trace-id", "00ABc:1:0:0")]), "0000000000000abc");
    assert_eq!(key_of(&[("x-request-id", "00FF")]), "00FF", "any text");
    assert!(same("ab", "ab") && same("4bf92f3577b34da6a3ce929d0e0e4736", "a3ce929d0e0e4736") && !same("ab", "cd"));
    assert!(!same("4bf92f3577b34da6a3ce929d0e0e4736", "5bf92f3577b34da6a3ce929d0e0e4736"), "of two long ones all counts");
}

#[test]
fn the_user_names_headers_and_what_they_are_written_like() {
    let named = |name, like| Named::new(name, like).unwrap();
    let shown_by = |header: Named, value: &str| {
        let mut headers = Headers::default();
        headers.push(b"X-Shop", value.as_bytes());
        let found = extract(&headers, &[header]);
        (shown(&found), found.issues.len())
    };
    let ids = |text: &str| (vec![text.to_owned()], 0);
    assert_eq!(shown_by(named("x-Shop", "id"), " 17-b "), ids("17-b - - - x-shop"));
    let as_w3c = ids("4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7 - 1 x-shop");
    assert_eq!(shown_by(named("X-SHOP", "traceparent"), W3C), as_w3c);
    assert_eq!(shown_by(named("x-shop", "traceparent"), "17"), (Vec::new(), 1));
    assert_eq!(shown_by(named("x-shop", "id"), &"9".repeat(200)), (Vec::new(), 1));
    assert_eq!(shown_by(named("x-shop", "id"), ""), (Vec::new(), 0));
    assert_eq!(shown_by(named("x-other", "id"), "17"), (Vec::new(), 0));
    // it comes first, and two that disagree are told
    let mut headers = Headers::default();
    headers.push(b"traceparent", W3C.as_bytes());
    headers.push(b"x-shop", b"aaa");
    let both = extract(&headers, &[named("x-shop", "id")]);
    assert_eq!(
        (both.contexts[0].carrier, both.contexts[1].carrier, &both.issues[..]),
        ("x-shop", "traceparent", &[DISAGREE][..])
    );
    assert_eq!((named("X-Shop", "b3").name(), named("x", "b3").like(), named("x", "id").like()), ("x-shop", "b3", "id"));
    for (name, like) in [("", "id"), ("a b", "id"), ("a:", "id"), ("a", "zipkin")] {
        Named::new(name, like).unwrap_err();
    }
}
