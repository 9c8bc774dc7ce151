//! What the engine is told at the start.

use super::SETTLE_LIVE;
use crate::mask::Secrets;
use crate::model::{Ask, Naming, Scope};
use crate::schema::Current;
use crate::time::Span;
use crossbeam_channel::Sender;
use std::sync::Arc;

/// Which records somebody reads: others are not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wants {
    /// Settled flows.
    pub flows: bool,
    /// Connections that ended.
    pub connections: bool,
    /// Traces.
    pub traces: bool,
    /// Findings, by a screen too.
    pub findings: bool,
}

impl Default for Wants {
    fn default() -> Self {
        Self { flows: true, connections: true, traces: true, findings: true }
    }
}

/// What the engine is told at the start.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// What the store may hold, in bytes.
    pub max_memory: usize,
    /// Whether settled flows are kept for a screen. Without it a flow goes once its record is out, and nothing is ever evicted.
    pub keep: bool,
    /// What is told of what was seen.
    pub wants: Wants,
    /// Whether what is watched runs meanwhile.
    pub live: bool,
    /// Bytes kept of each body.
    pub body_limit: usize,
    /// How long a complete flow waits for what may still be told of it.
    pub settle: Span,
    /// What the user said about who is who.
    pub names: Vec<(Scope, Arc<str>)>,
    /// Who can be asked whose sockets the ends of a connection are; none for files, of which the machine of now knows nothing.
    pub resolver: Option<Sender<Ask>>,
    /// Who writes names into files.
    pub namer: Option<Sender<Naming>>,
    /// Whether secrets are shown to those who look.
    pub secrets: Secrets,
    /// Which messages are known to those who look.
    pub schemas: Current,
    /// The capture filter in force, for the status line.
    pub capture_filter: Option<String>,
    /// Whether there are taps beside a capture, so that a message may come twice.
    pub twins: bool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            max_memory: 256 << 20,
            keep: true,
            wants: Wants::default(),
            live: false,
            body_limit: 64 << 10,
            settle: SETTLE_LIVE,
            names: Vec::new(),
            resolver: None,
            namer: None,
            secrets: Secrets::Mask,
            schemas: Current::default(),
            capture_filter: None,
            twins: false,
        }
    }
}
