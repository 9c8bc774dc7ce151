//! Statements of nameless services, sent while several of those are at work: side by side, or because of one another.

use super::check;

/// Requests to a gate, each because of which two services are asked: the first from 10 to so many ms, the second from 12 to as many more;
/// at 20 ms a statement comes. All but the request itself have `words`, with its number for `#`.
fn told(requests: &[(u64, u64)], words: &str, wanted: &[&str]) {
    let lines = |(n, (ends, until)): (usize, &(u64, u64))| {
        let (at, words) = (|ms: u64| n as u64 * 1000 + ms, words.replace('#', &(4700 + n).to_string()));
        let call = |to: &str, from: u64, until: u64| format!("{to} {}-{} id=t{n}", at(from), at(until));
        let value = if words.contains("body") { words.as_str() } else { "" };
        [
            call("10.0.0.9:5>127.0.0.1:80", 1, 90),
            call("127.0.0.1:7>127.0.0.1:81", 10, *ends) + value,
            call("127.0.0.1:8>127.0.0.1:82", 12, *until) + value,
            format!("127.0.0.1:9>?127.0.0.1:83 {}-{}{words}", at(20), at(21)),
        ]
    };
    let lines: Vec<_> = requests.iter().enumerate().flat_map(lines).collect();
    check(&lines.iter().map(String::as_str).collect::<Vec<_>>(), wanted);
}

#[test]
fn what_is_sent_while_two_lie_side_by_side_is_of_either() {
    let beside = ["1 .t2 .t3", "5 .t6 .t7", "9 .t10 .t11", "13 .t14 .t15"];
    told(&[(30, 60); 4], "", &beside);
    // also where once the one lay within the other by chance
    told(&[(30, 60), (30, 25), (30, 25), (30, 25)], "", &beside);
    // of the inner one where it lies within the other each time
    told(&[(30, 25); 4], "", &["1 .t2 ..t3", "5 .t6 ..t7", "9 .t10 ..t11 ...t12", "13 .t14 ..t15 ...t16"]);
    // a value of both tells neither from the other, once it is known how they lie
    told(&[(30, 60); 4], " body=order-#", &[&["1 .t2 .t3 ..t4"][..], &beside[1..]].concat());
}

#[test]
fn who_sent_what_else_was_sent_on_its_connection_sends_it_beside_others_too() {
    let alone = (30, 15);
    let first = ["1 .t2 .t3", "5 .t6 .t7", "9 .t10 ..t12 .t11"];
    told(&[alone, alone, alone, (30, 60)], " conn=9", &[&first[..], &["13 .t14 ..t16 .t15"]].concat());
    // on another one it may be the other's, who may send such too
    told(&[alone, alone, alone, (30, 60)], "", &[&first[..], &["13 .t14 .t15"]].concat());
}
