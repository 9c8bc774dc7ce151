//! Redis by script: conversations for the shared properties, and what is particular to the protocol.

mod late;
mod reader;
mod stories;

use crate::decode::properties::Conversation;
use crate::model::{Dir, Joined};

const UP: Dir = Dir::ToServer;
const DOWN: Dir = Dir::ToClient;

/// Conversations for the shared properties.
pub fn samples() -> Vec<Conversation> {
    let mut all = vec![sequence(), pipeline(), transaction(), subscriber(), resp3(), odd(), replica(), monitor()];
    all.push(Conversation { name: "Redis, joined late", joined: Joined::Midway, whole: Some(sequence), ..sequence() });
    all.push(Conversation { name: "Redis pipeline, joined late", joined: Joined::Midway, whole: Some(pipeline), ..pipeline() });
    all.push(Conversation { name: "Redis subscriber, joined late", joined: Joined::Midway, ..deliveries() });
    all.push(Conversation { name: "Redis, joined late by the wrong end", whole: Some(sequence), ..turned(&sequence()) });
    let mut half =
        Conversation { name: "Redis, the server alone", joined: Joined::BehindHole, whole: Some(sequence), ..sequence() };
    half.turns.retain(|(dir, _)| *dir == DOWN);
    half.sequential = false;
    all.push(half);
    all
}

/// A connection that was joined late, whose roles were guessed wrong: what the client says seems to come from the server.
fn turned(talk: &Conversation) -> Conversation {
    let turns = talk.turns.iter().map(|(dir, bytes)| (dir.other(), bytes.clone())).collect();
    Conversation { joined: Joined::Midway, turns, ..talk.clone() }
}

/// A command as an array of texts.
fn ask(words: &[&str]) -> Vec<u8> {
    let texts = words.iter().flat_map(|word| bulk(word.as_bytes()));
    format!("*{}\r\n", words.len()).into_bytes().into_iter().chain(texts).collect()
}

fn bulk(bytes: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// `SET a 1` and its answer as it is on the wire.
fn says(talk: &mut Conversation, command: &str, answer: &str) {
    talk.say(UP, &ask(&command.split(' ').collect::<Vec<_>>()));
    if !answer.is_empty() {
        talk.say(DOWN, answer.as_bytes());
    }
}

/// One after the other: what comes well after a hole is whole.
fn sequence() -> Conversation {
    let mut talk = Conversation::new("Redis, one after the other");
    for n in 0..4 {
        says(&mut talk, &format!("HSET user:{n} name someone"), &format!(":{n}\r\n"));
        says(&mut talk, &format!("GET key.{n}"), &format!("$6\r\nvalue{n}\r\n"));
        says(&mut talk, &format!("LRANGE list.{n} 0 -1"), &format!("*3\r\n$1\r\n{n}\r\n*0\r\n:5\r\n"));
        says(&mut talk, &format!("CLIENT SETINFO LIB-NAME lib{n}"), "-ERR unknown subcommand\r\n");
        let long = format!("{n}{}", "x".repeat(200));
        talk.say(UP, &ask(&["SET", "long", &long])).say(DOWN, b"+OK\r\n");
        talk.say(UP, &ask(&["GETDEL", &format!("long.{n}")])).say(DOWN, &bulk(long.as_bytes()));
    }
    talk.sequential = true;
    talk
}

fn pipeline() -> Conversation {
    let mut talk = Conversation::new("Redis pipeline");
    let burst = |n: u32| (0..5).flat_map(|m| ask(&["INCRBY", &format!("n{n}.{m}"), "1"])).collect::<Vec<_>>();
    for n in 0..2 {
        talk.say(UP, &burst(n));
        talk.say(DOWN, (0..5).map(|m| format!(":{n}{m}\r\n")).collect::<String>().as_bytes());
    }
    talk.say(UP, &ask(&["BLPOP", "queue", "0"])).say(UP, &ask(&["GET", "a"]));
    talk.say(DOWN, b"*2\r\n$5\r\nqueue\r\n$1\r\nx\r\n$-1\r\n").say(UP, &ask(&["SHUTDOWN"]));
    talk
}

fn transaction() -> Conversation {
    let mut talk = Conversation::new("Redis transaction");
    says(&mut talk, "SELECT 3", "+OK\r\n");
    for (command, answer) in [
        ("MULTI", "+OK\r\n"),
        ("SET a 1", "+QUEUED\r\n"),
        ("LPUSH a 1", "+QUEUED\r\n"),
        ("EXEC", "*2\r\n+OK\r\n-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("GET b", "$-1\r\n"),
        ("EVAL return 0", "-MOVED 3999 127.0.0.1:6381\r\n"),
    ] {
        says(&mut talk, command, answer);
    }
    says(&mut talk, "CLIENT REPLY SKIP", "");
    says(&mut talk, "SET c 1", "");
    says(&mut talk, "GET c", "$1\r\n1\r\n");
    talk
}

fn message(kind: &str, words: &[&str]) -> Vec<u8> {
    let head = format!("*{}\r\n", words.len() + 1).into_bytes();
    [head, bulk(kind.as_bytes()), words.iter().flat_map(|word| bulk(word.as_bytes())).collect()].concat()
}

fn deliveries() -> Conversation {
    let mut talk = Conversation::new("Redis deliveries");
    for n in 0..4 {
        talk.say(DOWN, &message("message", &["news", &format!("{{\"n\":{n}}}")]));
        talk.say(DOWN, &message("pmessage", &["n*", "news", &"long".repeat(20)]));
    }
    talk
}

fn subscriber() -> Conversation {
    let mut talk = Conversation::new("Redis subscriber");
    talk.say(UP, &ask(&["SUBSCRIBE", "a", "b"]));
    talk.say(DOWN, b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    talk.say(DOWN, &message("message", &["a", "one"]));
    talk.say(DOWN, b"*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n");
    says(&mut talk, "PSUBSCRIBE n*", "*3\r\n$10\r\npsubscribe\r\n$2\r\nn*\r\n:3\r\n");
    talk.say(UP, &ask(&["PING"])).say(DOWN, &message("pmessage", &["n*", "news", "two"]));
    talk.say(DOWN, b"*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    talk.say(UP, &[ask(&["UNSUBSCRIBE"]), ask(&["PUNSUBSCRIBE"]), ask(&["LRANGE", "l", "0", "-1"])].concat());
    talk.say(DOWN, b"*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:2\r\n*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:1\r\n");
    talk.say(DOWN, b"*3\r\n$12\r\npunsubscribe\r\n$2\r\nn*\r\n:0\r\n");
    talk.say(DOWN, &message("message", &["no", "push"]));
    talk
}

fn resp3() -> Conversation {
    let mut talk = Conversation::new("Redis in RESP3");
    says(&mut talk, "HELLO 3 AUTH default secret", "%2\r\n+server\r\n+redis\r\n+proto\r\n:3\r\n");
    says(&mut talk, "SUBSCRIBE a", ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    talk.say(UP, &ask(&["GET", "a"]));
    talk.say(DOWN, b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$3\r\none\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n");
    talk.say(DOWN, b"=7\r\ntxt:abc\r\n");
    says(&mut talk, "HGETALL h", "|1\r\n+ttl\r\n:3600\r\n%1\r\n$1\r\na\r\n,1.5\r\n");
    says(&mut talk, "SMEMBERS s", "~3\r\n#t\r\n_\r\n(123456789012345678901234567890\r\n");
    says(&mut talk, "DEBUG PROTOCOL", "$?\r\n;4\r\nHell\r\n;5\r\no wor\r\n;0\r\n");
    says(&mut talk, "LRANGE l 0 -1", "*?\r\n:1\r\n:2\r\n.\r\n");
    says(&mut talk, "LRANGE l 0 1", &String::from_utf8(message("message", &["no", "push"])).unwrap());
    says(&mut talk, "NOPE", "!21\r\nSYNTAX invalid syntax\r\n");
    talk
}

/// Lines, what the server passes over, arguments that are no text.
fn odd() -> Conversation {
    let mut talk = Conversation::new("Redis in lines");
    talk.say(UP, b"PING\r\n").say(DOWN, b"+PONG\r\n");
    talk.say(UP, b"\r\n*0\r\nset a \"x\\x41 y\"\n").say(DOWN, b"+OK\r\n");
    talk.say(UP, &[b"*3\r\n$3\r\nset\r\n".to_vec(), bulk(b"\xff\x00\\"), bulk("grün".as_bytes())].concat()).say(DOWN, b"+OK\r\n");
    says(&mut talk, "TYPE a", "+string\r\n");
    says(&mut talk, "BLPOP never 0", "");
    talk
}

fn replica() -> Conversation {
    let mut talk = Conversation::new("Redis replica");
    says(&mut talk, "REPLCONF listening-port 6380", "+OK\r\n");
    talk.say(UP, &ask(&["PSYNC", "?", "-1"])).say(DOWN, b"\n\n+FULLRESYNC 8de1787ba490483314a4d30f1c628bc5025eb761 0\r\n");
    talk.say(DOWN, b"$4\r\nRDB!*1\r\n$4\r\nPING\r\n").say(UP, &ask(&["REPLCONF", "ACK", "14"]));
    talk
}

fn monitor() -> Conversation {
    let mut talk = Conversation::new("Redis monitor");
    says(&mut talk, "MONITOR", "+OK\r\n");
    talk.say(DOWN, b"+1339518083.107412 [0 127.0.0.1:60866] \"keys\" \"*\"\r\n");
    talk.say(UP, &ask(&["PING"])).say(DOWN, b"+1339518083.107413 [0 127.0.0.1:60867] \"PING\"\r\n+PONG\r\n");
    talk
}
