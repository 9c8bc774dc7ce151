//! meshtop shows a developer what their services say to each other, live, on their own machine.

pub mod body;
pub mod cli;
pub mod config;
pub mod decode;
pub mod demo;
pub mod engine;
pub mod error;
pub mod filter;
pub mod mask;
pub mod model;
pub mod net;
pub mod output;
pub mod pipeline;
pub mod privileges;
pub mod session;
pub mod source;
mod sys;
pub mod text;
pub mod time;
pub mod trace;
#[cfg(feature = "tui")]
pub mod tui;
pub mod units;
pub mod worker;
