//! Meshes with a known truth: what meshtop is to make of each, flow by flow, edge by edge, finding by finding. The scripts are in the
//! files beside this one, what plays them in `mesh`, what compares in `check`.

mod background;
mod beside;
pub mod check;
mod hidden;
mod load;
pub mod mesh;
mod messages;
mod nat;
mod propagation;
mod proxies;
mod quiet;
mod shop;
mod styles;
mod trouble;
pub mod why;

use mesh::{Mesh, Svc};

/// A mesh, what happens in it, and what is to be found.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub play: fn() -> (Mesh, Vec<Expected>),
}

/// A finding that is to be told; all others are false alarms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    pub kind: &'static str,
    /// The service at fault.
    pub service: Svc,
    pub count: u64,
}

/// All that can be told whatever is known of who calls.
pub fn all() -> Vec<Scenario> {
    [
        propagation::SCENARIOS,
        proxies::SCENARIOS,
        nat::SCENARIOS,
        trouble::SCENARIOS,
        messages::SCENARIOS,
        load::SCENARIOS,
        background::SCENARIOS,
        hidden::SCENARIOS,
        beside::SCENARIOS,
        quiet::SCENARIOS,
        styles::SCENARIOS,
        why::SCENARIOS,
    ]
    .concat()
}

/// Those that can be told only where it is known who calls.
pub fn callers_known() -> Vec<Scenario> {
    background::CALLERS_KNOWN.to_vec()
}

/// A finding by a service.
pub const fn finding(kind: &'static str, service: Svc, count: u64) -> Expected {
    Expected { kind, service, count }
}
