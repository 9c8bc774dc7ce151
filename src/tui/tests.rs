//! The whole screen against a scripted engine: what it looks like, and how it behaves while flows arrive.

mod behaviour;
pub(super) mod rig;
mod screens;
mod services;
