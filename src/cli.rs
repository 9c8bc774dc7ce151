//! The command line: raw arguments, and what they come to together with the configuration. Nothing is opened here but that file.

mod args;
mod resolve;

use crate::error::Error;
use crate::expect::Expectation;
use crate::filter::Filter;
use crate::mask::Secrets;
use crate::model::Scope;
use crate::output::Emit;
use crate::schema;
use crate::source::netns::Wanted;
use crate::source::tap::Url;
use crate::time::Span;
use crate::trace::Named;
use clap::{CommandFactory as _, FromArgMatches as _};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;

/// What the command line depends on beside itself.
#[derive(Clone, Debug, Default)]
pub struct Env {
    /// The home folder; under sudo the invoking user's.
    pub home: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME`, where it is that user's.
    pub config_home: Option<PathBuf>,
    /// Whether `$NO_COLOR` is set and not empty.
    pub no_color: bool,
    /// Whether standard output is a terminal.
    pub terminal: bool,
    /// The names of the decoders' registry, for `-d`.
    pub protocols: Vec<&'static str>,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Command {
    /// Print this on standard output: help, version, completions, the man page, the configuration in force.
    Print(String),
    /// Watch interfaces or read files.
    Watch(Box<Options>),
    /// Play the bundled recording.
    Demo {
        /// Read it directly rather than play it over sockets.
        recorded: bool,
        /// The rest; its input is not used.
        options: Box<Options>,
    },
    /// Capture while a command runs.
    Run {
        /// The command and its arguments; there is at least the first.
        command: Vec<OsString>,
        /// The rest.
        options: Box<Options>,
    },
    /// Compare two captures.
    Diff {
        /// How each is read.
        both: Box<[Options; 2]>,
        /// The one trace of each that is compared.
        traces: Option<[String; 2]>,
    },
    /// List what can be captured.
    Interfaces,
    /// Examine the machine.
    Doctor,
}

/// Everything decided: command line, then environment, then configuration, then default.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where packets come from.
    pub input: Input,
    /// Brokers that are tapped.
    pub taps: Vec<Url>,
    /// Where packets are written too.
    pub write: Option<PathBuf>,
    /// Which flows are shown, printed and counted. It sees what is shown: it knows `secrets` and `body_limit`.
    pub filter: Option<Filter>,
    /// Ports whose protocol the user knows.
    pub decode_as: Vec<(u16, &'static str)>,
    /// Stop after so many matching flows.
    pub count: Option<NonZeroU64>,
    /// Stop after that time; packet time for files.
    pub duration: Option<Span>,
    /// Whether NDJSON was asked for (`--json`, `--emit`).
    pub json: bool,
    /// NDJSON rather than the screen: asked for, or standard output is no terminal.
    pub headless: bool,
    /// Whether records are printed at all: not where only a report was asked for.
    pub records: bool,
    /// What is to hold at the end.
    pub expect: Vec<Expectation>,
    /// Which records.
    pub emit: Emit,
    /// Bytes kept of each body.
    pub body_limit: usize,
    /// Bytes that recorder and store may hold.
    pub max_memory: u64,
    /// Names the user gave.
    pub names: Vec<(Scope, Arc<str>)>,
    /// Headers that carry trace IDs, by the user's word.
    pub trace_headers: Vec<Named>,
    /// Where descriptors of messages come from.
    pub schema: schema::Sources,
    /// Masked or not.
    pub secrets: Secrets,
    /// When to colour.
    pub color: Color,
    /// Which colours.
    pub theme: Theme,
    /// Whether the mouse is taken.
    pub mouse: bool,
    /// Keys that the user bound: an action's name and its keys.
    pub keys: Vec<(String, Vec<String>)>,
}

/// Where packets come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Interfaces; none named means the default ones, or with only other network namespaces named, none of our own.
    Live {
        /// Their names.
        interfaces: Vec<String>,
        /// The other network namespaces.
        namespaces: Wanted,
        /// The libpcap filter.
        filter: Option<String>,
    },
    /// None: there are taps alone.
    Nothing,
    /// Files, merged by time.
    Files {
        /// Their names; `-` is standard input.
        paths: Vec<PathBuf>,
        /// The libpcap filter.
        filter: Option<String>,
    },
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Which colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// What the terminal's background asks for.
    #[default]
    Auto,
    /// For a dark background.
    Dark,
    /// For a light one.
    Light,
}

/// Options of the contract that this version does not have.
const NOT_YET: &[&str] = &["--keylog", "--export"];

/// Reads a command line, the program's name first.
pub fn parse(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>, env: &Env) -> Result<Command, Error> {
    let matches = match args::Args::command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(e) if !e.use_stderr() => return Ok(Command::Print(e.to_string())),
        Err(e) => return Err(refusal(&e)),
    };
    let args = args::Args::from_arg_matches(&matches).map_err(|e| refusal(&e))?;
    resolve::resolve(args, env)
}

/// clap's error as one line, with what is only not there yet told apart from what is wrong.
fn refusal(error: &clap::Error) -> Error {
    use clap::error::{ContextKind, ContextValue};
    let named = [ContextKind::InvalidArg, ContextKind::InvalidSubcommand].into_iter().find_map(|kind| match error.get(kind) {
        Some(ContextValue::String(name)) => Some(name.split('=').next().unwrap_or(name)),
        _ => None,
    });
    let unknown = matches!(error.kind(), clap::error::ErrorKind::UnknownArgument | clap::error::ErrorKind::InvalidSubcommand);
    if let Some(name) = named.filter(|name| unknown && NOT_YET.contains(name)) {
        return Error::unusable(format!("{name} is not in this version; see 'meshtop --help' for what is"));
    }
    let text = error.to_string();
    let lines =
        text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let mut out = String::new();
    for line in lines.filter(|line| !line.is_empty()) {
        match line.strip_prefix("error: ") {
            Some(rest) => out.push_str(rest),
            None if line.starts_with("tip:") => out.extend(["; ", line]),
            None => out.extend([" ", line]),
        }
    }
    Error::unusable(out + "; see 'meshtop --help'")
}

#[cfg(test)]
mod tests;
