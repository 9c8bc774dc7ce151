//! The command of `meshtop run`: started before we give up any right, as it is to have those of whoever called us, and held back until it is
//! being captured. Not what is reported of it.
//!
//! ```text
//!  meshtop ── starts itself as the gate ──> waits ──> becomes the invoking user ──> exec CMD
//!     opens interfaces, gives up rights …     ^ a byte: go          an error's text: back on the same socket
//! ```
//! The gate has none of our open files but that socket, and CMD not even that. What is forbidden to us for good (new privileges, most
//! capabilities) is not forbidden to it: tests use `sudo` and Docker.

use crate::error::Error;
use crate::privileges;
use crate::sys;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// What the gate is called: by this name it knows what it is.
const GATE: &str = "meshtop: waits for the capture to begin";

/// Where a command's standard output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// To ours.
    Ours,
    /// To our standard error, since ours is NDJSON.
    Errors,
}

/// A command that has not begun yet. Dropped, it never does.
pub struct Waiting {
    child: Child,
    gate: Option<UnixStream>,
    name: String,
    reach: Reach,
}

/// A command that runs.
pub struct Running {
    child: Child,
    reach: Reach,
}

/// The way to a command as long as there is one.
#[derive(Clone, Debug)]
pub struct Reach(Arc<Mutex<Option<Pid>>>);

impl Waiting {
    /// Starts the gate. To be called before anything is opened and any right is given up.
    pub fn start(command: &[OsString], output: Output) -> Result<Self, Error> {
        let failed = |e: io::Error| Error::failed(format!("cannot prepare the command: {e}"));
        let (gate, theirs) = UnixStream::pair().map_err(failed)?;
        fcntl_setfd(&theirs, FdFlags::empty()).map_err(|e| failed(e.into()))?;
        // as it is found also where it was renamed or deleted since
        let program =
            if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { std::env::current_exe().map_err(failed)? };
        let mut start = Command::new(program);
        start.arg0(GATE).arg(theirs.as_raw_fd().to_string()).args(command);
        if output == Output::Errors {
            start.stdout(Stdio::from(io::stderr().as_fd().try_clone_to_owned().map_err(failed)?));
        }
        let child = start.spawn().map_err(failed)?;
        let reach = Reach(Arc::new(Mutex::new(Pid::from_raw(i32::try_from(child.id()).unwrap_or_default()))));
        let name = command.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { child, gate: Some(gate), name, reach })
    }

    /// The way to it.
    pub fn reach(&self) -> Reach {
        self.reach.clone()
    }

    /// Lets it begin.
    pub fn begin(mut self) -> Result<Running, Error> {
        let mut error = String::new();
        if let Some(mut gate) = self.gate.take() {
            // a gate that is gone was ended by a signal, which the command's status tells
            _ = gate.write_all(b"!").and_then(|()| gate.read_to_string(&mut error));
        }
        if error.is_empty() {
            return Ok(Running { child: self.child, reach: self.reach });
        }
        _ = self.child.wait();
        Err(Error::unusable(format!("{}: cannot be run: {error}", self.name)))
    }
}

impl Waiting {
    /// Has it never begin.
    pub fn give_up(mut self) {
        self.gate = None;
        _ = self.child.wait();
    }
}

impl Running {
    /// Waits for its end.
    pub fn wait(mut self) -> io::Result<ExitStatus> {
        let pid = *self.reach.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pid) = pid {
            // it stays a zombie until nobody reaches for it any more: its number may be somebody else's then
            let ended = || waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
            while matches!(ended(), Err(rustix::io::Errno::INTR)) {}
        }
        self.reach.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.child.wait()
    }
}

impl Reach {
    /// Passes a signal on, unless it comes from the terminal, which tells the command by itself. Whether there still is a command.
    pub fn pass(&self, signal: i32) -> bool {
        let pid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pid) = *pid else { return false };
        let typed = matches!(signal, signal_hook::consts::SIGINT | signal_hook::consts::SIGQUIT) && before_the_terminal();
        if let (false, Some(signal)) = (typed, Signal::from_named_raw(signal)) {
            // one that has just ended needs no signal
            _ = kill_process(pid, signal);
        }
        true
    }
}

/// Whether our process group is the one to which the terminal's keys are told.
fn before_the_terminal() -> bool {
    let Ok(terminal) = std::fs::File::open("/dev/tty") else { return false };
    rustix::termios::tcgetpgrp(terminal).is_ok_and(|group| group == rustix::process::getpgrp())
}

/// What a command's end comes to, as a shell tells it.
pub fn verdict(status: ExitStatus) -> Result<(), Error> {
    let code = status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(1);
    if code == 0 { Ok(()) } else { Err(Error::Command(u8::try_from(code).unwrap_or(1))) }
}

/// The gate's own `main`, where this process is one.
pub fn gate() -> Option<ExitCode> {
    let mut arguments = std::env::args_os();
    if arguments.next()? != GATE {
        return None;
    }
    let mut gate = arguments.next()?.to_str()?.parse().ok().and_then(sys::inherited).map(UnixStream::from)?;
    let program = arguments.next()?;
    if fcntl_setfd(&gate, FdFlags::CLOEXEC).is_err() || gate.read_exact(&mut [0]).is_err() {
        return Some(ExitCode::FAILURE);
    }
    let mut command = Command::new(program);
    command.args(arguments);
    let error = match as_invoking_user(&mut command) {
        Ok(()) => command.exec(),
        Err((what, e)) => io::Error::other(format!("{what}: {e}")),
    };
    // nobody is left to be told where this fails
    _ = gate.write_all(error.to_string().as_bytes());
    Some(ExitCode::FAILURE)
}

/// Behind sudo: that user, at home where that user is.
fn as_invoking_user(command: &mut Command) -> Result<(), (&'static str, io::Error)> {
    let Some(user) = privileges::invoking_user() else { return Ok(()) };
    sys::become_user(user.uid, user.gid, user.name.as_deref())?;
    for variable in ["USER", "LOGNAME"] {
        user.name.as_ref().map(|name| command.env(variable, name));
    }
    user.home.as_ref().map(|home| command.env("HOME", home));
    Ok(())
}
