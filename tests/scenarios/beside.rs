//! What lies side by side: who is asked meanwhile asks nobody himself, however well the moments fit.

use super::mesh::Mesh;
use super::mesh::call::{Call, Connection, MS};
use super::mesh::tracer::Sends;
use super::shop::{Shop, Who};
use super::{Expected, Scenario, finding};

pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "beside: connections too brief for a name", play: || brief(1) },
    Scenario { name: "beside: connections too brief for a name, overlapping", play: || brief(2) },
    Scenario { name: "beside: one of two asks a store", play: || store(Who::Nobody) },
    Scenario { name: "beside: one of two asks a store, and was asked without a context", play: || store(Who::Gateway) },
    Scenario { name: "beside: one of two asks a store, also when the other is done", play: sometimes },
];

const PAGES: u64 = 40;

/// A connection for each call. The gateway asks billing, and meanwhile the courier one thing after another; at times billing is done at once.
/// Of who asks the courier most have a name.
fn brief(at_once: u64) -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..PAGES {
        let invoice = Call::http(shop.billing, "GET", "/invoices").after(MS).works(if n % 10 == 9 { MS / 4 } else { 9 * MS });
        let parcel = |at: u64| {
            let connection = if (n + at).is_multiple_of(8) { Connection::Brief } else { Connection::Own };
            Call::http(shop.courier, "GET", "/parcels").after((4 + 2 * at) * MS).works(MS / 4).over(connection)
        };
        let calls = (0..3).map(parcel).chain([invoice.over(Connection::Own)]);
        let page = Call::http(shop.gateway, "GET", "/page").calls(calls).together();
        shop.mesh.run(MS + n / at_once * 40 * MS + n % at_once * MS / 3, shop.browser, &page);
    }
    (shop.mesh, vec![])
}

/// Billing, which asks the database, and the courier, which is at work for longer and asks nobody, both for one page.
fn page(shop: &Shop, lost: bool, courier: u64) -> Call {
    let invoice = Call::http(shop.billing, "GET", "/invoices").calls([Call::sql(shop.database, "SELECT n FROM invoices", &[])]);
    let invoice = if lost { invoice.bare() } else { invoice };
    let parcel = Call::http(shop.courier, "GET", "/parcels").after(MS + MS / 2).works(courier);
    Call::http(shop.gateway, "GET", "/page").calls([invoice, parcel]).together()
}

fn store(drops: Who) -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..PAGES {
        let page = page(&shop, drops == Who::Gateway, 6 * MS);
        shop.mesh.run(MS + n * 50 * MS, shop.browser, &page);
    }
    let lost = (drops == Who::Gateway).then(|| finding("trace_lost", shop.gateway, PAGES));
    (shop.mesh, lost.into_iter().collect())
}

/// Every other time the courier is done before billing asks the database.
fn sometimes() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..PAGES {
        let page = page(&shop, false, if n % 2 == 0 { MS / 2 } else { 6 * MS });
        shop.mesh.run(MS + n * 50 * MS, shop.browser, &page);
    }
    (shop.mesh, vec![])
}
