//! Several requests of a service at once, and what tells them apart: what it did for others of their kind.

use super::check;

/// Requests of whoever to a gate with what that sends because of each, as lines from which each second is another group: the number of the
/// group stands for `#`.
fn told(groups: &[&[&str]], wanted: &[&str]) {
    let line = |(n, line): (usize, &&str)| {
        let words = line.replace('#', &n.to_string());
        let (ends, rest) = words.split_once(' ').unwrap();
        let (times, more) = rest.split_once(' ').unwrap_or((rest, ""));
        let (from, to) = times.split_once('-').unwrap();
        let at = |ms: &str| n as u64 * 1000 + ms.parse::<u64>().unwrap();
        format!("{ends} {}-{} {more}", at(from), at(to))
    };
    let lines: Vec<_> = groups.iter().enumerate().flat_map(|(n, group)| group.iter().map(move |one| line((n, one)))).collect();
    let lines: Vec<_> = lines.iter().map(|line| line.trim_end()).collect();
    check(&lines, wanted);
}

const ONE: &[&str] = &["web>gate 1-90 id=a#", "gate>?db 20-30"];
/// Two at once: what comes first is the first one's.
const TWO: &[&str] = &["web>gate 1-90 id=a#", "gate>?db 20-30", "web>gate 40-95 id=b#", "gate>?db 60-65"];

#[test]
fn what_is_sent_once_for_each_is_of_the_one_that_has_sent_none() {
    told(&[TWO], &["1 .s2", "3"]);
    let alone = ["1 .s2", "3 .s4", "5 .s6", "7 .s8"];
    told(&[ONE, ONE, ONE, ONE, TWO], &[&alone[..], &["9 .s10", "11 .t12"]].concat());
    // of two that have sent none it may be either's; and what comes after two such is the third one's
    let three = ["web>gate 1-90 id=a#", "web>gate 2-91 id=b#", "gate>?db 20-30", "web>gate 40-95 id=c#", "gate>?db 50-51"];
    let last = ["gate>?db 60-65"];
    let three: Vec<_> = [&three[..], &last].concat();
    told(&[ONE, ONE, ONE, ONE, &three], &[&alone[..], &["9", "10", "12"]].concat());
    let between = ["web>gate 1-90 id=a#", "web>gate 2-91 id=b#", "gate>?db 20-30", "gate>?db 31-32"];
    let three: Vec<_> = [&between[..], &["web>gate 40-95 id=c#", "gate>?db 60-65"]].concat();
    told(&[ONE, ONE, ONE, ONE, &three], &[&alone[..], &["9", "10", "13 .t14"]].concat());
    // where one sends two, nothing is once
    let more = ["web>gate 1-90 id=a#", "gate>?db 20-30", "gate>?db 40-41"];
    told(&[&more, &more, &more, &more, TWO], &["1 .s2 .s3", "4 .s5 .s6", "7 .s8 .s9", "10 .s11 .s12", "13 .s14", "15"]);
}

#[test]
fn what_is_waited_for_is_of_none_that_was_answered_before() {
    let slow = ["web>gate 1-90 id=a#", "web>gate 5-50 id=b#", "gate>?db 20-80"];
    told(&[&slow], &["1", "2"]);
    let alone = ["1 .s2", "3 .s4", "5 .s6", "7 .s8"];
    told(&[ONE, ONE, ONE, ONE, &slow], &[&alone[..], &["9 .t11", "10"]].concat());
    // where it is not waited for, either
    let beyond = ["web>gate 1-25 id=a#", "gate>?db 20-30"];
    told(&[ONE, ONE, ONE, &beyond, &slow], &[&alone[..], &["9", "10"]].concat());
}

#[test]
fn one_trace_is_begun_for_each_request_that_carries_none() {
    let one = ["web>gate 1-90", "gate>orders 10-80 id=a#", "gate>users 12-50 id=a#"];
    let alone = ["1 .s2 .s3", "4 .s5 .s6", "7 .s8 .s9", "10 .s11 .s12"];
    let two = ["web>gate 1-90", "gate>orders 10-80 id=a#", "web>gate 40-95", "gate>orders 50-90 id=b#", "gate>users 52-70 id=b#"];
    told(&[&one, &one, &one, &one, &two], &[&alone[..], &["13 .s14", "15 .t16 .t17"]].concat());
    // one for each call: any may be of either
    let each = ["web>gate 1-90", "gate>orders 10-80 id=a#", "gate>users 12-50 id=b#"];
    told(&[&each, &each, &each, &each, &two], &[&alone[..], &["13 .s14", "16 17"]].concat());
}

#[test]
fn what_comes_with_each_request_is_of_none_that_is_open_for_long() {
    let poll = ["web>gate 1-99000 op=events id=p", "web>gate 2-90 id=a#", "gate>?db 20-30"];
    let groups: Vec<&[&str]> = [&poll[..]].into_iter().chain(std::iter::repeat_n(ONE, 25)).collect();
    // the first ones may be of either, and it takes a while to see
    let told_as = |n: usize| if n < 23 { format!("{}", 2 * n + 2) } else { format!("{} .t{}", 2 * n + 2, 2 * n + 3) };
    let wanted: Vec<_> = (0..26).map(told_as).chain(["1".into()]).collect();
    told(&groups, &wanted.iter().map(String::as_str).collect::<Vec<_>>());
    // which sends such as well
    let both = ["web>gate 2-90 id=a#", "gate>?db 20-30", "gate>?db 92-93"];
    let groups: Vec<&[&str]> = [&poll[..]].into_iter().chain(std::iter::repeat_n(&both[..], 25)).collect();
    let by_poll: String = (0..25).map(|n| format!(" .s{}", 3 * n + 6)).collect();
    let wanted = std::iter::once(2).chain((0..25).map(|n| 3 * n + 4)).map(|flow: u64| flow.to_string());
    let wanted: Vec<_> = wanted.chain([format!("1{by_poll}")]).collect();
    told(&groups, &wanted.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn what_was_in_doubt_is_told_once_its_trace_is_tied() {
    let two = ["web>gate 1-90 body=order-4711", "web>gate 2-95 body=order-4712"];
    let first = "gate>orders 10-80 id=a body=order-4711";
    // whichever settles first
    for users in ["gate>users 12-50 id=a", "gate>users 12-85 id=a"] {
        check(&[&two[..], &[first, users]].concat(), &["1 .p3 .t4"]);
    }
    // not where both are of that trace
    let both = ["web>gate 1-90 id=t body=order-4711", "web>gate 2-95 id=t body=order-4712", first, "gate>users 12-50 id=a"];
    check(&both, &["1 .p3 2 4"]);
}
