//! The integration tests: the program as its users run it. One binary, so that it is linked once.

mod amqp;
#[cfg(feature = "taps")]
mod attach;
mod beside;
#[cfg(feature = "taps")]
mod broker;
mod containers;
mod damage;
mod demo;
mod diff;
mod errors;
mod expect;
mod fuzz;
#[path = "../fuzz"]
mod fuzz_targets {
    pub mod conversation;
    pub mod segments;
    pub mod targets;
}
mod golden;
mod grpc;
mod identity;
#[cfg(feature = "taps")]
mod lapin_peer;
mod late;
mod live;
mod memory;
mod names;
mod netns;
mod overload;
mod postgresql;
mod process;
mod program;
#[allow(dead_code, reason = "the benchmark uses the rest")]
#[path = "../bench/reading"]
mod reading {
    pub mod child;
    mod grpc;
    use super::scenarios;
    pub mod wire;
    pub mod workloads;
}
mod redis;
mod run;
#[path = "../scenarios/mod.rs"]
mod scenarios;
mod schema;
mod stitching;
mod suspend;
#[cfg(feature = "taps")]
mod tap;
#[cfg(feature = "taps")]
mod tapped;
mod terminal;
mod tidy;
mod tonic;
mod workloads;
