//! A run as text for people, without a screen: what it came to, what broke an expectation and the proof of it, traces as trees. It is made
//! for the logs of a CI system: plain lines, as wide as they may be, coloured only where that was asked for.

mod broken;
mod summary;
mod tree;

use crate::story::Brief;
pub use broken::broken;
use std::fmt::Write as _;
pub use summary::summary;
pub use tree::{Marks, rows, tree};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// How wide lines are where nothing says how wide they may be: what a log shows without scrolling.
pub const WIDTH: usize = 120;
/// Narrower, a line says nothing.
const LEAST: usize = 40;

/// What a report is written on.
#[derive(Clone, Debug)]
pub struct Paper {
    text: String,
    width: usize,
    ink: Ink,
}

/// Whether it may be coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// Plain text.
    Black,
    /// With ANSI's escapes.
    Colours,
}

/// What a run of characters is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Just text.
    Plain,
    /// What is wrong.
    Bad,
    /// What to look at.
    Strong,
    /// What is not being read.
    Dim,
}

impl Paper {
    /// An empty one.
    pub fn new(width: usize, ink: Ink) -> Self {
        Self { text: String::new(), width: width.max(LEAST), ink }
    }

    /// A line, with what does not fit left out.
    pub fn line(&mut self, runs: &[(Tone, &str)]) {
        let mut left = self.width;
        for (tone, text) in runs {
            let text = fit(text, left);
            left -= text.width();
            self.run(*tone, &text);
        }
        let kept = self.text.trim_end_matches(' ').len();
        self.text.truncate(kept);
        self.text.push('\n');
    }

    /// Text in as many lines as it takes, each but the first indented.
    pub fn wrapped(&mut self, tone: Tone, first: &str, indent: usize, text: &str) {
        let mut line = first.to_owned();
        let mut empty = true;
        for word in text.split(' ') {
            if !empty && line.width() + 1 + word.width() > self.width {
                self.line(&[(tone, &line)]);
                line = " ".repeat(indent);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        self.line(&[(tone, &line)]);
    }

    fn run(&mut self, tone: Tone, text: &str) {
        let code = match (self.ink, tone) {
            (Ink::Black, _) | (_, Tone::Plain) => None,
            (_, Tone::Bad) => Some("31"),
            (_, Tone::Strong) => Some("1"),
            (_, Tone::Dim) => Some("2"),
        };
        // writing to a string does not fail
        _ = match code {
            Some(code) if !text.is_empty() => write!(self.text, "\x1b[{code}m{text}\x1b[0m"),
            _ => write!(self.text, "{text}"),
        };
    }

    /// What was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// As much of a text as fits, with a sign where something is left out.
pub fn fit(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut left = width.saturating_sub(1);
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if wide > left {
            break;
        }
        left -= wide;
        out.push(c);
    }
    if width > 0 {
        out.push('…');
    }
    out
}

/// A text with spaces up to a width.
pub fn padded(text: &str, width: usize) -> String {
    let text = fit(text, width);
    let spaces = width.saturating_sub(text.width());
    text + &" ".repeat(spaces)
}

/// `1 flow`, `3 flows`.
pub fn counted(n: u64, one: &str) -> String {
    format!("{n} {one}{}", if n == 1 { "" } else { "s" })
}

/// How a flow went: its status, and a cross where that was not well.
pub fn outcome(flow: &Brief) -> String {
    let status = flow.status.as_deref().unwrap_or(if flow.ok { "" } else { "failed" });
    if flow.ok { status.to_owned() } else { format!("{status} ✗") }
}

#[cfg(test)]
mod tests;
