//! What a sender had open, was done with, or was not waited for any more.

use super::check;

#[test]
fn who_is_called_back_need_not_wait() {
    let mesh = ["a>b 0-100", "b>c 10-90", "c>b 20-80", "b>d 30-40"];
    check(&mesh, "1 .2 ..3 4");
    check(&["a>b 0-100", "b>c 10-15", "c>b 20-80", "b>d 30-40"], "1 .2 ..3 4");
    // only one of the two is open, both are over, and one of those was over long before
    check(&["a>b 0-100", "b>c 10-90", "c>b 20-25", "b>d 30-40"], "1 .2 ..3 .4");
    check(&["a>b 0-40", "b>c 10-30", "c>b 20-25", "b>d 50-60"], "1 .2 ..3 4");
    check(&["a>b 0-2000", "b>c 10-30", "c>b 20-25", "b>d 2010-2020"], "1 .2 ..3 .4");
    // what it passed on tells
    check(&["a>b 0-100 span=x", "b>c 10-90 span=y", "c>b 20-80 span=z", "b>d 30-40 span=x"], "1 .2 ..3 .4");
    check(&["a>b 0-100 span=x", "b>c 10-90 span=x", "c>b 20-80 span=x", "b>d 30-40 span=x"], "1 .2 ..3 4");
    // a proxy waits for what it passed on, though it has the name of what is behind it
    check(&["a>b 0-100", "b>b 10-90 leg=1", "b>d 30-40"], "1 .2 ..3");
    // and where nobody has a name
    let bare = ["9.9.9.9:1>1.1.1.1:80 0-100", "1.1.1.1:5>1.1.1.1:81 10-90", "1.1.1.1:6>1.1.1.1:80 20-80"];
    check(&[bare[0], bare[1], bare[2], "1.1.1.1:7>1.1.1.1:83 30-40"], "1 .2 ..3 4");
    check(&[bare[0], bare[1], "1.1.1.1:6>1.1.1.1:82 20-80", "1.1.1.1:7>1.1.1.1:83 30-40"], "1 .2 ..~3 ...~4");
}

#[test]
fn of_several_instances_the_process_tells() {
    let [asked, out] = ["a>b 0-100 pids=1,2", "b>c 10-90 pids=2,3"];
    // another instance was called back
    let back = "c>b 20-80 pids=3,4";
    check(&[asked, out, back, "b>d 30-40 pids=2,5"], "1 .2 ..3 .4");
    check(&[asked, out, back, "b>d 30-40 pids=4,5"], "1 .2 ..3 ...4");
    check(&["a>b 0-25 pids=1,2", out, back, "b>d 30-40 pids=2,5"], "1 .2 ..3 .4");
    // who hands what he received to a worker tells nothing
    check(&[asked, out, back, "b>d 30-40 pids=6,5"], "1 .2 ..3 4");
    check(&[asked, out, "c>b 20-80 pids=3,2", "b>d 30-40 pids=2,5"], "1 .2 ..3 4");
    check(&[asked, out, "c>b 20-80", "b>d 30-40 pids=2,5"], "1 .2 ..3 4");
    // a broker passes on what another one of it was given
    check(&["a>+mq 0-1 topic=1 pids=1,2", "x>+mq 2-3 topic=2 pids=1,3", "mq>-d 5-9 topic=1 pids=3,4"], "1 .3 2");
}

#[test]
fn what_nobody_waits_for_any_more_is_less_likely_than_what_is_open() {
    // somebody asked once more
    let [first, second] = ["gate>orders 10- letgo=60", "gate>orders 80-120"];
    let asked = "browser>gate 0-130";
    check(&[asked, first, second, "orders>store 90-95 kind=store"], "1 .2 .3 ..4");
    // both attempts may have sent either
    check(&[asked, first, second, "orders>store 90-95 kind=store", "orders>store 99-100 kind=store"], "1 .2 .3 4 5");
    check(&[asked, first, second, "orders>store 90-95 kind=store", "orders>tax 99-100 kind=tax"], "1 .2 .3 ..4 ..5");
    // it is worked on all the same, and until then it is open
    check(&[asked, first, "orders>store 90-95 kind=store"], "1 .2 ..3");
    check(&[asked, first, "gate>orders 70-75", "orders>store 90-95 kind=store"], "1 .2 ..4 .3");
    check(&[asked, first, "gate>orders 20-120", "orders>store 50-95 kind=store"], "1 .2 .3 4");
    // nor does who has no name stay at work for ever
    let [orders, price] = ["127.0.0.1:7>127.0.0.1:81 10-90", "127.0.0.1:8>127.0.0.1:82 20- letgo=40"];
    let bare = ["10.0.0.9:5>127.0.0.1:80 0-100", orders, price];
    check(&[bare[0], orders, price, "127.0.0.1:9>127.0.0.1:83 50-60 kind=x"], "1 .~2 ..~3 ..~4");
    check(&[bare[0], orders, price, "127.0.0.1:9>127.0.0.1:83 25-60 kind=x"], "1 .~2 ..~3 ...~4");
    // it takes a while until a connection is closed that nobody needs any more
    check(&[bare[0], orders, price, "127.0.0.1:9>127.0.0.1:83 35-60 kind=x"], "1 .~2 ..~3 4");
    check(&[price, "127.0.0.1:9>127.0.0.1:83 50-60 kind=x"], "1 .~2");
    let twice = ["127.0.0.1:9>127.0.0.1:83 50-60 kind=x", "127.0.0.1:10>127.0.0.1:83 70-75 kind=x"];
    check(&[bare[0], orders, price, twice[0], twice[1]], "1 .~2 ..~3 4 5");
}

#[test]
fn an_error_need_not_wait_for_all_that_was_asked_for() {
    let asked = "10.0.0.9:5>127.0.0.1:80 0-100";
    let [well, bad] = ["127.0.0.1:7>127.0.0.1:81 10-50", "127.0.0.1:7>127.0.0.1:81 10-50 bad=yes"];
    let [within, beyond] = ["127.0.0.1:8>127.0.0.1:82 20-40 last=40", "127.0.0.1:8>127.0.0.1:82 20-70 last=70"];
    check(&[asked, well, within], "1 .~2 ..~3");
    check(&[asked, bad, within], "1 .~2 ..~3");
    check(&[asked, well, beyond], "1 .~2 .~3");
    check(&[asked, bad, beyond], "1 .~2 3");
    // nobody else may have sent it
    check(&[bad, beyond], "1 .~2");
}

#[test]
fn work_goes_on_after_the_answer() {
    check(&["a>b 0-10", "b>c 20-30"], "1 .2");
    check(&["a>b 0-10", "a>b 11-12", "b>c 20-30"], "1 2 3");
    // an answer that never came leaves it open
    check(&["a>b 0-", "a>b 11-12", "b>c 20-30"], "1 .3 2");
}
