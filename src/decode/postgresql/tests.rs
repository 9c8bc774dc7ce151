//! PostgreSQL by script.

mod holes;
mod lone;
mod names;

use super::*;
use crate::decode::properties::{Conversation, Sketch, flows};

const UP: Dir = Dir::ToServer;
const DOWN: Dir = Dir::ToClient;

fn message(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let payload = parts.concat();
    let mut message = vec![kind];
    message.extend((payload.len() as u32 + 4).to_be_bytes());
    message.extend(payload);
    message
}

fn first(rest: &[u8]) -> Vec<u8> {
    [&(rest.len() as u32 + 4).to_be_bytes()[..], rest].concat()
}

fn startup() -> Vec<u8> {
    first(b"\0\x03\0\0user\0shop\0database\0orders\0application_name\0billing\0\0")
}

fn greeted() -> Vec<u8> {
    [message(b'R', &[&[0; 4]]), message(b'S', &[b"TimeZone\0UTC\0"]), message(b'K', &[&[0, 0, 0, 7, 1, 2, 3, 4]]), ready()]
        .concat()
}

fn ready() -> Vec<u8> {
    message(b'Z', &[b"I"])
}

fn row(value: &[u8]) -> Vec<u8> {
    message(b'D', &[&[0, 1], &(value.len() as u32).to_be_bytes(), value])
}

fn columns() -> Vec<u8> {
    message(b'T', &[&[0, 1], b"id\0", &[0; 18]])
}

fn tag(tag: &[u8]) -> Vec<u8> {
    message(b'C', &[tag, b"\0"])
}

fn query(text: &str) -> Vec<u8> {
    message(b'Q', &[text.as_bytes(), b"\0"])
}

fn error(code: &str) -> Vec<u8> {
    fault(b'E', "ERROR", code)
}

fn fault(kind: u8, severity: &str, code: &str) -> Vec<u8> {
    let severity = severity.as_bytes();
    message(kind, &[b"S", severity, b"\0V", severity, b"\0C", code.as_bytes(), b"\0Mno such thing\0\0"])
}

/// What was prepared under a name is bound, and run up to so many rows (0: all).
fn run(name: &str, rows: u8) -> Vec<u8> {
    [message(b'B', &[b"\0", name.as_bytes(), b"\0", &[0; 6]]), execute(rows)].concat()
}

fn execute(rows: u8) -> Vec<u8> {
    message(b'E', &[b"\0", &[0, 0, 0, rows]])
}

fn sync() -> Vec<u8> {
    message(b'S', &[])
}

fn extended(name: &str, text: &str, value: &[u8]) -> Vec<u8> {
    let name = name.as_bytes();
    let bind: &[&[u8]] = &[b"\0", name, b"\0", &[0, 0, 0, 1], &(value.len() as u32).to_be_bytes(), value, &[0, 0]];
    [
        message(b'P', &[name, b"\0", text.as_bytes(), b"\0\0\0"]),
        message(b'B', bind),
        message(b'D', &[b"P\0"]),
        message(b'E', &[b"\0", &[0; 4]]),
        message(b'S', &[]),
    ]
    .concat()
}

fn selected(rows: &[&[u8]]) -> Vec<u8> {
    let rows: Vec<u8> = rows.iter().flat_map(|value| row(value)).collect();
    [message(b'1', &[]), message(b'2', &[]), columns(), rows, tag(b"SELECT 2"), ready()].concat()
}

/// Conversations for the shared properties.
pub fn samples() -> Vec<Conversation> {
    let mut simple = Conversation::new("PostgreSQL, simple queries");
    // not sequential: behind a hole nothing is sure before the server is ready again, which is an exchange later
    simple.say(UP, &startup()).say(DOWN, &greeted());
    simple
        .say(UP, &query("SELECT id FROM orders"))
        .say(DOWN, &[columns(), row(b"1"), row(b"22"), tag(b"SELECT 2"), ready()].concat());
    simple.say(UP, &query("INSERT INTO orders VALUES (1)")).say(DOWN, &[error("23505"), ready()].concat());
    simple.say(UP, &query("BEGIN; DELETE FROM t")).say(DOWN, &[tag(b"BEGIN"), tag(b"DELETE 0"), message(b'Z', &[b"T"])].concat());
    simple.say(UP, &query("COPY t FROM STDIN")).say(DOWN, &message(b'G', &[&[0, 0, 0]]));
    simple.say(UP, &[message(b'd', &[b"1\n"]), message(b'c', &[])].concat()).say(DOWN, &[tag(b"COPY 1"), ready()].concat());
    simple.say(UP, &message(b'X', &[]));

    let mut extended_talk = Conversation::new("PostgreSQL, extended queries");
    extended_talk.say(UP, b"\0\0\0\x08\x04\xd2\x16\x2f").say(DOWN, b"N").say(UP, &startup()).say(DOWN, &greeted());
    extended_talk.say(UP, &extended("", "SELECT id FROM stock WHERE sku = $1", b"tea")).say(DOWN, &selected(&[b"1", b"2"]));
    extended_talk.say(UP, &extended("s", "UPDATE stock SET n = $1", b"4"));
    extended_talk.say(DOWN, &[message(b'1', &[]), message(b'2', &[]), message(b'n', &[]), tag(b"UPDATE 1"), ready()].concat());
    extended_talk.say(UP, &extended("", "SELEC", b"")).say(DOWN, &[error("42601"), ready()].concat());
    extended_talk.say(UP, &query("SELECT 1")).say(DOWN, &[columns(), row(b"1"), tag(b"SELECT 1"), ready()].concat());

    // what is run again depends on what was prepared: behind a hole it has no text
    let mut prepared = Conversation::new("PostgreSQL, a prepared statement");
    prepared.say(UP, &startup()).say(DOWN, &greeted()).say(UP, &extended("s", TRACED, b"4"));
    prepared.say(DOWN, &[message(b'1', &[]), message(b'2', &[]), message(b'n', &[]), tag(b"UPDATE 1"), ready()].concat());
    prepared.say(UP, &[run("s", 0), sync()].concat()).say(DOWN, &[message(b'2', &[]), error("57014"), ready()].concat());

    let mut pipelined = Conversation::new("PostgreSQL, two cycles at once");
    pipelined.say(UP, &startup()).say(DOWN, &greeted());
    pipelined.say(UP, &[extended("", "SELECT a FROM b", b"x"), extended("", "SELECT c FROM d", b"y")].concat());
    pipelined.say(DOWN, &[selected(&[b"1"]), selected(&[b"2", b"3"])].concat());

    let mut late = Conversation::new("PostgreSQL, joined late");
    late.joined = Joined::Midway;
    late.say(UP, &query("SELECT id FROM orders")).say(DOWN, &[columns(), row(b"1"), tag(b"SELECT 1"), ready()].concat());
    late.say(UP, &query("SELECT id FROM stock")).say(DOWN, &[columns(), row(b"1"), tag(b"SELECT 1"), ready()].concat());
    late.say(UP, &[run("s9", 0), sync()].concat());
    late.say(DOWN, &[message(b'2', &[]), row(b"1"), tag(b"SELECT 1"), ready()].concat());
    vec![
        simple,
        extended_talk,
        prepared,
        pipelined,
        late,
        portal(),
        aborted(),
        deferred(),
        copied(),
        unasked(),
        encrypted(),
        ended(),
    ]
}

const TRACED: &str = "UPDATE stock SET n = $1 /*traceparent='00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'*/";

/// A portal that is run in pieces.
fn portal() -> Conversation {
    let mut talk = Conversation::new("PostgreSQL, a portal in pieces");
    talk.say(UP, &startup()).say(DOWN, &greeted());
    let parse = message(b'P', &[b"p\0SELECT id FROM stock\0\0\0"]);
    talk.say(UP, &[parse, run("p", 2), message(b'H', &[])].concat());
    talk.say(DOWN, &[message(b'1', &[]), message(b'2', &[]), row(b"1"), row(b"2"), message(b's', &[])].concat());
    talk.say(UP, &[execute(2), sync()].concat()).say(DOWN, &[row(b"3"), tag(b"SELECT 1"), ready()].concat());
    talk
}

/// What is asked behind an error is not run, up to the Sync: what was asked at once, and what comes later.
fn aborted() -> Conversation {
    let mut talk = Conversation::new("PostgreSQL, an aborted pipeline");
    talk.say(UP, &startup()).say(DOWN, &greeted());
    let unsynced = |text: &str| {
        let mut asked = extended("", text, b"1");
        asked.truncate(asked.len() - sync().len());
        asked
    };
    let bound = || [message(b'1', &[]), message(b'2', &[]), message(b'n', &[])].concat();
    talk.say(UP, &[unsynced("INSERT INTO a VALUES ($1)"), unsynced("INSERT INTO b VALUES ($1)")].concat());
    talk.say(UP, &unsynced("INSERT INTO c VALUES ($1)"));
    talk.say(DOWN, &[bound(), tag(b"INSERT 0 1"), bound(), error("23505")].concat());
    talk.say(UP, &[message(b'P', &[b"never\0SELECT 2\0\0\0"]), unsynced("INSERT INTO d VALUES ($1)"), sync()].concat());
    talk.say(DOWN, &ready()).say(UP, &query("SELECT 1")).say(DOWN, &[columns(), row(b"1"), tag(b"SELECT 1"), ready()].concat());
    talk
}

/// What is deferred fails at the end of the transaction, which is the Sync.
fn deferred() -> Conversation {
    let mut talk = Conversation::new("PostgreSQL, a deferred failure");
    talk.say(UP, &startup()).say(DOWN, &greeted()).say(UP, &extended("", "INSERT INTO lines VALUES ($1)", b"1"));
    let bound = [message(b'1', &[]), message(b'2', &[]), message(b'n', &[])].concat();
    talk.say(DOWN, &[bound, tag(b"INSERT 0 1"), error("23503"), ready()].concat());
    talk.say(UP, &sync()).say(DOWN, &[error("40001"), ready()].concat());
    talk
}

/// A copy by extended query, whose first Sync the server does not look at, and one that it refuses.
fn copied() -> Conversation {
    let mut talk = Conversation::new("PostgreSQL, copies");
    talk.say(UP, &startup()).say(DOWN, &greeted());
    let bound = || [message(b'1', &[]), message(b'2', &[]), message(b'n', &[]), message(b'G', &[&[0, 0, 0]])].concat();
    for answer in [tag(b"COPY 2"), error("22P02")] {
        talk.say(UP, &extended("", "COPY t FROM STDIN", b"")).say(DOWN, &bound());
        talk.say(UP, &[message(b'd', &[b"1\n"]), message(b'd', &[b"2\n"]), message(b'c', &[]), sync()].concat());
        talk.say(DOWN, &[answer, ready()].concat());
    }
    talk.say(UP, &query("COPY (SELECT id FROM t) TO STDOUT")).say(DOWN, &message(b'H', &[&[0, 0, 0]]));
    talk.say(DOWN, &[message(b'd', &[b"1\n"]), message(b'c', &[]), tag(b"COPY 1"), ready()].concat());
    talk
}

/// What nobody asked for.
fn unasked() -> Conversation {
    let mut talk = Conversation::new("PostgreSQL, unasked");
    talk.say(UP, &startup()).say(DOWN, &greeted());
    talk.say(UP, &query("DROP TABLE IF EXISTS t; LISTEN news"));
    talk.say(DOWN, &[fault(b'N', "NOTICE", "00000"), tag(b"DROP TABLE"), tag(b"LISTEN"), ready()].concat());
    talk.say(DOWN, &message(b'A', &[&[0, 0, 0, 9], b"news\0{\"order\":7}\0"]));
    talk.say(UP, &query("SELECT pg_sleep(9)")).say(DOWN, &message(b'A', &[&[0, 0, 0, 9], b"news\0\0"]));
    talk.say(DOWN, &fault(b'E', "FATAL", "57P01")).say(UP, &query("SELECT 'too late'"));
    talk
}

/// A session that goes on encrypted, behind a refusal by GSSAPI.
fn encrypted() -> Conversation {
    let mut talk = Conversation::new("PostgreSQL, encrypted");
    talk.say(UP, b"\0\0\0\x08\x04\xd2\x16\x30").say(DOWN, b"N").say(UP, b"\0\0\0\x08\x04\xd2\x16\x2f").say(DOWN, b"S");
    talk.say(UP, b"\x16\x03\x01\x02\0\x01").say(DOWN, b"\x16\x03\x03\0\x7a\x02");
    talk
}

/// The server ends a session in which more was asked.
fn ended() -> Conversation {
    let mut talk = Conversation::new("PostgreSQL, ended");
    talk.say(UP, &startup()).say(DOWN, &greeted());
    talk.say(UP, &[extended("", "SELECT a FROM b", b"x"), extended("", "SELECT c FROM d", b"y")].concat());
    talk.say(DOWN, &[message(b'1', &[]), message(b'2', &[]), columns(), row(b"1"), fault(b'E', "FATAL", "57P01")].concat());
    talk
}

/// A flow in a line: what it is, what became of it, and what is to be said of it.
fn told(flow: &Sketch) -> String {
    let closed = flow.closed.as_ref().unwrap();
    let field = |name: &str| flow.fields.get(name).map_or(String::new(), |value| format!(" {value}"));
    let status = closed.status.as_deref().unwrap_or("-");
    let ok = if closed.ok { "ok" } else { "failed" };
    format!(
        "{}: {status}, {ok}{}{}",
        flow.operation,
        field("postgresql.rows"),
        flow.notes.iter().map(|n| format!(" [{n}]")).collect::<String>()
    )
}

fn all(talk: &Conversation) -> Vec<String> {
    flows(talk).iter().map(told).collect()
}

#[test]
fn rows_are_those_that_the_tags_tell() {
    let [simple, extended_talk, ..] = <[Conversation; 12]>::try_from(samples()).unwrap();
    assert_eq!(
        all(&simple),
        [
            "SELECT orders: SELECT 2, ok Int(2)",
            "INSERT orders: 23505, failed",
            "BEGIN: DELETE 0, ok Int(0)",
            "COPY t: COPY 1, ok Int(1)"
        ]
    );
    assert_eq!(
        all(&extended_talk),
        [
            "SELECT stock: SELECT 2, ok Int(2)",
            "UPDATE stock: UPDATE 1, ok Int(1)",
            "SELEC: 42601, failed",
            "SELECT: SELECT 1, ok Int(1)"
        ]
    );
}

#[test]
fn a_statement_carries_the_context_of_the_run_that_its_text_came_for() {
    let prepared = flows(&samples()[2]);
    assert_eq!(prepared.iter().map(|flow| flow.traces.len()).collect::<Vec<_>>(), [1, 0]);
    assert!(prepared.iter().all(|flow| flow.fields["sql"].contains("traceparent")));
}

#[test]
fn each_execute_of_a_portal_is_a_flow() {
    assert_eq!(all(&portal()), ["SELECT stock: suspended, ok Int(2)", "SELECT stock: SELECT 1, ok Int(1)"]);
}

#[test]
fn a_portal_keeps_the_text_that_it_was_bound_to() {
    let mut talk = Conversation::new("a name stands for something else");
    let parse = |text: &str| message(b'P', &[b"\0", text.as_bytes(), b"\0\0\0"]);
    let bind = |portal: &[u8]| message(b'B', &[portal, b"\0\0", &[0; 6]]);
    let execute = |portal: &[u8]| message(b'E', &[portal, b"\0", &[0, 0, 0, 1]]);
    talk.say(UP, &startup()).say(DOWN, &greeted());
    talk.say(UP, &[parse("SELECT a FROM old"), bind(b"c"), execute(b"c"), parse("SELECT b FROM new"), execute(b"c")].concat());
    talk.say(UP, &[bind(b""), execute(b""), sync()].concat());
    let ran = |rows: &[u8]| [row(b"1"), tag(rows)].concat();
    let (parsed, bound) = (message(b'1', &[]), message(b'2', &[]));
    talk.say(DOWN, &[&parsed, &bound, &row(b"1"), &message(b's', &[]), &parsed].map(Vec::as_slice).concat());
    talk.say(DOWN, &[ran(b"SELECT 1"), bound, ran(b"SELECT 1"), ready()].concat());
    let operations: Vec<_> = flows(&talk).into_iter().map(|flow| flow.operation).collect();
    assert_eq!(operations, ["SELECT old", "SELECT old", "SELECT new"]);
}

#[test]
fn what_is_not_run_says_so() {
    let why = "[not run: a statement before it failed]";
    assert_eq!(
        all(&aborted()),
        [
            "INSERT a: INSERT 0 1, ok Int(1)".to_owned(),
            "INSERT b: 23505, failed".to_owned(),
            format!("INSERT c: -, failed {why}"),
            format!("INSERT d: -, failed {why}"),
            format!("PREPARE SELECT: -, failed {why}"),
            "SELECT: SELECT 1, ok Int(1)".to_owned()
        ]
    );
    let why = "[not run: the server ended the session]";
    assert_eq!(all(&ended()), ["SELECT b: 57P01, failed".to_owned(), format!("SELECT d: -, failed {why}")]);
}

#[test]
fn what_fails_at_the_end_of_the_transaction_has_failed() {
    assert_eq!(all(&deferred()), ["INSERT lines: 23503, failed", "Sync: 40001, failed"]);
}

#[test]
fn copies_are_one_flow() {
    let expected = ["COPY t: COPY 2, ok Int(2)", "COPY t: 22P02, failed", "COPY t: COPY 1, ok Int(1)"];
    assert_eq!(all(&copied()), expected);
    let copied: Vec<_> = flows(&copied()).iter().map(|flow| flow.fields.get("postgresql.copied").cloned()).collect();
    assert_eq!(copied, [Some("Int(4)".to_owned()), Some("Int(4)".to_owned()), None]);
}

#[test]
fn what_comes_unasked_is_told() {
    let flows = flows(&unasked());
    assert_eq!(
        flows.iter().map(told).collect::<Vec<_>>(),
        [
            "DROP TABLE t: LISTEN, ok",
            "deliver news: -, ok",
            "SELECT: 57P01, failed",
            "deliver news: -, ok",
            "SELECT: -, failed [not run: the server ended the session]"
        ]
    );
    assert!(flows[0].fields["postgresql.notices"].contains("NOTICE:  no such thing"));
    assert_eq!((flows[1].pattern.word(), flows[1].bodies[1].as_slice()), ("deliver", &b"{\"order\":7}"[..]));
}

#[test]
fn a_session_that_is_encrypted_says_so() {
    assert_eq!(all(&encrypted()), ["SSLRequest: -, ok [the session goes on encrypted]"]);
}

#[test]
fn connections_for_something_else_say_so() {
    let mut cancel = Conversation::new("cancel");
    cancel.say(UP, &first(b"\x04\xd2\x16\x2e\0\0\0\x07\x01\x02\x03\x04"));
    let flow = &flows(&cancel)[0];
    assert_eq!((flow.pattern.word(), told(flow).as_str()), ("message", "CancelRequest: -, ok"));
    assert_eq!(flow.fields["postgresql.pid"], "Int(7)");

    let mut replica = Conversation::new("replication");
    replica.say(UP, &startup()).say(DOWN, &greeted()).say(UP, &query("START_REPLICATION 0/0"));
    replica.say(DOWN, &message(b'W', &[&[0, 0, 0]])).say(DOWN, &message(b'd', &[b"w0000"])).say(UP, &message(b'd', &[b"r0000"]));
    let why = "[what follows is a replication stream, which is not read]";
    assert_eq!(all(&replica), [format!("START_REPLICATION: -, ok {why}")]);

    let mut refused = Conversation::new("refused");
    refused.say(UP, &startup()).say(DOWN, &fault(b'E', "FATAL", "28P01"));
    assert_eq!(all(&refused), ["CONNECT orders: 28P01, failed"]);

    let mut idle = Conversation::new("ended while idle");
    idle.say(UP, &startup()).say(DOWN, &greeted()).say(DOWN, &fault(b'E', "FATAL", "57P05"));
    assert_eq!(all(&idle), ["ErrorResponse: 57P05, failed"]);
}

/// Two cycles at once, without and with an answer to each.
fn burst(talk: &mut Conversation, answers: u8) {
    talk.say(UP, &[query("SELECT a FROM b"), query("SELECT c FROM d")].concat());
    for n in 0..answers {
        talk.say(DOWN, &[columns(), row(&[b'0' + n]), tag(b"SELECT 1"), ready()].concat());
    }
}

#[test]
fn a_client_that_pipelines_has_no_answers_once_joined_late() {
    let mut late = Conversation::new("joined late");
    late.joined = Joined::Midway;
    // one is due from before
    late.say(DOWN, &[row(b"9"), tag(b"SELECT 1"), ready()].concat());
    burst(&mut late, 2);
    burst(&mut late, 2);
    let told = flows(&late);
    assert_eq!(told[0].notes, ["joined mid-connection", "request not captured"]);
    assert!(told.iter().skip(1).all(|flow| flow.closed.as_ref().unwrap().status.is_none()));
}
