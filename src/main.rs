//! The program: its environment, its command line, its exit code. Everything else is the library's.

use meshtop::cli::{self, Env};
use meshtop::decode::{PROTOCOLS, driver};
use meshtop::{privileges, session};
use mimalloc::MiMalloc;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

/// A flow's parts are made by one thread and dropped by another: with glibc's allocator reading took twice the CPU time (`make bench`).
/// It asks the kernel for no huge pages (`no_thp`): with them a run took some 30 MiB more, and no less CPU time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    if let Some(code) = session::gate() {
        return code;
    }
    quiet_analyzers();
    match cli::parse(std::env::args_os(), &env()).and_then(session::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if error.speaks() {
                eprintln!("meshtop: {error}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}

fn env() -> Env {
    let folder = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let behind_sudo = privileges::invoking_user();
    // one that two transports carry has two entries, one after the other
    let mut protocols: Vec<_> = PROTOCOLS.iter().map(|p| p.name).collect();
    protocols.dedup();
    Env {
        config_home: if behind_sudo.is_none() { folder("XDG_CONFIG_HOME") } else { None },
        home: match behind_sudo {
            Some(user) => user.home,
            None => folder("HOME"),
        },
        no_color: std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()),
        terminal: std::io::stdout().is_terminal(),
        protocols,
    }
}

/// A panic in an analyzer costs one connection and is noted there: nothing of it is printed.
fn quiet_analyzers() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !driver::guarded() {
            tell(info);
        }
    }));
}
