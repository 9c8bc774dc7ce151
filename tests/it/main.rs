//! The integration tests: the program as its users run it. One binary, so that it is linked once.

mod amqp;
mod beside;
mod containers;
mod demo;
mod diff;
mod errors;
mod expect;
mod golden;
mod grpc;
mod identity;
mod late;
mod live;
mod names;
mod netns;
mod postgresql;
mod process;
mod program;
mod redis;
mod run;
#[path = "../scenarios/mod.rs"]
mod scenarios;
mod schema;
mod stitching;
#[cfg(feature = "taps")]
mod tap;
mod terminal;
mod tidy;
mod tonic;
