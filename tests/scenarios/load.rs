//! Many requests at once, with and without IDs; connections that cannot be looked into; a capture that begins and ends in the middle.

use super::mesh::Mesh;
use super::mesh::call::{Call, Connection, MS};
use super::mesh::capture::Nanos;
use super::mesh::tracer::{Format, Sends};
use super::shop::{Shop, Who, order};
use super::{Expected, Scenario, finding};

pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "concurrent", play: concurrent },
    Scenario { name: "concurrent, dropped", play: dropped },
    Scenario { name: "concurrent, dropped by the consumer", play: dropped_by_consumer },
    Scenario { name: "concurrent, only the request id", play: request_id },
    Scenario { name: "concurrent, nothing to go by", play: nothing },
    Scenario { name: "a page of two that read one row", play: pages },
    Scenario { name: "in line", play: || in_line(None) },
    Scenario { name: "in line, and one slow", play: || in_line(Some(7)) },
    Scenario { name: "half encrypted", play: || encrypted(Who::Nobody) },
    Scenario { name: "half encrypted, dropped", play: || encrypted(Who::Orders) },
    Scenario { name: "joined late", play: late },
];

/// How many requests are in flight at once, and how far apart they begin: all before the first one ends.
const CALLS: u64 = 100;
const APART: u64 = MS / 8;

/// Gateway, orders, billing, database: a hundred requests at once, all with IDs.
pub fn concurrent() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    shop.checkouts(CALLS, APART);
    (shop.mesh, vec![])
}

/// The same, and `orders` drops the context: the order's ID, in bodies and in a statement's parameters, ties what it sends.
pub fn dropped() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Orders, Sends::Nothing);
    shop.checkouts(CALLS, APART);
    (shop.mesh, vec![finding("trace_lost", shop.orders, 2 * CALLS)])
}

/// The same, and the consumer drops it.
pub fn dropped_by_consumer() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Shipping, Sends::Nothing);
    shop.checkouts(CALLS, APART);
    (shop.mesh, vec![finding("trace_lost", shop.shipping, CALLS)])
}

/// The same, and `orders` hands on `x-request-id` alone.
pub fn request_id() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Orders, Sends::RequestId);
    for svc in [shop.browser, shop.gateway] {
        shop.mesh.services[svc.0].sends = Sends::SpansAndRequestId(Format::Traceparent);
    }
    for svc in [shop.billing, shop.shipping] {
        shop.mesh.services[svc.0].sends = Sends::RequestId;
    }
    shop.checkouts(CALLS, APART);
    (shop.mesh, vec![finding("trace_format_switched", shop.orders, 2 * CALLS)])
}

/// The same, without an ID of any kind behind `orders`: any of a hundred requests may have caused a call, so none is claimed. All of them
/// had a context, so that each call has lost one, whichever it was.
fn nothing() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Orders, Sends::Nothing);
    for n in 0..CALLS {
        let charge = Call::grpc(shop.billing, "/shop.v1.Billing/Charge");
        let place = Call::http(shop.orders, "POST", "/orders").calls([charge]).works(20 * MS);
        let call = Call::http(shop.gateway, "POST", "/checkout").calls([place]);
        shop.mesh.run(MS + n * APART, shop.browser, &call);
    }
    (shop.mesh, vec![finding("trace_lost", shop.orders, CALLS)])
}

/// A page asks for two things at once, for one of them by a session: both read the same row, which the other one is asked for by its ID.
fn pages() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let row = |after: Nanos| shop.row(&order(n)).after(after);
        let one = Call::http(shop.gateway, "GET", format!("/users/{}/orders", order(n))).bare().id(order(n));
        let other = Call::http(shop.gateway, "GET", "/me").bare().header("cookie", "session=abc");
        // either is the first
        let [first, second] = if n % 2 == 0 { [MS, 4 * MS] } else { [4 * MS, MS] };
        for call in [one.calls([row(first)]), other.calls([row(second)])] {
            shop.mesh.run(MS + n * 3 * MS, shop.browser, &call);
        }
    }
    (shop.mesh, vec![])
}

/// Orders does one after the other: first they come so, and then a hundred at once, each of which waits for those before it. That is how a
/// service is under load, and no slow one; what takes far longer than the line is.
fn in_line(slow: Option<u64>) -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    let work = 16 * MS;
    for n in 0..20 + CALLS {
        let (at, works) = if n < 20 { (n * 100 * MS, work) } else { (2500 * MS + n * MS / 8, (n - 19) * work) };
        let works = if slow == Some(n) { 900 * MS } else { works };
        let place = shop.place(&order(n)).works(works / 2);
        let call = shop.ask(&order(n)).calls([place]);
        shop.mesh.run(MS + at, shop.browser, &call);
    }
    let slow = slow.map(|_| finding("slow_hop", shop.orders, 1));
    (shop.mesh, slow.into_iter().collect())
}

/// What the gateway says to orders is encrypted, the rest is not: what orders was sent cannot be seen, so it has lost nothing; and what
/// billing was sent has no parent that was captured.
fn encrypted(drops: Who) -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(drops, Sends::Nothing);
    for n in 0..20 {
        let mut call = shop.checkout(&order(n));
        for inner in call.calls.iter_mut().filter(|inner| inner.to == shop.orders) {
            inner.connection = Connection::Sealed;
        }
        shop.mesh.run(MS + n * 30 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![])
}

/// Connections are long open when the capture begins, in the middle of calls.
fn late() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    shop.checkouts(40, 7 * MS);
    shop.mesh.captured(80 * MS, u64::MAX);
    (shop.mesh, vec![])
}
