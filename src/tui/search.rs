//! The search in an open flow: what is typed, what is looked for, and where it was found. What is searched is `detail`'s.

use crate::text::{Line, Token, is_control};
use tui_input::{Input, InputRequest};

/// Characters that may be looked for.
const LONGEST: usize = 256;

/// What is looked for.
#[derive(Debug, Default)]
pub struct Search {
    typed: Option<Input>,
    needle: String,
    /// Where to go as soon as it is known what there is: forward or back; from the top for a new search.
    pub wish: Option<Wish>,
    /// The found line that was gone to last, on the page.
    pub at: Option<usize>,
}

/// Where to go in what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To the first from here on.
    Here,
    /// To the next one.
    Next,
    /// To the one before.
    Before,
}

impl Search {
    /// Starts typing.
    pub fn open(&mut self) {
        self.typed = Some(Input::new(self.needle.clone()));
    }

    /// What is being typed, and the characters before the cursor.
    pub fn typed(&self) -> Option<(&str, usize)> {
        self.typed.as_ref().map(|input| (input.value(), input.cursor()))
    }

    /// What is looked for; empty where nothing is.
    pub fn needle(&self) -> &str {
        &self.needle
    }

    /// Types a text, its control characters left out.
    pub fn insert(&mut self, text: &str) {
        let Some(input) = &mut self.typed else { return };
        let room = LONGEST.saturating_sub(input.value().chars().count());
        text.chars().filter(|c| !is_control(*c)).take(room).for_each(|c| _ = input.handle(InputRequest::InsertChar(c)));
    }

    /// Changes what is typed.
    pub fn edit(&mut self, request: InputRequest) {
        if let Some(input) = &mut self.typed {
            input.handle(request);
        }
    }

    /// Looks for what was typed.
    pub fn apply(&mut self) {
        if let Some(input) = self.typed.take() {
            (self.needle, self.at) = (input.value().to_owned(), None);
            self.wish = (!self.needle.is_empty()).then_some(Wish::Here);
        }
    }

    /// Stops typing.
    pub fn cancel(&mut self) {
        self.typed = None;
    }

    /// Goes on to the next place, or to the one before.
    pub fn go(&mut self, forward: bool) {
        if !self.needle.is_empty() {
            self.wish = Some(if forward { Wish::Next } else { Wish::Before });
        }
    }

    /// What came of it: which of how many places it is.
    pub fn told(&self, place: Option<(usize, usize)>) -> String {
        match place {
            Some((at, all)) => format!("“{}”: {at} of {all}", self.needle),
            None => format!("“{}” is not in it", self.needle),
        }
    }

    /// Looks for nothing any more; whether it did.
    pub fn clear(&mut self) -> bool {
        let looked = !self.needle.is_empty();
        *self = Self::default();
        looked
    }
}

/// Which of `places`, which rise, a wish leads to from `at`: round at either end.
pub fn lead(places: &[usize], at: usize, wish: Wish) -> Option<usize> {
    let (first, last) = (places.first()?, places.last()?);
    Some(*match wish {
        Wish::Here => places.iter().find(|place| **place >= at).unwrap_or(first),
        Wish::Next => places.iter().find(|place| **place > at).unwrap_or(first),
        Wish::Before => places.iter().rfind(|place| **place < at).unwrap_or(last),
    })
}

/// The lines with what is looked for marked, whatever its case.
pub fn mark(lines: Vec<Line>, needle: &str) -> Vec<Line> {
    let needle: Vec<char> = needle.chars().map(fold).collect();
    if needle.is_empty() { lines } else { lines.into_iter().map(|line| mark_line(line, &needle)).collect() }
}

/// Whether a line has it.
pub fn has(line: &Line, needle: &str) -> bool {
    let needle: Vec<char> = needle.chars().map(fold).collect();
    let text: Vec<char> = line.spans.iter().flat_map(|(_, text)| text.chars()).map(fold).collect();
    !needle.is_empty() && text.windows(needle.len()).any(|w| w == needle)
}

fn mark_line(line: Line, needle: &[char]) -> Line {
    let mut chars: Vec<(Token, char)> = line.spans.iter().flat_map(|(token, text)| text.chars().map(|c| (*token, c))).collect();
    let folded: Vec<char> = chars.iter().map(|(_, c)| fold(*c)).collect();
    let found: Vec<usize> = folded.windows(needle.len()).enumerate().filter(|(_, w)| *w == needle).map(|(at, _)| at).collect();
    if found.is_empty() {
        return line;
    }
    for at in found {
        chars.iter_mut().skip(at).take(needle.len()).for_each(|(token, _)| *token = Token::Found);
    }
    let run = |run: &[(Token, char)]| run.first().map(|(token, _)| (*token, run.iter().map(|(_, c)| *c).collect()));
    Line { indent: line.indent, spans: chars.chunk_by(|a, b| a.0 == b.0).filter_map(run).collect() }
}

/// One character for each: positions stay.
fn fold(c: char) -> char {
    let mut lower = c.to_lowercase();
    lower.next().filter(|_| lower.next().is_none()).unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_for_is_marked_across_runs_and_whatever_its_case() {
        let line = Line { indent: 2, spans: vec![(Token::Key, "\"SkuÄ".into()), (Token::Text, "b\": 1".into())] };
        assert!(has(&line, "uäB\"") && !has(&line, "") && !has(&line, "x"));
        let marked = mark(vec![line.clone()], "kuäb").remove(0);
        let wanted = [(Token::Key, "\"S"), (Token::Found, "kuÄb"), (Token::Text, "\": 1")];
        assert_eq!((marked.indent, marked.spans), (2, wanted.map(|(t, s)| (t, s.to_owned())).to_vec()));
        for none in ["", "nowhere"] {
            assert_eq!(mark(vec![line.clone()], none).remove(0), line);
        }
    }

    #[test]
    fn places_go_round() {
        let to = |at, wish| lead(&[2, 5, 9], at, wish);
        assert_eq!([to(0, Wish::Here), to(5, Wish::Here), to(10, Wish::Here)], [Some(2), Some(5), Some(2)]);
        assert_eq!([to(5, Wish::Next), to(9, Wish::Next)], [Some(9), Some(2)]);
        assert_eq!([to(5, Wish::Before), to(2, Wish::Before)], [Some(2), Some(9)]);
        assert_eq!(lead(&[], 3, Wish::Next), None);
    }
}
