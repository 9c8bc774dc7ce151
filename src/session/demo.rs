//! `meshtop demo`: the bundled recording, played again over loopback sockets and captured live, or read directly.

use super::{Opened, schemas, watch};
use crate::cli::Options;
use crate::demo::RECORDING;
use crate::error::Error;
use crate::pipeline::Plan;
use crate::source::own::OwnSockets;
use crate::source::{Files, SourceIds};

/// What the recording is called where sources are shown.
const NAME: &str = "demo";

/// Plays or reads it. Without the right to capture it is read, and without a terminal it is played once.
pub fn run(recorded: bool, mut options: Options) -> Result<(), Error> {
    let own = OwnSockets::with_ssh();
    options.schema.demo = true;
    let known = schemas(&options, &own)?;
    let played = if recorded { None } else { play(&options)? };
    watch(options, played.unwrap_or_else(read), known, own)
}

fn read() -> Opened {
    let source = Files::bundled(NAME, RECORDING, &SourceIds::default());
    Opened {
        source: Box::new(source),
        live: false,
        names: None,
        files: Vec::new(),
        plan: Plan::default(),
        capture_filter: None,
        taps: None,
        keeper: None,
        command: None,
    }
}

/// None where there is no right to capture.
#[cfg(feature = "live")]
fn play(options: &Options) -> Result<Option<Opened>, Error> {
    use crate::demo::{Laps, Player, Script, Stage};
    use crate::source::live::{self, Live, LiveError};
    let failed = |e: &dyn std::fmt::Display| Error::failed(format!("the demo cannot be played: {e}; try --recorded"));
    let script = Script::read(RECORDING).map_err(|e| failed(&e))?;
    let player = Player::open(script).map_err(|e| failed(&e))?;
    let loopback = if cfg!(target_os = "linux") { "lo" } else { "lo0" };
    let filter = Some(player.bpf());
    let how = live::Options { interfaces: vec![loopback.into()], filter: filter.clone(), ..live::Options::default() };
    let capture = match Live::open(how) {
        Ok(live) => live,
        Err(LiveError::Denied { .. }) => return Ok(None),
        Err(e) => return Err(failed(&e)),
    };
    let laps = if options.headless { Laps::Once } else { Laps::Forever };
    let plan = Plan { live: true, ..Plan::default() };
    let source = Box::new(Stage::new(Box::new(capture), player, laps));
    Ok(Some(Opened {
        source,
        live: true,
        names: None,
        files: Vec::new(),
        plan,
        capture_filter: filter,
        taps: None,
        keeper: None,
        command: None,
    }))
}

#[cfg(not(feature = "live"))]
fn play(_: &Options) -> Result<Option<Opened>, Error> {
    Ok(None)
}
