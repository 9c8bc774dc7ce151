//! The same stories in other words: gRPC alone, other formats of trace context, other stores, other services at fault.

use super::mesh::Mesh;
use super::mesh::call::{Answer, Call, Connection, MS};
use super::mesh::tracer::{Format, Sends};
use super::shop::{Shop, Who, order};
use super::{Expected, Scenario, finding};

pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "gRPC: ids everywhere", play: || (played(Shop::new(Who::Nobody, Sends::Nothing).by_grpc()).mesh, vec![]) },
    Scenario { name: "gRPC: dropped", play: || by_orders(Shop::new(Who::Orders, Sends::Nothing).by_grpc(), "trace_lost") },
    Scenario {
        name: "gRPC: restarted",
        play: || by_orders(Shop::new(Who::Orders, Sends::Restarts).by_grpc(), "trace_restarted"),
    },
    Scenario {
        name: "gRPC: stale parent",
        play: || by_orders(Shop::new(Who::Orders, Sends::Copies).by_grpc(), "trace_stale_parent"),
    },
    Scenario {
        name: "gRPC: unsampled",
        play: || by_orders(Shop::new(Who::Orders, Sends::Unsampled).by_grpc(), "trace_unsampled"),
    },
    Scenario { name: "gRPC: retry storm", play: storm },
    Scenario { name: "gRPC: error cascade", play: cascade },
    Scenario { name: "gRPC: n plus one", play: rows_by_grpc },
    Scenario { name: "gRPC: slow service", play: slow_service },
    Scenario { name: "b3: dropped", play: || by_orders(in_b3(Who::Orders, Sends::Nothing), "trace_lost") },
    Scenario { name: "b3: stale parent", play: || by_orders(in_b3(Who::Orders, Sends::Copies), "trace_stale_parent") },
    Scenario { name: "b3: switched to traceparent", play: b3_switched },
    Scenario { name: "datadog: ids everywhere", play: || (played(in_datadog(Who::Nobody, Sends::Nothing)).mesh, vec![]) },
    Scenario { name: "datadog: dropped", play: || by_orders(in_datadog(Who::Orders, Sends::Nothing), "trace_lost") },
    Scenario { name: "switched to datadog", play: to_datadog },
    Scenario { name: "dropped by the gateway", play: by_gateway },
    Scenario { name: "dropped by a consumer", play: by_consumer },
    Scenario { name: "dropped by the last, who calls only stores", play: by_last },
    Scenario { name: "restarted, at once", play: restarted_at_once },
    Scenario { name: "slow cache", play: slow_cache },
    Scenario { name: "n plus one, redis", play: rows_by_redis },
    Scenario { name: "n plus one, http", play: rows_by_http },
    Scenario { name: "error cascade of five", play: deep_cascade },
    Scenario { name: "browser encrypted", play: sealed_browser },
    Scenario { name: "store encrypted", play: sealed_store },
    Scenario { name: "joined late, one after the other", play: late },
    Scenario { name: "gRPC: joined late", play: late_grpc },
    Scenario { name: "quiet: slow by nature", play: streams },
];

const CALLS: u64 = 5;

fn played(mut shop: Shop) -> Shop {
    shop.checkouts(CALLS, 100 * MS);
    shop
}

/// `orders` does something wrong with both of what it sends.
fn by_orders(shop: Shop, kind: &'static str) -> (Mesh, Vec<Expected>) {
    let shop = played(shop);
    (shop.mesh, vec![finding(kind, shop.orders, 2 * CALLS)])
}

fn in_b3(who: Who, sends: Sends) -> Shop {
    Shop::new(who, sends).speaks(Format::B3Multi)
}

fn in_datadog(who: Who, sends: Sends) -> Shop {
    Shop::new(who, sends).speaks(Format::Datadog)
}

fn b3_switched() -> (Mesh, Vec<Expected>) {
    let mut shop = in_b3(Who::Nobody, Sends::Nothing);
    for svc in [shop.orders, shop.billing, shop.shipping] {
        shop.mesh.services[svc.0].sends = Sends::Spans(Format::Traceparent);
    }
    by_orders(shop, "trace_format_switched")
}

/// An ID of 64 bits is left of one of 128, in decimal digits.
fn to_datadog() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Orders, Sends::Spans(Format::Datadog));
    for svc in [shop.billing, shop.shipping] {
        shop.mesh.services[svc.0].sends = Sends::Spans(Format::Datadog);
    }
    by_orders(shop, "trace_format_switched")
}

fn by_gateway() -> (Mesh, Vec<Expected>) {
    let shop = played(Shop::new(Who::Gateway, Sends::Nothing));
    (shop.mesh, vec![finding("trace_lost", shop.gateway, CALLS)])
}

fn by_consumer() -> (Mesh, Vec<Expected>) {
    let shop = played(Shop::new(Who::Shipping, Sends::Nothing));
    (shop.mesh, vec![finding("trace_lost", shop.shipping, CALLS)])
}

/// Nobody expects a context in what a database or a cache is sent: nothing to find.
fn by_last() -> (Mesh, Vec<Expected>) {
    (played(Shop::new(Who::Billing, Sends::Nothing)).mesh, vec![])
}

/// A hundred requests at once, and orders begins a trace of its own for each: the order's ID ties them.
fn restarted_at_once() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Orders, Sends::Restarts);
    shop.checkouts(100, MS / 8);
    (shop.mesh, vec![finding("trace_restarted", shop.orders, 200)])
}

fn storm() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing).by_grpc();
    for n in 0..CALLS {
        let attempts = (0..8).map(|_| shop.place(&order(n)).answers(Answer::Bad(14)));
        let call = shop.ask(&order(n)).calls(attempts);
        shop.mesh.run(MS + n * 200 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![finding("retry_storm", shop.gateway, CALLS)])
}

fn cascade() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing).by_grpc();
    for n in 0..CALLS {
        let charge = Call::grpc(shop.billing, "/shop.v1.Billing/Charge").id(order(n)).answers(Answer::Bad(14));
        let place = shop.place(&order(n)).calls([charge]).answers(Answer::Bad(14));
        let call = shop.ask(&order(n)).calls([place]).answers(Answer::Bad(14));
        shop.mesh.run(MS + n * 100 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![finding("error_cascade", shop.billing, CALLS)])
}

/// Five services fail one behind the other, the last one first.
fn deep_cascade() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    let ledger = shop.mesh.service("ledger", super::shop::GOOD);
    for n in 0..CALLS {
        let fails = |svc, path: &str| Call::http(svc, "POST", path).answers(Answer::Bad(500));
        let book = fails(ledger, "/entries").answers(Answer::Bad(503));
        let parcel = fails(shop.courier, "/parcels").calls([book]);
        let charge = fails(shop.billing, "/charges").calls([shop.row(&order(n)), parcel]);
        let place = fails(shop.orders, "/orders").calls([charge]);
        shop.mesh.run(MS + n * 100 * MS, shop.browser, &fails(shop.gateway, "/checkout").calls([place]));
    }
    (shop.mesh, vec![finding("error_cascade", ledger, CALLS)])
}

/// So many like calls of a request, of which orders makes one after the other.
fn rows(shop: &mut Shop, row: impl Fn(&Shop, u64) -> Call) {
    for n in 0..CALLS {
        let rows: Vec<_> = (0..20).map(|at| row(shop, n * 20 + at).after(MS / 4).works(MS / 4)).collect();
        let list = shop.place(&order(n)).calls(rows);
        let call = shop.ask(&order(n)).calls([list]);
        shop.mesh.run(MS + n * 300 * MS, shop.browser, &call);
    }
}

fn rows_by_redis() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    rows(&mut shop, |shop, row| Call::redis(shop.cache, &["HGET", &format!("item:{row}"), "price"]));
    (shop.mesh, vec![finding("n_plus_one", shop.orders, CALLS)])
}

fn rows_by_http() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    rows(&mut shop, |shop, row| Call::http(shop.billing, "GET", format!("/prices/{row}")));
    (shop.mesh, vec![finding("n_plus_one", shop.orders, CALLS)])
}

fn rows_by_grpc() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing).by_grpc();
    rows(&mut shop, |shop, _| Call::grpc(shop.billing, "/shop.v1.Prices/Get"));
    (shop.mesh, vec![finding("n_plus_one", shop.orders, CALLS)])
}

/// Requests as always, then some in which one call takes most of the time.
fn slow(mut shop: Shop, call: impl Fn(&Shop, u64) -> Call) -> Shop {
    for n in 0..20 + CALLS {
        let slow = call(&shop, n).works(if n < 20 { MS } else { 700 * MS });
        let call = shop.ask(&order(n)).calls([shop.place(&order(n)).calls([slow])]);
        shop.mesh.run(MS + n * 3000 * MS, shop.browser, &call);
    }
    shop
}

fn slow_cache() -> (Mesh, Vec<Expected>) {
    let shop = Shop::new(Who::Nobody, Sends::Nothing);
    let shop = slow(shop, |shop, n| Call::redis(shop.cache, &["GET", &format!("stock:{n}")]));
    (shop.mesh, vec![finding("slow_hop", shop.cache, CALLS)])
}

fn slow_service() -> (Mesh, Vec<Expected>) {
    let shop =
        slow(Shop::new(Who::Nobody, Sends::Nothing).by_grpc(), |shop, _| Call::grpc(shop.billing, "/shop.v1.Billing/Charge"));
    (shop.mesh, vec![finding("slow_hop", shop.billing, CALLS)])
}

/// What the browser says is encrypted: the rest is a tree without its root, and nothing to find.
fn sealed_browser() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let call = shop.checkout(&order(n)).over(Connection::Sealed);
        shop.mesh.run(MS + n * 60 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![])
}

/// The database is spoken to over TLS, and orders drops the context: that is seen all the same.
fn sealed_store() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Orders, Sends::Nothing);
    for n in 0..CALLS {
        let charge = Call::grpc(shop.billing, "/shop.v1.Billing/Charge").calls([shop.row(&order(n)).over(Connection::Sealed)]);
        let place = Call::http(shop.orders, "POST", "/orders").calls([shop.row(&order(n)).over(Connection::Sealed), charge]);
        let call = Call::http(shop.gateway, "POST", "/checkout").calls([place]);
        shop.mesh.run(MS + n * 60 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![finding("trace_lost", shop.orders, CALLS)])
}

/// Joined in the middle of a call, of which there is one at a time.
fn late() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    shop.checkouts(40, 60 * MS);
    shop.mesh.captured(615 * MS, u64::MAX);
    (shop.mesh, vec![])
}

fn late_grpc() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing).by_grpc();
    shop.checkouts(40, 11 * MS);
    shop.mesh.captured(90 * MS, u64::MAX);
    (shop.mesh, vec![])
}

/// Calls that are held back by design, and jobs that take long every time: nothing to find.
fn streams() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let watch = Call::http(shop.gateway, "GET", "/events").works(3_000 * MS);
        shop.mesh.run(MS + n * 100 * MS, shop.browser, &watch);
        let call = shop.checkout(&order(n));
        shop.mesh.run(MS + n * 80 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![])
}
