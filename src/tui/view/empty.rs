//! Why there is nothing to see: what is captured, what was seen, and the likeliest next step with its key. Instead of the list.

use crate::engine::view::{SourceStatus, Status, View};
use crate::text::{Line, Token};
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::format::{count, counted, offers, size};
use crate::tui::panel::Screen;
use crate::tui::theme::Theme;
use crate::tui::view::status::losses;
use crate::tui::widget::scroll::Page;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// The column of the names of facts, and of keys.
const NAMES: u16 = 16;

/// Draws it.
pub fn draw(app: &App, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let inner = Rect { x: area.x + 2, y: area.y + 1, width: area.width.saturating_sub(4), height: area.height.saturating_sub(1) };
    let lines = match app.view.as_deref() {
        None => vec![Line::of(Token::Dim, "opening …")],
        Some(view) => lines(app, view),
    };
    Page::new(&[lines], inner.width, NAMES).draw(buffer, inner, 0, |token| theme.token(token));
}

fn lines(app: &App, view: &View) -> Vec<Line> {
    let status = &view.status;
    let (title, next) = reason(app, view);
    let mut lines = vec![Line::of(Token::Word, title), Line::default()];
    let mut fact = |name: &str, text: String| {
        lines.push(named(Token::Dim, name, text));
    };
    fact(if status.progress.is_some() || status.ended { "read" } else { "captured" }, sources(status));
    for source in &status.sources {
        match (source.detached(), &source.closed) {
            (Some(why), _) => fact("○ not attached", format!("{}: {why}", source.name)),
            (None, Some(why)) if source.tap.is_none() => fact("ended", format!("{}: {why}", source.name)),
            (None, _) => {}
        }
    }
    if status.sources.iter().any(|source| source.tap.is_none()) || status.sources.is_empty() {
        let filter = status.capture_filter.as_ref().map(|f| format!("{f} (packets that match it are read)"));
        fact("capture filter", filter.unwrap_or("none: every packet is read".to_owned()));
    }
    fact("seen", seen(status));
    if let Some(offers) = offers(&status.offers) {
        fact("descriptors", format!("{offers} found here, not read: {} reads them", app.keymap.key_of(Action::Accept)));
    }
    if view.unseen > 0 {
        fact("not searched", format!("{}: what the filter asks about was evicted (--max-memory)", counted(view.unseen, "flow")));
    }
    if status.unknown_connections > 0 {
        let (n, bytes) = (counted(status.unknown_connections, "connection"), size(status.undecoded_bytes));
        fact("not read", format!("{n} in a protocol not recognised, or joined midway ({bytes} skipped): TLS stays closed"));
    }
    if status.kernel_drops + status.own_drops > 0 {
        let (lost, [(.., meaning), ..]) = (status.kernel_drops + status.own_drops, losses(status));
        fact("lost", format!("{} {meaning}", count(lost)));
    }
    lines.push(Line::default());
    lines.extend(next.into_iter().map(|(key, text)| named(Token::Key, &key, text)));
    lines
}

fn named(token: Token, name: &str, text: String) -> Line {
    Line { indent: 0, spans: vec![(token, format!("{name:<width$}", width = usize::from(NAMES))), (Token::Plain, text)] }
}

/// Why, and what to do: a key (or an option) and what it does.
fn reason(app: &App, view: &View) -> (String, Vec<(String, String)>) {
    let status = &view.status;
    let key = |action| app.keymap.key_of(action).to_owned();
    let option = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let counters = (key(Action::Stats), "shows every counter".to_owned());
    if app.screen == Screen::Services && view.total > 0 {
        let title = format!("{}, none is over yet: who talks to whom shows with the first that is", counted(view.total, "flow"));
        return (title, vec![(key(Action::Flows), "shows the flows".to_owned())]);
    }
    if let (Screen::Findings, Some(findings)) = (app.screen, view.findings.as_ref().filter(|findings| findings.total > 0)) {
        let title = format!("none of {} is of what was selected", counted(findings.total, "finding"));
        return (title, vec![(key(Action::Back), "goes back".to_owned()), (key(Action::Findings), "shows all".to_owned())]);
    }
    if app.screen == Screen::Findings && view.total > 0 {
        let title = format!("nothing wrong found so far in {}", counted(view.total, "flow"));
        let sought = view.findings.iter().flat_map(|findings| &findings.sought).map(|what| option("looked for", what));
        return (title, sought.chain([(key(Action::Flows), "shows the flows".to_owned())]).collect());
    }
    if app.screen == Screen::Brokers && view.total > 0 {
        let title = format!("{}, none of them through a broker", counted(view.total, "flow"));
        let next = vec![
            option("--tap URL", "attaches to a broker: amqp://guest:guest@localhost/%2f"),
            (key(Action::Flows), "shows the flows".to_owned()),
        ];
        return (title, next);
    }
    if app.screen == Screen::Traces && view.traces.as_ref().is_some_and(|traces| traces.total == 0) && view.total > 0 {
        let title = format!("{}, none carries a trace ID", counted(view.total, "flow"));
        let next = vec![
            option("now", "let a service send traceparent, b3 or the like; x-request-id will do"),
            (key(Action::Flows), "shows the flows".to_owned()),
        ];
        return (title, next);
    }
    if view.total > 0 && app.filter.filter().is_some() {
        let title = match view.searched_percent {
            Some(percent) => format!("searching {}: {percent} % done, none matches so far", counted(view.total, "flow")),
            None if view.unseen > 0 => format!("{}, none of those searched matches the filter", counted(view.total, "flow")),
            None => format!("{}, none matches the filter", counted(view.total, "flow")),
        };
        let next =
            vec![(key(Action::Escape), "shows all flows".to_owned()), (key(Action::Filter), "edits the filter".to_owned())];
        return (title, next);
    }
    let filtered = status.capture_filter.is_some();
    match () {
        () if status.flows > 0 => ("all flows so far were forgotten; new ones appear here".to_owned(), vec![counters]),
        () if status.progress.is_some() && !status.ended => ("reading; no request found so far".to_owned(), vec![counters]),
        () if status.packets == 0 && status.ended => {
            ("there was no packet to read".to_owned(), vec![option("-i, -r", "choose what is read")])
        }
        () if status.packets == 0 && filtered => (
            "no packet has passed the capture filter yet".to_owned(),
            vec![option("-f", "is the capture filter: without it every packet is read")],
        ),
        () if status.packets == 0 && status.sources.iter().any(|source| source.detached().is_some()) => (
            "a tap is not attached: what the broker passes on shows once it is".to_owned(),
            vec![
                option("now", "start the broker, or name another one"),
                option("--tap URL", "as in amqp://guest:guest@localhost/%2f"),
            ],
        ),
        () if status.packets == 0 && status.sources.iter().any(|source| source.tap.is_some()) => (
            "attached; no message has come by yet".to_owned(),
            vec![option("now", "publish a message"), (key(Action::Brokers), "shows what the broker holds".to_owned())],
        ),
        () if status.packets == 0 => (
            "no packet has come by yet".to_owned(),
            vec![
                option("now", "send a request to a service on this machine"),
                option("-i NAME", "watches another interface; `meshtop interfaces` lists them"),
            ],
        ),
        () if status.connections == 0 => (
            "packets come by, but none is of a TCP connection".to_owned(),
            vec![counters, option("-i NAME", "watches another interface")],
        ),
        () if status.unknown_connections > 0 => (
            "connections are open, but none speaks a protocol that is recognised".to_owned(),
            vec![option("-d", "PORT=PROTO says what is spoken on a port (-d 8080=http)"), counters],
        ),
        () if status.ended => ("no request was found".to_owned(), vec![counters]),
        () => ("connections are open; waiting for the first request".to_owned(), vec![counters]),
    }
}

fn sources(status: &Status) -> String {
    let packets = |s: &SourceStatus| match s.tap {
        Some(_) => s.name.clone(),
        None => format!("{} ({})", s.name, counted(s.packets, "packet")),
    };
    let names: Vec<_> = status.sources.iter().map(packets).collect();
    if names.is_empty() { "nothing is open".to_owned() } else { names.join(", ") }
}

fn seen(status: &Status) -> String {
    let (packets, connections) = (counted(status.packets, "packet"), counted(status.connections, "connection"));
    format!("{packets}, {}, {connections}, {} flows", size(status.bytes), count(status.flows))
}
