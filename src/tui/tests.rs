//! The whole screen against a scripted engine: what it looks like, and how it behaves while flows arrive.

mod behaviour;
mod mesh;
pub(super) mod rig;
mod screens;
mod services;
mod traces;
