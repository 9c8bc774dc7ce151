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
mod process;
mod program;
mod run;
mod schema;
#[cfg(feature = "taps")]
mod tap;
mod terminal;
mod tidy;
mod tonic;
