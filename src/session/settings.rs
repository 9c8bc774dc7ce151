//! How much each part of the program may take, and how many threads there are.

use crate::cli::Options;
use crate::decode::{Limits, registry};
use crate::net::limits::{CONNECTIONS, FEWEST_CONNECTIONS, SHARDS};
use crate::worker::Settings;
use std::num::NonZeroUsize;

/// How many threads decode beside the reader and the engine. A live reader is never to wait for decoding; of a file's three stages the
/// engine's takes longest, so that reading and decoding share a core where there are only two (`make bench`).
pub(super) fn workers(live: bool) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    usize::from(live || cores > 2)
}

/// What workers are told, and what is left for the engine of what all may take in bytes. What connections hold together of what is not
/// decoded so far is a sixteenth, and no less than a few of them need; the first 16 MiB of it are beside the store, as the program
/// itself is. As many connections may be open as take the whole at a KiB each.
pub(super) fn settings(options: &mut Options) -> (Settings, usize) {
    const LEAST: usize = 8 << 20;
    const BESIDE: usize = 16 << 20;
    let budget = usize::try_from(options.max_memory).unwrap_or(usize::MAX);
    let together = (budget / 16).max(LEAST);
    let connections = (budget / SHARDS / 1024).clamp(FEWEST_CONNECTIONS, CONNECTIONS);
    // for as long as the program runs, as every analyzer reads it
    let trace_headers = std::mem::take(&mut options.trace_headers).leak();
    let limits = Limits { body: options.body_limit, trace_headers, together, ..Limits::default() };
    let decode_as = options.decode_as.iter().flat_map(|(port, name)| registry::by_name(name).map(|p| (*port, p))).collect();
    (Settings { limits, connections, decode_as }, budget - together.saturating_sub(BESIDE))
}
