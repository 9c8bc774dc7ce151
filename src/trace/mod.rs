//! Trace context from headers: one file a propagator, and their registry.
