//! The whole screen against a scripted engine: what it looks like, and how it behaves while flows arrive.

mod behaviour;
mod brokers;
mod findings;
mod list;
mod mesh;
mod messages;
mod rig;
pub(super) mod sample;
mod screens;
mod services;
mod traces;
mod typing;
