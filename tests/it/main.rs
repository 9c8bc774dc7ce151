//! The integration tests: the program as its users run it. One binary, so that it is linked once.

mod beside;
mod demo;
mod errors;
mod golden;
mod grpc;
mod live;
mod process;
mod program;
mod terminal;
mod tidy;
