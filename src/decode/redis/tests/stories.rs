//! What a conversation comes to, where all of it is seen.

use super::super::command::split;
use super::*;
use crate::decode::properties::{Sketch, flows, quick_flows, reference};

/// A flow in a line: its name, its status, whether it went well, its sizes.
fn told(flow: &Sketch) -> String {
    let closed = flow.closed.as_ref().unwrap();
    let size = |i: usize| flow.sizes[i].map_or("-".into(), |(bytes, _)| bytes.to_string());
    let ok = if closed.ok { "ok" } else { "failed" };
    format!("{} {} {ok} {} {}", flow.operation, closed.status.as_deref().unwrap_or("-"), size(0), size(1))
}

fn all(talk: &Conversation) -> Vec<String> {
    flows(talk).iter().map(told).collect()
}

#[test]
fn each_command_has_its_answer() {
    let told = all(&sequence());
    assert_eq!(told.len(), 24);
    let first = ["HSET - ok 49 4", "GET - ok 24 12", "LRANGE - ok 43 19", "CLIENT SETINFO ERR failed 53 25"];
    assert_eq!(told[..4], first);
    assert_eq!(told[4], "SET OK ok 232 5");
    assert_eq!(told[5], "GETDEL - ok 28 209");
}

#[test]
fn pipelines_pair_by_order() {
    let talk = pipeline();
    let flows = flows(&talk);
    for (n, flow) in flows[..10].iter().enumerate() {
        let body = format!(":{}{}\r\n", n / 5, n % 5).into_bytes();
        assert_eq!((flow.operation.as_str(), &flow.bodies[1]), ("INCRBY", &body));
    }
    assert_eq!(flows[10..].iter().map(told).collect::<Vec<_>>(), ["BLPOP - ok 33 22", "GET - ok 20 5", "SHUTDOWN - ok 18 -"]);
}

#[test]
fn transactions_tell_what_is_queued_and_what_failed() {
    let flows = flows(&transaction());
    let told: Vec<_> = flows.iter().map(told).collect();
    assert_eq!(
        told,
        [
            "SELECT OK ok 23 5",
            "MULTI OK ok 15 5",
            "SET QUEUED ok 27 9",
            "LPUSH QUEUED ok 29 9",
            "EXEC - failed 14 77",
            "GET - ok 20 5",
            "EVAL MOVED failed 33 28",
            "CLIENT REPLY - ok 37 -",
            "SET - ok 27 -",
            "GET - ok 20 7"
        ]
    );
    assert_eq!(flows[4].notes, ["a command of the transaction failed"]);
    assert!(flows[..7].iter().all(|flow| flow.fields["redis.db"] == "Int(3)"));
}

#[test]
fn subscribers_are_delivered_to() {
    let flows = flows(&subscriber());
    let told: Vec<_> = flows.iter().map(told).collect();
    assert_eq!(
        told,
        [
            "SUBSCRIBE - ok 33 60",
            "deliver a - ok - 3",
            "PSUBSCRIBE - ok 29 33",
            "PING - ok 14 20",
            "deliver news - ok - 3",
            "UNSUBSCRIBE - ok 22 66",
            "PUNSUBSCRIBE - ok 23 35",
            "LRANGE - ok 38 35"
        ]
    );
    assert_eq!((flows[1].pattern.word(), flows[1].bodies[1].as_slice()), ("deliver", &b"one"[..]));
    assert_eq!(flows[4].fields["redis.pattern"], "Text(\"n*\")");
}

#[test]
fn resp3_is_read() {
    let flows = flows(&resp3());
    let told: Vec<_> = flows.iter().map(|flow| told(flow).rsplitn(3, ' ').last().unwrap().to_owned()).collect();
    let names = ["HELLO - ok", "SUBSCRIBE - ok", "GET - ok", "deliver a - ok", "deliver invalidate - ok", "HGETALL - ok"];
    assert_eq!(told[..6], names);
    assert_eq!(told[6..], ["SMEMBERS - ok", "DEBUG PROTOCOL - ok", "LRANGE - ok", "LRANGE - ok", "NOPE SYNTAX failed"]);
    assert_eq!(flows[2].bodies[1], b"=7\r\ntxt:abc\r\n");
    assert!(flows[0].fields["redis.args"].contains("Secret(\"secret\")"));
}

#[test]
fn lines_and_odd_arguments_are_read() {
    let flows = flows(&odd());
    let told: Vec<_> = flows.iter().map(told).collect();
    let expected = ["PING PONG ok 6 7", "SET OK ok 16 5", "SET OK ok 33 5", "TYPE - ok 21 9", "BLPOP pending failed 33 -"];
    assert_eq!(told, expected);
    assert_eq!(flows[1].fields["redis.args"], r#"List([Text("a"), Text("xA y")])"#);
    assert_eq!(flows[2].fields["redis.args"], r#"List([Text("\\xff\\x00\\\\"), Text("grün")])"#);
    assert_eq!(flows[2].notes, ["bytes that are no text are shown as \\xNN"]);
}

#[test]
fn a_replica_s_stream_is_left_alone() {
    let outcome = reference(&replica());
    let told: Vec<_> = outcome.flows.values().map(told).collect();
    assert_eq!(told, ["REPLCONF OK ok 49 5", "PSYNC - ok 30 56"]);
    assert_eq!(outcome.totals.decode_errors, 0);
    assert_eq!(outcome.totals.undecoded_bytes, 2 + 22 + 35);
}

#[test]
fn what_monitor_tells_is_delivered() {
    let told = all(&monitor());
    assert_eq!(told, ["MONITOR OK ok 17 5", "deliver MONITOR - ok - 48", "PING PONG ok 14 7", "deliver MONITOR - ok - 44"]);
}

#[test]
fn what_lets_somebody_in_is_marked() {
    let mut talk = Conversation::new("secrets");
    for command in [
        "AUTH hidden",
        "auth user hidden",
        "HELLO 2 AUTH user hidden SETNAME me",
        "ACL SETUSER user on >hidden <hidden ~key",
        "CONFIG SET maxmemory 1 requirepass hidden",
        "MIGRATE host 6379 key 0 10 AUTH hidden",
        "MIGRATE host 6379 key 0 10 AUTH2 user hidden",
        "SENTINEL SET main auth-pass hidden",
    ] {
        says(&mut talk, command, "+OK\r\n");
    }
    for flow in flows(&talk) {
        let args = &flow.fields["redis.args"];
        assert!(args.contains("hidden") && !args.contains("Text(\"hidden") && !args.contains("Text(\">hidden"), "{args}");
        assert!(!args.contains("Secret(\"user\")") && !args.contains("Secret(\"key\")"), "{args}");
    }
}

#[test]
fn long_commands_are_cut_and_say_so() {
    let mut talk = Conversation::new("long");
    let words: Vec<String> = (0..500).map(|n| format!("key{n}")).collect();
    let words: Vec<&str> = ["DEL"].into_iter().chain(words.iter().map(String::as_str)).collect();
    talk.say(UP, &ask(&words)).say(DOWN, b":500\r\n");
    talk.say(UP, &ask(&["SET", "a", &"ü".repeat(400_000)])).say(DOWN, b"+OK\r\n");
    talk.say(UP, &ask(&["GET", "a"])).say(DOWN, &bulk(&vec![b'x'; 900_000]));
    let flows = quick_flows(&talk);
    assert_eq!(flows.len(), 3);
    assert!(flows[..2].iter().all(|flow| flow.notes == ["arguments cut: more than are kept"]));
    assert!(flows[0].fields["redis.args"].len() < 4000 && flows[1].fields["redis.args"].len() < 6000);
    assert_eq!(flows[2].sizes[1], Some((900_011, true)));
    assert_eq!(flows[2].bodies[1].len(), talk.limits.body);
}

#[test]
fn lines_are_divided_as_the_server_does() {
    for (line, words) in [
        (r#"set a "b c" "#, Some(vec!["set", "a", "b c"])),
        (r#"a "\x41\n\"" 'it\'s'"#, Some(vec!["a", "A\n\"", "it's"])),
        ("a \"open", None),
        ("a \"b\"c", None),
        ("a 'b", None),
        ("  ", Some(vec![])),
        ("a\"b\"", Some(vec!["ab"])),
    ] {
        let words = words.map(|words| words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>());
        assert_eq!(split(line.as_bytes()), words, "{line}");
    }
}
