//! The help: every key, from the one table.

use crate::text::{Line, Token};
use crate::tui::keymap::{Context, Keymap};
use crate::tui::widget::scroll::Page;

/// Cells for the keys.
const KEYS: usize = 22;
/// From this width on there are two columns.
const TWO: u16 = 120;

/// Its text.
pub fn page(keymap: &Keymap, width: u16) -> Page {
    let mut parts = Context::ALL.map(|context| part(keymap, context)).into_iter();
    let mut first = parts.next().unwrap_or_default();
    let mut second: Vec<Line> = parts.flatten().collect();
    let marks = marks();
    if width >= TWO {
        first.extend(marks);
        return Page::new(&[first, second], width, 0);
    }
    first.append(&mut second);
    first.extend(marks);
    Page::new(&[first], width, 0)
}

fn part(keymap: &Keymap, context: Context) -> Vec<Line> {
    let heading = Line::of(Token::Word, context.title());
    let line = |(keys, help): (String, &str)| row(Token::Key, &keys, help);
    let keys = keymap.help(context).map(line);
    [heading].into_iter().chain(keys).chain([Line::default()]).collect()
}

/// What the signs on the screen mean.
fn marks() -> Vec<Line> {
    let signs = [
        ("✗", "it failed"),
        ("◷", "it was slow"),
        ("!", "some of it was not seen, or is broken: the overview says what"),
        ("4bf9·7", "the beginning of the trace ID, and how many flows carry it"),
        ("…", "no answer yet"),
        ("✗ ! i", "a finding: an error, a warning, something to know"),
        (
            "= ≈ ~",
            "in a trace, tied by less than an ID: a value that both carry; the only one its sender was at work on; time alone",
        ),
        ("via", "in a trace: the same request, passed on by a proxy"),
        ("→ ← ⇒", "in a broker: what is published to; what is delivered from; where that is bound to"),
        ("● ○", "a tap of a broker is attached; it is not"),
    ];
    let lines = signs.map(|(sign, help)| row(Token::Plain, sign, help));
    [Line::of(Token::Word, "Signs")].into_iter().chain(lines).collect()
}

fn row(token: Token, left: &str, right: &str) -> Line {
    let gap = KEYS.saturating_sub(crate::tui::widget::text::width(left)).max(1);
    Line { indent: 1, spans: vec![(token, left.to_owned()), (Token::Plain, format!("{}{right}", " ".repeat(gap)))] }
}
