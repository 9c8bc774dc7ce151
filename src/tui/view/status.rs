//! The last line, which is the truth: whether the list follows, what was read, and everything that was lost, each with its word.

use crate::engine::view::Status;
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::format::{self, counted, share, short};
use crate::tui::keymap::Context;
use crate::tui::layout::Open;
use crate::tui::panel::{Panel, Screen};
use crate::tui::theme::Theme;
use crate::tui::widget::text;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

/// Cells between two items.
const GAP: u16 = 2;

/// How much matters what the first keys need the room of.
const SPARE: u8 = 3;
/// The room that those need: `? help  / filter`, in cells.
const KEYS: u16 = 18;
/// How much an offer matters: as much as what is counted.
const OFFER: u8 = 5;
/// How much a warning matters: more than what is counted, less than what was lost.
const WARNING: u8 = 6;
/// Fewer cells of a warning tell nothing, and more of one take too much of a line that is wide.
const SHORTEST: usize = 12;
const LONGEST: usize = 76;

/// What of the losses is bytes.
const SKIPPED: &str = "skipped";

/// Something to tell; what matters less goes first where there is no room.
struct Item {
    text: String,
    style: Style,
    weight: u8,
}

/// Draws it.
pub fn draw(app: &App, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    if app.confirming {
        let total = app.view.as_deref().map_or(0, |v| v.total);
        text::put(buffer, area, 1, &format!("forget all {}?  y yes  n no", counted(total, "flow")), theme.warn);
        return;
    }
    let items = fitting(items(app, theme, area.width), area.width);
    let mut at = 1;
    for item in &items {
        at = text::put(buffer, area, at, &item.text, item.style) + GAP;
    }
    hints(app, theme, buffer, area, at);
}

/// The items that fit, in their order.
fn fitting(mut items: Vec<Item>, room: u16) -> Vec<Item> {
    let taken = |items: &[Item]| items.iter().map(|i| text::width(&i.text) + usize::from(GAP)).sum::<usize>();
    while items.len() > 1
        && let Some(least) = items.iter().enumerate().min_by_key(|(_, i)| i.weight).map(|(at, _)| at)
    {
        let keys = if items.get(least).is_some_and(|item| item.weight <= SPARE) { KEYS } else { 0 };
        if taken(&items) <= usize::from(room.saturating_sub(keys)) {
            break;
        }
        let item = items.remove(least);
        let left = usize::from(room).saturating_sub(taken(&items) + usize::from(GAP));
        // the beginning of a warning is better than none
        if item.weight == WARNING && left >= SHORTEST {
            items.insert(least, Item { text: text::fit(&item.text, left), ..item });
            break;
        }
    }
    items
}

fn items(app: &App, theme: &Theme, width: u16) -> Vec<Item> {
    let item = |text: String, style, weight| Item { text, style, weight };
    let mut items = vec![item(mode(app), theme.strong, 9)];
    if let Some(notice) = &app.notice {
        // it is all there is beside the mode, so that it is cut, not left out
        let room = usize::from(width).saturating_sub(text::width(&items[0].text) + 2 * usize::from(GAP));
        items.push(item(text::fit(notice, room), theme.strong, 8));
        return items;
    }
    let Some(status) = app.view.as_deref().map(|v| &v.status) else { return items };
    if let Some(place) = app.touring() {
        items.push(item(place, theme.name, 7));
    }
    let arrived = app.arrived();
    if arrived > 0 && app.screen == Screen::Flows && status.progress.is_none() {
        items.push(item(format!("+{} new", short(arrived)), theme.good, 7));
    }
    let calls =
        || app.screen == Screen::Flows && app.view.iter().flat_map(|view| &view.rows).any(|row| row.flow.row.pattern.is_call());
    let files: usize = status.offers.iter().map(|offer| offer.files).sum();
    if files > 0 && calls() {
        // which they are is told beside the call that needs them: the keys need their room too
        let protos = counted(files as u64, "proto");
        items.push(item(format!("{} reads {protos}", app.keymap.key_of(Action::Accept)), theme.good, OFFER));
    }
    if let Some(warning) = warning(app, status) {
        // where there is room for more, it leaves the rest its own
        let room = usize::from(width / 2).max(LONGEST);
        items.push(item(text::fit(&format!("! {warning}"), room), theme.warn, WARNING));
    }
    items.push(item(format!("packets {}", short(status.packets)), Style::new(), 5));
    // the first two are always there, so that nought can be seen too; the others come when they are not nought
    for (always, (name, lost, _)) in losses(status).into_iter().enumerate().map(|(i, l)| (i < 2, l)) {
        if lost > 0 {
            let told = if name == SKIPPED { format::size(lost) } else { short(lost) };
            items.push(item(format!("! {name} {told}"), theme.warn.add_modifier(Modifier::BOLD), 8));
        } else if always {
            items.push(item(format!("{name} 0"), theme.dim, 4));
        }
    }
    items.push(item(format!("mem {}", share(status.memory, status.memory_limit)), theme.dim, SPARE));
    items
}

/// What is wrong: with the descriptors first, since whoever reads it can mend them.
fn warning(app: &App, status: &Status) -> Option<String> {
    match &*status.problems {
        [] => status.warning.clone(),
        [problem, more @ ..] => {
            // what is wrong and where; what that means is beside the counters
            let (first, rest) = problem.split_once("; ").unwrap_or((problem, ""));
            let key = app.keymap.key_of(Action::Stats);
            Some(match more.len() {
                0 if rest.is_empty() => first.to_owned(),
                0 => format!("{first} (more: {key})"),
                n => format!("{first} (and {n} more: {key})"),
            })
        }
    }
}

/// Everything that was not seen or is no longer there: a word, how often, and what it means.
pub fn losses(status: &Status) -> [(&'static str, u64, &'static str); 6] {
    [
        ("drops", status.kernel_drops + status.own_drops, "packets, and messages of taps, that were not read"),
        ("gaps", status.gaps, "holes in streams"),
        ("broken", status.decode_errors, "messages whose framing is broken"),
        (SKIPPED, status.undecoded_bytes, "stream bytes of no message"),
        ("evicted", status.evicted, "dropped to stay within --max-memory"),
        ("unplaced", status.unplaced, "events that belong to no flow: a mistake of the program"),
    ]
}

/// One word of one width for how the list stands; other screens always move on.
fn mode(app: &App) -> String {
    let status = app.view.as_deref().map(|v| &v.status);
    let word = match status {
        None => "START",
        Some(s) if s.ended => "ENDED",
        Some(s) if s.progress.is_some() => "LOADING",
        Some(_) if app.screen != Screen::Flows => "LIVE",
        Some(_) if app.list.follows() => "FOLLOW",
        Some(_) => "PAUSED",
    };
    format!("{word:<7}")
}

/// Whether nothing is live: a file is read, or was.
fn over(app: &App) -> bool {
    app.view.as_deref().is_some_and(|v| v.status.ended || v.status.progress.is_some())
}

/// The keys that matter here, as many as there is room for.
fn hints(app: &App, theme: &Theme, buffer: &mut Buffer, area: Rect, taken: u16) {
    let wanted: &[(Action, &str)] = match app.context() {
        Context::Confirm => &[],
        Context::Filter if app.detail.search.typed().is_some() => &[(Action::Apply, "find"), (Action::Cancel, "leave")],
        Context::Filter => {
            &[(Action::Apply, "use"), (Action::Complete, "complete"), (Action::Older, "older"), (Action::Cancel, "leave")]
        }
        _ if app.front().is_some_and(Panel::is_empty) => {
            &[(Action::Help, "help"), (Action::Stats, "counters"), (Action::Back, "back")]
        }
        Context::Anywhere => &[(Action::Back, "back"), (Action::Down, "scroll")],
        Context::Traces => &[(Action::OpenTrace, "open"), (Action::SortTraces, "sort"), (Action::Back, "back")],
        Context::Trace if app.touring().is_some() => {
            &[(Action::NextSpot, "next"), (Action::OpenHop, "flow"), (Action::Back, "back"), (Action::Cause, "cause")]
        }
        Context::Trace => {
            &[(Action::OpenHop, "flow"), (Action::Cause, "cause"), (Action::Found, "findings"), (Action::Back, "back")]
        }
        Context::Brokers => &[(Action::NarrowTopic, "flows"), (Action::Back, "back")],
        Context::Findings => &[(Action::Prove, "proof"), (Action::CopyFinding, "copy"), (Action::Back, "back")],
        Context::Services => {
            &[(Action::Narrow, "flows"), (Action::Found, "findings"), (Action::Sort, "sort"), (Action::Back, "back")]
        }
        Context::Detail if !app.detail.search.needle().is_empty() => {
            &[(Action::NextFound, "next"), (Action::PrevFound, "before"), (Action::Escape, "search off")]
        }
        Context::Detail if app.detail.shown.as_ref().is_some_and(|shown| !shown.candidates.is_empty()) => {
            &[(Action::Maybe, "what caused it"), (Action::Back, "close"), (Action::NextTab, "tabs")]
        }
        Context::Detail if app.detail.lists() => &[
            (Action::Read, "read"),
            (Action::Zoom, if app.detail.open == Open::Whole { "smaller" } else { "larger" }),
            (Action::Back, "close"),
            (Action::NextTab, "tabs"),
            (Action::Filter, "search"),
            (Action::CopyResponse, "copy"),
            (Action::CopyCommand, "as command"),
        ],
        Context::Detail => &[
            (Action::Back, if app.detail.messages.reading { "list" } else { "close" }),
            (Action::NextTab, "tabs"),
            (Action::Filter, "search"),
            (Action::NextFlow, "next"),
            (Action::CopyResponse, "copy"),
            (Action::CopyCommand, "as command"),
        ],
        Context::List if app.view.as_deref().is_none_or(|v| v.rows.is_empty()) => {
            &[(Action::Help, "help"), (Action::Stats, "counters"), (Action::Back, "quit")]
        }
        Context::List if app.list.follows() => &[(Action::Help, "help"), (Action::Filter, "filter"), (Action::Open, "open")],
        Context::List if over(app) => {
            &[(Action::Help, "help"), (Action::Filter, "filter"), (Action::Open, "open"), (Action::Bottom, "end")]
        }
        Context::List => {
            &[(Action::Help, "help"), (Action::Bottom, "follow"), (Action::Filter, "filter"), (Action::Open, "open")]
        }
    };
    let mut hints = String::new();
    for (action, word) in wanted {
        let longer = format!("{hints}{} {word}  ", app.keymap.key_of(*action));
        if usize::from(taken) + text::width(&longer) > usize::from(area.width) {
            break;
        }
        hints = longer;
    }
    text::put_right(buffer, area, hints.strip_suffix(' ').unwrap_or_default(), theme.dim);
}
