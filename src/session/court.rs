//! What a run is judged by at its end, and what is told of it on standard error: expectations, and the summary of `run`.

use crate::cli::{Color, Options};
use crate::engine::Record;
use crate::error::Error;
use crate::expect::Judge;
use crate::report::{self, Ink, Paper, WIDTH};
use crate::story::Story;
use std::io::{self, Write as _};

/// Hears all records.
pub struct Court {
    judge: Judge,
    story: Story,
    paper: Paper,
}

impl Court {
    /// One for these options; what to expect is taken out of them.
    pub fn new(options: &mut Options) -> Self {
        let judge = Judge::new(std::mem::take(&mut options.expect));
        Self { judge, story: Story::default(), paper: paper(options.color, &io::stderr()) }
    }

    /// Hears one. Only what is chosen is counted; all of it may be shown, as what lies around.
    pub fn hear(&mut self, record: &Record, chosen: bool) {
        self.story.take(record, chosen);
        if chosen {
            let root = match record {
                Record::Trace(trace) => trace.tree.first().and_then(|node| self.story.flow(node.flow)),
                _ => None,
            };
            self.judge.take(record, root);
        }
    }

    /// Tells what the run came to.
    pub fn sum_up(&mut self) {
        report::summary(&mut self.paper, &self.story);
    }

    /// Tells what did not hold, and says whether all did.
    pub fn verdict(mut self) -> Result<(), Error> {
        let broken = report::broken(&mut self.paper, &self.judge, &self.story);
        // where standard error is closed the exit code still tells
        _ = io::stderr().lock().write_all(self.paper.text().as_bytes());
        match broken {
            0 => Ok(()),
            n => Err(Error::Unmet(format!("{n} of {} did not hold", report::counted(self.judge.len() as u64, "expectation")))),
        }
    }
}

/// Paper for a stream: as wide as its terminal, or as `COLUMNS` says.
pub fn paper(color: Color, to: &(impl std::os::fd::AsFd + io::IsTerminal)) -> Paper {
    let columns = || std::env::var("COLUMNS").ok()?.parse().ok().filter(|columns| *columns > 0);
    let terminal = || rustix::termios::tcgetwinsize(to).ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
    let plain = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let ink = match color {
        Color::Always => Ink::Colours,
        Color::Auto if to.is_terminal() && !plain => Ink::Colours,
        Color::Auto | Color::Never => Ink::Black,
    };
    Paper::new(terminal().or_else(columns).unwrap_or(WIDTH), ink)
}
