//! Requests that something passes on: sidecars, a reverse proxy, a load balancer. Their legs are one request, and a header that is passed
//! on unchanged is no stale one.

use super::mesh::amqp::Outcome;
use super::mesh::call::{Answer, Call, Connection, Delivery, MS};
use super::mesh::tracer::Sends;
use super::mesh::{Mesh, RELAYS, Svc};
use super::shop::{Shop, Who};
use super::{Expected, Scenario, finding};

pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "sidecar", play: sidecar },
    Scenario { name: "sidecar of one that drops", play: sidecar_dropped },
    Scenario { name: "nginx", play: nginx },
    Scenario { name: "proxy protocol", play: proxy_protocol },
    Scenario { name: "docker-proxy", play: docker_proxy },
    Scenario { name: "docker-proxy, no context", play: docker_proxy_bare },
    Scenario { name: "docker-proxy: messages", play: || messages(super::shop::GOOD) },
    Scenario { name: "docker-proxy: messages, no context", play: || messages(Sends::Nothing) },
    Scenario { name: "docker-proxy: redelivery", play: redelivery },
];

const CALLS: u64 = 5;

/// A call from a service to another through the sidecars of both, as Envoy passes it on: `x-request-id` where there was none, its own
/// `x-forwarded-for` and `x-envoy-*`, and the trace context as it came.
fn through_sidecars(mesh: &mut Mesh, inner: Call) -> Call {
    let [near, far] = ["sidecar-out", "sidecar-in"].map(|name| {
        let known = mesh.services.iter().position(|service| service.name == name);
        known.map_or_else(|| mesh.service(name, Sends::Passes), Svc)
    });
    let host = format!("{}:80", mesh.services[inner.to.0].name);
    let leg = |call: Call| call.header("host", host.clone()).works(MS / 4);
    let last =
        inner.header("x-forwarded-for", "10.0.0.3,127.0.0.6").header("x-envoy-attempt-count", "1").header("host", host.clone());
    let between = leg(Call::http(far, "POST", "/orders").calls([last])).header("x-forwarded-for", "10.0.0.3");
    leg(Call::http(near, "POST", "/orders").calls([between]))
}

/// A mesh of Envoys: from the gateway to orders over the sidecars of both. All pass the context on: nothing to find.
fn sidecar() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let orders = Call::http(shop.orders, "POST", "/orders").calls([Call::grpc(shop.billing, "/shop.v1.Billing/Charge")]);
        let call = Call::http(shop.gateway, "POST", "/checkout").calls([through_sidecars(&mut shop.mesh, orders)]);
        shop.mesh.run(MS + n * 50 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![])
}

/// The same, and `orders` drops the context: it is at fault, and no sidecar.
fn sidecar_dropped() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Orders, Sends::Nothing);
    for n in 0..CALLS {
        let orders = Call::http(shop.orders, "POST", "/orders").calls([Call::grpc(shop.billing, "/shop.v1.Billing/Charge")]);
        let call = Call::http(shop.gateway, "POST", "/checkout").calls([through_sidecars(&mut shop.mesh, orders)]);
        shop.mesh.run(MS + n * 50 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![finding("trace_lost", shop.orders, CALLS)])
}

/// nginx before the gateway: `Via` and `X-Forwarded-For`, a `Host` of its own, a path without its prefix; also of a call that fails.
fn nginx() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    let nginx = shop.mesh.service("nginx", Sends::Copies);
    for n in 0..CALLS {
        let answer = if n == 3 { Answer::Bad(404) } else { Answer::Good };
        let order = super::shop::order(n);
        let inner = shop.checkout(&order).answers(answer).header("x-forwarded-for", "10.9.8.7").header("via", "1.1 nginx");
        let call = Call::http(nginx, "POST", "/api/checkout").id(order).calls([inner]).works(MS / 4).answers(answer);
        shop.mesh.run(MS + n * 70 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![])
}

/// A load balancer that says by the PROXY protocol for whom it calls, and reads no HTTP.
fn proxy_protocol() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    let balancer = shop.mesh.service("haproxy", Sends::Copies);
    for n in 0..CALLS {
        let inner = shop.checkout(&super::shop::order(n)).over(Connection::Proxied);
        let call = Call::http(balancer, "POST", "/checkout").id(super::shop::order(n)).calls([inner]).works(MS / 4);
        shop.mesh.run(MS + n * 70 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![])
}

/// A call through a docker-proxy: the same bytes on a connection of its own, as soon as they come.
fn relayed(relay: Svc, call: Call) -> Call {
    let call = call.header("host", "localhost");
    let inner = call.clone().after(RELAYS);
    Call { to: relay, calls: vec![inner], works: RELAYS, ..call }
}

/// Containers whose ports are published: who calls them on the host does so through a docker-proxy each, which reads nothing.
fn published(sends: Sends) -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    shop.mesh.services.iter_mut().filter(|service| service.sends == super::shop::GOOD).for_each(|service| service.sends = sends);
    let [front, middle, back, store] = [(); 4].map(|()| shop.mesh.service("docker-proxy", Sends::Copies));
    for n in 0..CALLS {
        let order = super::shop::order(n);
        let charge = Call::grpc(shop.billing, "/shop.v1.Billing/Charge").id(&order).calls([relayed(store, shop.row(&order))]);
        let place = shop.place(&order).calls([relayed(back, charge)]);
        let call = relayed(front, shop.ask(&order).calls([relayed(middle, place)]));
        shop.mesh.run(MS + n * 70 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![])
}

fn docker_proxy() -> (Mesh, Vec<Expected>) {
    published(super::shop::GOOD)
}

/// The same among services that pass nothing on but the order they work on.
fn docker_proxy_bare() -> (Mesh, Vec<Expected>) {
    published(Sends::Nothing)
}

/// A shop whose broker is behind a docker-proxy for its publisher and one for its consumer.
struct Depot {
    shop: Shop,
    relays: [Svc; 2],
}

impl Depot {
    fn new(sends: Sends) -> Self {
        let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
        for service in shop.mesh.services.iter_mut().filter(|service| service.name != "browser") {
            service.sends = if service.sends == super::shop::GOOD { sends } else { service.sends };
        }
        let relays = [(); 2].map(|()| shop.mesh.service("docker-proxy", Sends::Copies));
        Self { shop, relays }
    }

    /// A checkout in which orders sends a message that is delivered so.
    fn run(&mut self, n: u64, deliveries: impl IntoIterator<Item = Delivery>) {
        let (shop, [into, out], order) = (&mut self.shop, self.relays, super::shop::order(n));
        let published =
            Call::publish(into, "shop", "order.placed").id(&order).message_id(format!("placed-{order}")).works(RELAYS);
        let inner = Call { to: shop.broker, ..published.clone() }.after(RELAYS);
        let inner = inner.delivers(deliveries.into_iter().map(|delivery| delivery.through(out)));
        let call = shop.ask(&order).calls([shop.place(&order).calls([published.calls([inner])])]);
        shop.mesh.run(MS + n * 100 * MS, shop.browser, &call);
    }
}

fn messages(sends: Sends) -> (Mesh, Vec<Expected>) {
    let mut depot = Depot::new(sends);
    for n in 0..CALLS {
        let parcel = Call::http(depot.shop.courier, "POST", "/parcels").id(super::shop::order(n));
        depot.run(n, [Delivery::new(depot.shop.shipping, "shipping").calls([parcel])]);
    }
    let lost = finding("trace_lost", depot.shop.gateway, CALLS);
    (depot.shop.mesh, if sends == Sends::Nothing { vec![lost] } else { vec![] })
}

/// Shipping gives each message back once: no docker-proxy does.
fn redelivery() -> (Mesh, Vec<Expected>) {
    let mut depot = Depot::new(super::shop::GOOD);
    for n in 0..CALLS {
        let deliver = || Delivery::new(depot.shop.shipping, "shipping");
        depot.run(n, [deliver().outcome(Outcome::Requeue), deliver().redelivered().after(12 * MS)]);
    }
    (depot.shop.mesh, vec![finding("redelivery", depot.shop.shipping, CALLS)])
}
