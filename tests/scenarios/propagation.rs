//! What one service may do to trace context: lose it, begin anew, switch the format, copy it, turn sampling off; and a mesh that does it
//! right.

use super::mesh::Mesh;
use super::mesh::call::{Call, MS};
use super::mesh::tracer::{Format, Sends};
use super::shop::{Shop, Who};
use super::{Expected, Scenario, finding};

pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "ids everywhere", play: good },
    Scenario { name: "dropped", play: dropped },
    Scenario { name: "restarted", play: restarted },
    Scenario { name: "restarted, same request id", play: restarted_with_request_id },
    Scenario { name: "switched format", play: switched },
    Scenario { name: "switched to sentry-trace, at once", play: sentry },
    Scenario { name: "only the request id", play: request_id },
    Scenario { name: "stale parent", play: stale },
    Scenario { name: "unsampled", play: unsampled },
    Scenario { name: "maybe linked", play: linked },
    Scenario { name: "b3 all through", play: b3 },
    Scenario { name: "malformed", play: || malformed(&["00-00000000000000000000000000000000-00f067aa0ba902b7-01"]) },
    Scenario { name: "malformed, bad digits", play: || malformed(&["00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01"]) },
    Scenario { name: "malformed, twice", play: || malformed(&[TWICE[0], TWICE[1]]) },
    Scenario { name: "sql comments", play: comments },
];

/// Checkouts, one after the other.
const CALLS: u64 = 5;

fn played(who: Who, sends: Sends) -> Shop {
    let mut shop = Shop::new(who, sends);
    shop.checkouts(CALLS, 100 * MS);
    shop
}

/// The yardstick: every service hands the context on, so that each checkout is one tree and there is nothing to find.
fn good() -> (Mesh, Vec<Expected>) {
    (played(Who::Nobody, Sends::Nothing).mesh, vec![])
}

/// `orders` sends no context on, neither to billing nor with its messages: one finding for it, and none for those who were sent none.
fn dropped() -> (Mesh, Vec<Expected>) {
    let shop = played(Who::Orders, Sends::Nothing);
    (shop.mesh, vec![finding("trace_lost", shop.orders, 2 * CALLS)])
}

/// `orders` begins a trace of its own for each request.
fn restarted() -> (Mesh, Vec<Expected>) {
    let shop = played(Who::Orders, Sends::Restarts);
    (shop.mesh, vec![finding("trace_restarted", shop.orders, 2 * CALLS)])
}

/// `gateway` begins a trace of its own, and hands the request's ID on: which is what tells whose request it is.
fn restarted_with_request_id() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Gateway, Sends::RestartsWithRequestId);
    shop.mesh.services[shop.browser.0].sends = Sends::SpansAndRequestId(Format::Traceparent);
    shop.checkouts(CALLS, 5 * MS);
    (shop.mesh, vec![finding("trace_restarted", shop.gateway, CALLS)])
}

/// `orders` speaks B3 where it was sent a `traceparent`; those behind it understand both, and go on in what they were sent with.
fn switched() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Orders, Sends::Spans(Format::B3));
    for svc in [shop.billing, shop.shipping] {
        shop.mesh.services[svc.0].sends = Sends::Spans(Format::B3);
    }
    shop.checkouts(CALLS, 100 * MS);
    (shop.mesh, vec![finding("trace_format_switched", shop.orders, 2 * CALLS)])
}

/// `orders` writes `sentry-trace` alone, on two calls that it makes at once.
fn sentry() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Orders, Sends::Spans(Format::Sentry));
    for n in 0..CALLS {
        let two = [Call::grpc(shop.billing, "/shop.v1.Billing/Charge"), Call::http(shop.courier, "POST", "/parcels")];
        let place = Call::http(shop.orders, "POST", "/orders").calls(two).together();
        shop.mesh.run(MS + n * 100 * MS, shop.browser, &Call::http(shop.gateway, "POST", "/checkout").calls([place]));
    }
    (shop.mesh, vec![finding("trace_format_switched", shop.orders, 2 * CALLS)])
}

/// All have request IDs, and `orders` hands on nothing else: the ID goes on in another format only.
fn request_id() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Orders, Sends::RequestId);
    for svc in [shop.browser, shop.gateway] {
        shop.mesh.services[svc.0].sends = Sends::SpansAndRequestId(Format::Traceparent);
    }
    for svc in [shop.billing, shop.shipping] {
        shop.mesh.services[svc.0].sends = Sends::RequestId;
    }
    shop.checkouts(CALLS, 100 * MS);
    (shop.mesh, vec![finding("trace_format_switched", shop.orders, 2 * CALLS)])
}

/// `orders` copies the header that it was sent, and is no proxy: what it calls is another request.
fn stale() -> (Mesh, Vec<Expected>) {
    let shop = played(Who::Orders, Sends::Copies);
    (shop.mesh, vec![finding("trace_stale_parent", shop.orders, 2 * CALLS)])
}

/// `orders` turns the sampled flag off.
fn unsampled() -> (Mesh, Vec<Expected>) {
    let shop = played(Who::Orders, Sends::Unsampled);
    (shop.mesh, vec![finding("trace_unsampled", shop.orders, 2 * CALLS)])
}

/// The consumer works in a trace of its own, as OpenTelemetry recommends for messages, which it may have linked: a remark, no error.
fn linked() -> (Mesh, Vec<Expected>) {
    let shop = played(Who::Shipping, Sends::Restarts);
    (shop.mesh, vec![finding("trace_maybe_linked", shop.shipping, CALLS)])
}

/// All speak B3 in its several headers: nothing to find.
fn b3() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for service in shop.mesh.services.iter_mut().filter(|service| service.sends != Sends::Nothing) {
        service.sends = Sends::Spans(Format::B3Multi);
    }
    shop.checkouts(CALLS, 100 * MS);
    (shop.mesh, vec![])
}

const TWICE: [&str; 2] =
    ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-5bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b8-01"];

/// `orders` writes a trace ID of zeros, say: what is there and cannot be read is not absent.
fn malformed(values: &[&str]) -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let charge = Call::http(shop.billing, "POST", "/charges").bare();
        let charge = values.iter().fold(charge, |charge, value| charge.header("traceparent", *value));
        let place =
            Call::http(shop.gateway, "POST", "/checkout").calls([Call::http(shop.orders, "POST", "/orders").calls([charge])]);
        shop.mesh.run(MS + n * 100 * MS, shop.browser, &place);
    }
    (shop.mesh, vec![finding("trace_malformed", shop.orders, CALLS)])
}

/// Statements carry the context in a comment, as sqlcommenter writes it: the strongest evidence, also for a database.
fn comments() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let rows = [Call::sql(shop.database, "SELECT id FROM charges", &[]).traced(), shop.row("7").traced()];
        let place = Call::http(shop.gateway, "POST", "/checkout").calls([Call::http(shop.orders, "POST", "/orders").calls(rows)]);
        shop.mesh.run(MS + n * 3 * MS, shop.browser, &place);
    }
    (shop.mesh, vec![])
}
