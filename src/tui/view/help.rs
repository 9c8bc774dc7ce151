//! The help: every key, from the one table.

use crate::text::{Line, Token};
use crate::tui::keymap::{Context, Keymap};
use crate::tui::widget::scroll::Page;

/// Cells for the keys.
const KEYS: usize = 22;
/// From these widths on there are two columns, and three.
const TWO: u16 = 112;
const THREE: u16 = 180;

/// Its text.
pub fn page(keymap: &Keymap, width: u16) -> Page {
    let parts = |of: &[Context]| of.iter().flat_map(|context| part(keymap, *context)).collect::<Vec<_>>();
    let typed = Context::ALL.iter().position(|context| *context == Context::Filter).unwrap_or_default();
    let ((first, screens), typing) = (Context::ALL[..typed].split_at(1), &Context::ALL[typed..]);
    let columns = match width {
        THREE.. => vec![parts(first), parts(screens), [marks(), parts(typing)].concat()],
        TWO.. => vec![[parts(first), marks()].concat(), parts(&Context::ALL[1..])],
        _ => vec![[parts(&Context::ALL), marks()].concat()],
    };
    Page::new(&columns, width, u16::try_from(KEYS).unwrap_or_default())
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
        ("◆", "a flow or a trace shows a finding: f tells which"),
        ("✗ ! i", "a finding: an error, a warning, something to know"),
        ("✗ trace lost", "in a trace: the finding that the flow shows"),
        (
            "= ≈ ~",
            "in a trace, tied by less than an ID: a value that both carry; the only one its sender was at work on; time alone",
        ),
        (
            "?",
            "in a trace, tied by nothing: several flows are as likely to have caused it, and it stands below each; m shows them",
        ),
        ("via", "in a trace: the same, passed on by a proxy or NAT"),
        ("→ ← ⇒", "in a broker: what is published to; what is delivered from; where that is bound to"),
        ("● ○", "a tap of a broker is attached; it is not"),
        ("┄", "in a trace: a message waited in a queue"),
        ("▒ ◂ ▸", "in a trace: no end yet; before, after the part of time that is zoomed into"),
    ];
    let lines = signs.map(|(sign, help)| row(Token::Plain, sign, help));
    [Line::of(Token::Word, "Signs")].into_iter().chain(lines).chain([Line::default()]).collect()
}

fn row(token: Token, left: &str, right: &str) -> Line {
    let gap = KEYS.saturating_sub(crate::tui::widget::text::width(left)).max(1);
    Line { indent: 1, spans: vec![(token, left.to_owned()), (Token::Plain, format!("{}{right}", " ".repeat(gap)))] }
}
