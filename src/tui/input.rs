//! The filter line: its text while it is typed, what was used before, and completion. What a filter means is the grammar's.

use super::grammar::{Completion, Grammar, Values};
use crate::filter::{Filter, FilterError};
use crate::text::is_control;
use std::sync::Arc;
use tui_input::{Input, InputRequest};

/// Filters that are remembered; more than anybody scrolls through.
const HISTORY: usize = 100;
/// Characters that a filter may have: a paste by mistake stays harmless.
const LONGEST: usize = 4096;

/// The filter in force and the one being typed.
#[derive(Debug, Default)]
pub struct FilterLine {
    /// The filter in force: its text, and what the engine gets.
    applied: Option<(String, Arc<Filter>)>,
    typed: Option<Typed>,
    history: Vec<String>,
}

/// A filter while it is typed.
#[derive(Debug)]
struct Typed {
    input: Input,
    /// What is wrong with it.
    error: Option<FilterError>,
    /// Where in the history it is, and what was typed before going there.
    recalled: Option<(usize, String)>,
    /// What Tab goes round in, and which is next.
    offered: Option<(Completion, usize)>,
}

impl FilterLine {
    /// The filter in force.
    pub fn filter(&self) -> Option<Arc<Filter>> {
        self.applied.as_ref().map(|(_, f)| f.clone())
    }

    /// The same, with its text.
    pub fn applied(&self) -> Option<(String, Arc<Filter>)> {
        self.applied.clone()
    }

    /// What the line shows: what is typed, else what is in force.
    pub fn text(&self) -> &str {
        match (&self.typed, &self.applied) {
            (Some(typed), _) => typed.input.value(),
            (None, Some((text, _))) => text,
            (None, None) => "",
        }
    }

    /// Whether it is being typed.
    pub fn editing(&self) -> bool {
        self.typed.is_some()
    }

    /// How many characters are before the cursor.
    pub fn cursor(&self) -> usize {
        self.typed.as_ref().map_or(0, |t| t.input.cursor())
    }

    /// What is wrong with what is typed.
    pub fn error(&self) -> Option<&FilterError> {
        self.typed.as_ref()?.error.as_ref()
    }

    /// What the word at the cursor could become, once asked, and which of them it is.
    pub fn offered(&self) -> Option<(&[String], usize)> {
        let (completion, next) = self.typed.as_ref()?.offered.as_ref()?;
        Some((&completion.words, next.checked_sub(1)?))
    }

    /// Sets the filter in force, from the command line.
    pub fn set(&mut self, text: String, filter: Filter) {
        self.remember(&text);
        self.applied = Some((text, Arc::new(filter)));
    }

    /// Puts another filter in force, or none.
    pub fn replace(&mut self, other: Option<(String, Arc<Filter>)>) {
        if let Some((text, _)) = &other {
            self.remember(text);
        }
        self.applied = other;
    }

    /// Starts typing, with the filter in force.
    pub fn open(&mut self) {
        let input = Input::new(self.text().to_owned());
        self.typed = Some(Typed { input, error: None, recalled: None, offered: None });
    }

    /// Stops typing; the filter in force stays.
    pub fn cancel(&mut self) {
        self.typed = None;
    }

    /// No filter.
    pub fn clear(&mut self) {
        (self.applied, self.typed) = (None, None);
    }

    /// Puts what is typed in force, where it is valid; whether it was.
    pub fn apply(&mut self, grammar: &Grammar) -> bool {
        let Some(typed) = &mut self.typed else { return false };
        let text = typed.input.value().trim().to_owned();
        if text.is_empty() {
            self.clear();
            return true;
        }
        match (grammar.parse)(&text) {
            Ok(filter) => {
                self.set(text, filter);
                self.typed = None;
                true
            }
            Err(_) => {
                typed.check(grammar);
                false
            }
        }
    }

    /// Changes what is typed.
    pub fn edit(&mut self, request: InputRequest, grammar: &Grammar) {
        let Some(typed) = &mut self.typed else { return };
        typed.input.handle(request);
        (typed.recalled, typed.offered) = (None, None);
        typed.check(grammar);
    }

    /// Types a text, its control characters left out.
    pub fn insert(&mut self, text: &str, grammar: &Grammar) {
        let Some(typed) = &mut self.typed else { return };
        let room = LONGEST.saturating_sub(typed.input.value().chars().count());
        for c in text.chars().map(|c| if c == '\n' || c == '\t' { ' ' } else { c }).filter(|c| !is_control(*c)).take(room) {
            typed.input.handle(InputRequest::InsertChar(c));
        }
        (typed.recalled, typed.offered) = (None, None);
        typed.check(grammar);
    }

    /// Goes back in the history, or forth.
    pub fn recall(&mut self, older: bool, grammar: &Grammar) {
        let Some(typed) = &mut self.typed else { return };
        let end = self.history.len();
        let (at, draft) = typed.recalled.take().unwrap_or_else(|| (end, typed.input.value().to_owned()));
        let at = if older { at.saturating_sub(1) } else { (at + 1).min(end) };
        let text = self.history.get(at).unwrap_or(&draft).clone();
        typed.input = Input::new(text);
        typed.recalled = (at < end).then_some((at, draft));
        typed.offered = None;
        typed.check(grammar);
    }

    /// Completes the word at the cursor; once more takes the next possibility.
    pub fn complete(&mut self, grammar: &Grammar, values: &Values) {
        let Some(typed) = &mut self.typed else { return };
        let value = typed.input.value();
        let cursor = value.char_indices().nth(typed.input.cursor()).map_or(value.len(), |(at, _)| at);
        let (completion, at) = match typed.offered.take() {
            Some((completion, next)) => {
                let at = next % completion.words.len().max(1);
                (completion, at)
            }
            None => ((grammar.complete)(value, cursor, values), 0),
        };
        let (Some(word), Some(before)) = (completion.words.get(at), value.get(..completion.from)) else { return };
        let text = format!("{before}{word}{}", value.get(cursor..).unwrap_or_default());
        let cursor = before.chars().count() + word.chars().count();
        typed.input = Input::new(text).with_cursor(cursor);
        typed.offered = Some((completion, at + 1));
        typed.check(grammar);
    }

    fn remember(&mut self, text: &str) {
        self.history.retain(|t| t != text);
        self.history.push(text.to_owned());
        let over = self.history.len().saturating_sub(HISTORY);
        self.history.drain(..over);
    }
}

impl Typed {
    fn check(&mut self, grammar: &Grammar) {
        let text = self.input.value();
        self.error = if text.trim().is_empty() { None } else { (grammar.parse)(text).err() };
    }
}
