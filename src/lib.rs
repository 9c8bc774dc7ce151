//! meshtop shows a developer what their services say to each other, live, on their own machine.

pub mod body;
pub mod demo;
pub mod engine;
pub mod filter;
pub mod mask;
pub mod model;
pub mod net;
pub mod source;
pub mod text;
pub mod time;
pub mod trace;
