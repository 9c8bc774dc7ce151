//! Errors at the boundary of the program: one line that names what, where and what to do, and the exit code that goes with it.
//! What is odd on the wire is no error: that is `model::Issue`.

use crate::text::escape;
use std::io;

/// Why a run ends otherwise than well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Arguments, a configuration or a file that cannot be used.
    #[error("{0}")]
    Unusable(String),
    /// It went wrong on the way.
    #[error("{0}")]
    Failed(String),
    /// The right to capture is missing; the text says how to get it.
    #[error("{0}")]
    NoRight(String),
    /// An expectation did not hold.
    #[error("{0}")]
    Unmet(String),
    /// SIGINT cut the reading of a file short.
    #[error("interrupted before the end of the file; what was read is complete up to there")]
    Interrupted,
    /// SIGTERM cut the reading of a file short.
    #[error("terminated before the end of the file; what was read is complete up to there")]
    Terminated,
    /// The command of `meshtop run` failed, with this exit code, which is passed on: it has said why.
    #[error("the command ended with {0}")]
    Command(u8),
    /// Whoever read the output went away (`| head`): no failure, and nothing to say.
    #[error("the reader of the output went away")]
    Pipe,
}

impl Error {
    /// An unusable argument, configuration or file; control characters in what it quotes are escaped, so that it is one line.
    pub fn unusable(text: impl AsRef<str>) -> Self {
        Self::Unusable(escape(text.as_ref()))
    }

    /// A failure on the way, likewise.
    pub fn failed(text: impl AsRef<str>) -> Self {
        Self::Failed(escape(text.as_ref()))
    }

    /// A missing right, likewise.
    pub fn no_right(text: impl AsRef<str>) -> Self {
        Self::NoRight(escape(text.as_ref()))
    }

    /// What became of a write to `what` (`standard output`, a file's name).
    pub fn write(what: &str, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Pipe,
            _ => Self::failed(format!("cannot write to {what}: {error}")),
        }
    }

    /// The contract's exit code.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Pipe => 0,
            Self::Command(code) => *code,
            Self::Failed(_) => 1,
            Self::Unusable(_) => 2,
            Self::NoRight(_) => 3,
            Self::Unmet(_) => 4,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// Whether there is a line to print on standard error.
    pub const fn speaks(&self) -> bool {
        !matches!(self, Self::Pipe | Self::Command(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_pipe_is_success_and_a_full_disk_is_not() {
        let pipe = Error::write("standard output", &io::ErrorKind::BrokenPipe.into());
        assert_eq!((pipe.exit_code(), pipe.speaks()), (0, false));
        let full = Error::write("x.pcapng", &io::ErrorKind::StorageFull.into());
        assert_eq!((full.exit_code(), full.speaks()), (1, true));
        assert_eq!(full.to_string(), "cannot write to x.pcapng: no storage space");
    }

    #[test]
    fn an_error_is_one_line() {
        assert_eq!(Error::unusable("no\nsuch\x1b file").to_string(), "no\\nsuch\\x1b file");
    }

    #[test]
    fn exit_codes() {
        let errors = [
            Error::failed(""),
            Error::unusable(""),
            Error::no_right(""),
            Error::Unmet(String::new()),
            Error::Interrupted,
            Error::Terminated,
        ];
        assert_eq!(errors.map(|e| e.exit_code()), [1, 2, 3, 4, 130, 143]);
    }
}
