//! Meshes in which all is as it should be, whatever it looks like: not one finding, and no edge between what only happens at once.

use super::mesh::Mesh;
use super::mesh::call::{Answer, Call, Connection, MS};
use super::mesh::tracer::Sends;
use super::shop::{GOOD, Shop, Who, order};
use super::{Expected, Scenario};

pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "quiet: sampling off", play: || calm(&[unsampled, unsampled_b3], 50, 20) },
    Scenario { name: "quiet: retries", play: || calm(&[retries], 20, 50) },
    Scenario { name: "quiet: housekeeping", play: || calm(&[checkouts, housekeeping], 20, 50) },
    Scenario { name: "quiet: polling", play: || calm(&[checkouts, polling], 40, 50) },
    Scenario { name: "quiet: third parties", play: || calm(&[third_party], 20, 50) },
    Scenario { name: "quiet: cron", play: || calm(&[checkouts, cron], 40, 50) },
    Scenario { name: "quiet: at the same time", play: || calm(&[at_once], 20, 50) },
    Scenario { name: "quiet: cut", play: cut },
    Scenario { name: "quiet: all at once", play: || calm(ALL, 100, 1) },
];

const ALL: &[Part] = &[checkouts, unsampled, unsampled_b3, retries, housekeeping, polling, third_party, cron];

/// The `n`-th time that something happens, at a moment.
type Part = fn(&mut Shop, u64, u64);

/// Some of it, so many times, so many milliseconds apart.
fn calm(parts: &[Part], times: u64, apart: u64) -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..times {
        for (at, part) in (0..).zip(parts) {
            part(&mut shop, n, MS + n * apart * MS + at * MS / 3);
        }
    }
    (shop.mesh, vec![])
}

/// A service that there may be already.
fn service(shop: &mut Shop, name: &'static str, sends: Sends) -> super::mesh::Svc {
    let known = shop.mesh.services.iter().position(|service| service.name == name);
    known.map_or_else(|| shop.mesh.service(name, sends), super::mesh::Svc)
}

/// A moment that has nothing to do with what else begins then: before, in and after each part of a checkout.
fn sometime(at: u64, n: u64) -> u64 {
    at + n * 7 % 31 * MS
}

/// Two services are always asked together, by one that was asked and by one that was not; the first is always done last.
fn at_once(shop: &mut Shop, n: u64, at: u64) {
    let both = |path: &str, connection| {
        let [slow, quick] = [(shop.billing, "invoices"), (shop.courier, "parcels")]
            .map(|(svc, what)| Call::http(svc, "GET", format!("/{what}{path}")).over(connection));
        [slow.works(6 * MS), quick.after(MS + MS / 16).works(MS)]
    };
    let page = Call::http(shop.gateway, "GET", "/page").calls(both("/all", Connection::Kept)).together();
    shop.mesh.run(at, shop.browser, &page);
    for call in both(&format!("/{n}"), Connection::Own) {
        shop.mesh.run(at + 20 * MS, shop.browser, &call);
    }
}

fn checkouts(shop: &mut Shop, n: u64, at: u64) {
    let call = shop.checkout(&order(n));
    shop.mesh.run(at, shop.browser, &call);
}

/// Who calls has decided against sampling, and all respect it.
fn unsampled(shop: &mut Shop, n: u64, at: u64) {
    let robot = service(shop, "robot", Sends::Unsampled);
    let call = shop.checkout(&order(1_000 + n));
    shop.mesh.run(at, robot, &call);
}

/// The same with `b3: 0`, which names no trace at all; all services pass it on.
fn unsampled_b3(shop: &mut Shop, n: u64, at: u64) {
    let robot = service(shop, "old-robot", Sends::Nothing);
    let id = order(2_000 + n);
    let b3 = |call: Call| call.bare().header("b3", "0").id(&id);
    let charge = b3(Call::grpc(shop.billing, "/shop.v1.Billing/Charge"));
    let place = b3(Call::http(shop.orders, "POST", "/orders")).calls([charge]);
    let call = b3(Call::http(shop.gateway, "POST", "/checkout")).calls([place]);
    shop.mesh.run(at, robot, &call);
}

/// A call fails, and succeeds when it is made again.
fn retries(shop: &mut Shop, n: u64, at: u64) {
    let place = Call::http(shop.orders, "POST", "/orders").id(order(3_000 + n));
    let attempts = [place.clone().answers(Answer::Bad(503)), place.after(10 * MS)];
    let call = Call::http(shop.gateway, "POST", "/checkout").id(order(3_000 + n)).calls(attempts);
    shop.mesh.run(at, shop.browser, &call);
}

/// Health checks, one of which asks further; scrapes; exports of spans, by services that are at work on requests.
fn housekeeping(shop: &mut Shop, n: u64, at: u64) {
    let [kubelet, prometheus] = ["kubelet", "prometheus"].map(|name| service(shop, name, Sends::Nothing));
    let collector = service(shop, "collector", Sends::Nothing);
    let deep = Call::grpc(shop.billing, "/grpc.health.v1.Health/Check").bare();
    shop.mesh.run(at, kubelet, &Call::http(shop.orders, "GET", "/healthz").calls([deep]));
    shop.mesh.run(at + MS, prometheus, &Call::http(shop.orders, "GET", "/metrics"));
    for svc in [shop.gateway, shop.orders, shop.billing] {
        shop.mesh.run(sometime(at, n), svc, &Call::http(collector, "POST", "/v1/traces").bare());
    }
}

/// Orders asks every now and then whether its settings have changed, and has a question open that is answered when there is news.
fn polling(shop: &mut Shop, n: u64, at: u64) {
    let settings = service(shop, "settings", GOOD);
    shop.mesh.run(sometime(at, n), shop.orders, &Call::http(settings, "GET", "/settings?since=7").bare());
    if n.is_multiple_of(20) {
        let answer = if n == 20 { Answer::Never } else { Answer::Good };
        let news = Call::http(settings, "GET", "/watch?timeout=30").bare().works(10_000 * MS).answers(answer);
        shop.mesh.run(at + 2 * MS, shop.orders, &news);
    }
}

/// Orders calls somebody on the internet, whose business its traces are not.
fn third_party(shop: &mut Shop, n: u64, at: u64) {
    let stripe = service(shop, "api.stripe.com", Sends::Nothing);
    let charge = Call::http(stripe, "POST", "/v1/charges").bare().header("host", "api.stripe.com").id(order(4_000 + n));
    let place = Call::http(shop.orders, "POST", "/orders").id(order(4_000 + n)).calls([charge]);
    let call = Call::http(shop.gateway, "POST", "/checkout").id(order(4_000 + n)).calls([place]);
    shop.mesh.run(at, shop.browser, &call);
}

/// Orders does something by the clock, in a trace of its own, while it is at work on requests.
fn cron(shop: &mut Shop, n: u64, at: u64) {
    let report = Call::http(shop.billing, "POST", "/reports").calls([Call::sql(shop.database, "SELECT id FROM reports", &[])]);
    shop.mesh.run(sometime(at, n), shop.orders, &report);
}

/// The capture begins and ends in the middle of all that.
fn cut() -> (Mesh, Vec<Expected>) {
    let (mut mesh, none) = calm(ALL, 60, 3);
    mesh.captured(50 * MS, 150 * MS);
    (mesh, none)
}
