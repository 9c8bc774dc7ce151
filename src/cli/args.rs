//! Raw arguments, as clap reads them. What they come to is `resolve`'s.

use super::{Color, Theme};
use crate::expect::Expectation;
use crate::filter::Filter;
use crate::output::Emit;
use crate::time::Span;
use crate::units;
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::num::NonZeroU64;
use std::path::PathBuf;

/// Shows live, in a terminal, what your services say to each other
#[derive(Debug, Parser)]
#[command(
    name = "meshtop",
    bin_name = "meshtop",
    version,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
#[command(
    after_help = "Sizes take KiB MiB GiB kB MB GB, times ms s m h. A display filter: proto == http and (not ok or dur > 250ms)\n\
    Exit codes: 0 done, 1 it failed on the way, 2 unusable arguments or files, 3 no right to capture, 4 an --expect did not\n\
    hold, 130 and 143 a signal cut -r short; run: the command's own, unless an --expect did not hold"
)]
pub struct Args {
    #[command(flatten)]
    pub capture: Capture,
    #[command(flatten)]
    pub watch: Watch,
    #[command(subcommand)]
    pub command: Option<Sub>,
}

/// Where packets come from and go to.
#[derive(Debug, Default, clap::Args)]
pub struct Capture {
    /// Capture on this interface, also `any`; repeatable [default: loopback and the container bridges]
    #[arg(short, long, value_name = "NAME")]
    pub interface: Vec<String>,
    /// Capture on all interfaces in this network namespace, and on none outside unless -i names it: a name below /run/netns, the PID
    /// of a process in it, or a path; repeatable
    #[arg(long, value_name = "NAME|PID")]
    pub netns: Vec<String>,
    /// Capture in all network namespaces too, also those that come up later: what containers do inside
    #[arg(long)]
    pub all_netns: bool,
    /// Read this capture: pcap or pcapng, plain, .gz or .zst; `-` is stdin; repeatable
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["interface", "netns", "all_netns"])]
    pub read: Vec<PathBuf>,
    /// Capture, or read, only what this libpcap filter lets through, as in tcpdump
    #[arg(short = 'f', long, value_name = "BPF")]
    pub capture_filter: Option<String>,
    /// Also write what is captured, as pcapng, with the services' names in it
    #[arg(short, long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Take what goes to or from this port for that protocol; repeatable
    #[arg(short, long, value_name = "PORT=PROTO")]
    pub decode_as: Vec<String>,
    /// Watch what goes through this broker too, without taking it from anybody (amqp://USER:PASSWORD@HOST/VHOST, amqps://; its query
    /// chooses: exchange=shop&key=order.%23, firehose=on, rate=N); with it and no -i nothing is captured; repeatable
    #[arg(long, value_name = "URL", conflicts_with = "read")]
    pub tap: Vec<String>,
    /// Read messages by these schemas: a .proto file, a folder of them, or a descriptor set; repeatable
    #[arg(long, value_name = "PATH")]
    pub proto: Vec<PathBuf>,
    /// Look up the imports of .proto files in this folder; repeatable [default: each PATH's own folder]
    #[arg(short = 'I', long, value_name = "DIR")]
    pub proto_path: Vec<PathBuf>,
    /// Ask this gRPC server for its schemas, by server reflection; repeatable
    #[arg(long, value_name = "HOST:PORT")]
    pub reflect: Vec<String>,
    /// Name an endpoint by address, port, network or a pattern for its address or command line (10.0.0.7=orders, :8081=orders,
    /// 10.1.0.0/16=cluster, /billing\.py/=billing); repeatable
    #[arg(long, value_name = "ADDR=SERVICE")]
    pub name: Vec<String>,
}

/// How it is shown.
#[derive(Debug, Default, clap::Args)]
pub struct Watch {
    /// Show, print and count only the flows that match this display filter
    #[arg(short = 'Y', long, value_name = "EXPR", value_parser = |text: &str| Filter::parse(text))]
    pub filter: Option<Filter>,
    /// Stop after this many flows that match
    #[arg(short, long, value_name = "N", allow_hyphen_values = true, value_parser = count)]
    pub count: Option<NonZeroU64>,
    /// Stop after that time (10s, 2m); packet time with -r
    #[arg(long, value_name = "TIME", value_parser = units::span)]
    pub duration: Option<Span>,
    /// NDJSON on stdout instead of the screen
    #[arg(long)]
    pub json: bool,
    /// Print these records, as NDJSON: meta,flow,trace,finding,connection,edge,stats [default: all but connection and edge]
    #[arg(long, value_name = "KINDS", value_parser = Emit::parse)]
    pub emit: Option<Emit>,
    /// Exit with 4 unless this holds at the end, and print what broke it; no screen; repeatable
    /// (count(proto == grpc and not ok) == 0, findings(trace_lost) == 0, traces(hops >= 4) > 0)
    #[arg(long, value_name = "EXPR", value_parser = |text: &str| Expectation::parse(text))]
    pub expect: Vec<Expectation>,
    /// Keep this much of each body, its encoding undone; 0 keeps none [default: 64KiB]
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub body_limit: Option<u64>,
    /// Hold this much in memory; the oldest bodies go first [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub max_memory: Option<u64>,
    /// Show what is masked: credentials, cookies, keys, tokens, passwords
    #[arg(long)]
    pub show_secrets: bool,
    /// Colours [default: auto]
    #[arg(long, value_name = "WHEN", value_enum)]
    pub color: Option<Color>,
    /// For which background [default: auto]
    #[arg(long, value_name = "THEME", value_enum)]
    pub theme: Option<Theme>,
    /// Leave the mouse to the terminal
    #[arg(long)]
    pub no_mouse: bool,
    /// Read this configuration (TOML) [default: meshtop/config.toml in the user's configuration folder]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the configuration in force, and end
    #[arg(long)]
    pub print_config: bool,
}

/// How captures are read to be compared.
#[derive(Debug, clap::Args)]
pub struct Compare {
    /// Read only what this libpcap filter lets through
    #[arg(short = 'f', long, value_name = "BPF")]
    pub capture_filter: Option<String>,
    /// Compare only traces and flows with one that matches this display filter
    #[arg(short = 'Y', long, value_name = "EXPR", value_parser = |text: &str| Filter::parse(text))]
    pub filter: Option<Filter>,
    /// Take what goes to or from this port for that protocol; repeatable
    #[arg(short, long, value_name = "PORT=PROTO")]
    pub decode_as: Vec<String>,
    /// Name an endpoint; repeatable
    #[arg(long, value_name = "ADDR=SERVICE")]
    pub name: Vec<String>,
    /// NDJSON on stdout
    #[arg(long)]
    pub json: bool,
    /// Colours [default: auto]
    #[arg(long, value_name = "WHEN", value_enum)]
    pub color: Option<Color>,
    /// Read this configuration (TOML)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Instead of watching.
#[derive(Debug, Subcommand)]
pub enum Sub {
    /// Show a recording of a real mesh, played again over loopback sockets and captured live
    Demo {
        /// Read the recording directly
        #[arg(long)]
        recorded: bool,
        #[command(flatten)]
        watch: Box<Watch>,
    },
    /// Capture while a command runs, an end-to-end test say, then report on standard error; with --json the records go to standard
    /// output, and the command's own to standard error
    Run {
        #[command(flatten)]
        capture: Box<Capture>,
        #[command(flatten)]
        watch: Box<Watch>,
        /// The command, and its arguments
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
    /// Compare two captures, trace by trace and hop by hop: what is missing, new, slower, failed, or lost its trace; exit code 0 whatever differs
    Diff {
        /// The good run: a capture
        a: PathBuf,
        /// The bad run
        b: PathBuf,
        /// Compare these two traces alone, one of each
        #[arg(long, num_args = 2, value_names = ["ID", "ID"])]
        trace: Vec<String>,
        #[command(flatten)]
        how: Box<Compare>,
    },
    /// List what can be captured here, and why not where it can't
    Interfaces,
    /// Check rights, interfaces, processes, containers and namespaces, and say how to mend each
    Doctor,
    /// Print shell completions
    Completions {
        /// For this shell
        shell: clap_complete::Shell,
    },
    /// Print the man page
    Man,
}

fn count(text: &str) -> Result<NonZeroU64, String> {
    text.parse().map_err(|_| format!("'{text}' is no number of flows: 1 or more"))
}
