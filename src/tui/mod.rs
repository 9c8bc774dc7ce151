//! The terminal screen: the only room that names ratatui and crossterm. It knows the engine as a [`Port`] and its [`View`]s alone.
//!
//! ```text
//! terminal, signals, wake ──> run ── Event ──> App::update ── Effect ──> run (port, clipboard, terminal)
//!                                  └─ draw(&App, frame): changes nothing
//! ```
//!
//! [`View`]: crate::engine::view::View

mod action;
mod app;
mod detail;
mod effect;
mod event;
mod format;
mod grammar;
mod input;
pub mod keymap;
mod layout;
mod list;
mod messages;
mod panel;
mod port;
mod run;
mod search;
mod terminal;
#[cfg(test)]
mod tests;
mod theme;
mod view;
mod widget;

pub use app::Options;
pub use grammar::{Complete, Completion, Grammar, Parse, Values};
pub use port::{Command, Port};
pub use run::{Exit, run};
pub use theme::Palette;
