//! One table of keys: dispatch, the help screen and the README's list are made from it. What an action does is `app`'s.

use super::action::Action;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::fmt::Write as _;

/// Where a key counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Context {
    /// On every screen, but not while text is typed or a question is open.
    Anywhere,
    /// In the list of flows.
    List,
    /// While a flow is open.
    Detail,
    /// In the list of traces.
    Traces,
    /// In a trace.
    Trace,
    /// In the table of services.
    Services,
    /// In the table of brokers.
    Brokers,
    /// In the list of findings.
    Findings,
    /// While the filter is typed.
    Filter,
    /// While a question is open.
    Confirm,
}

impl Context {
    /// All, in the order of the help screen.
    pub const ALL: [Self; 10] = [
        Self::Anywhere,
        Self::List,
        Self::Detail,
        Self::Traces,
        Self::Trace,
        Self::Services,
        Self::Brokers,
        Self::Findings,
        Self::Filter,
        Self::Confirm,
    ];

    /// Its heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Anywhere => "Everywhere",
            Self::List => "Flows",
            Self::Detail => "An open flow",
            Self::Traces => "Traces",
            Self::Trace => "A trace",
            Self::Services => "Services",
            Self::Brokers => "Brokers",
            Self::Findings => "Findings",
            Self::Filter => "The filter line",
            Self::Confirm => "A question",
        }
    }

    /// Whether one key could mean two things in both at once.
    fn meets(self, other: Self) -> bool {
        let plain = |c| !matches!(c, Self::Anywhere | Self::Filter | Self::Confirm);
        self == other || (self == Self::Anywhere && plain(other)) || (other == Self::Anywhere && plain(self))
    }
}

/// One line of the table.
#[derive(Debug)]
pub struct Entry {
    /// Where it counts.
    pub context: Context,
    /// What it does.
    pub action: Action,
    /// Its name in the configuration's `[keys]`.
    pub name: &'static str,
    /// The keys, unless the configuration says otherwise.
    pub keys: &'static [&'static str],
    /// What it does, for people.
    pub help: &'static str,
}

const fn e(context: Context, action: Action, name: &'static str, keys: &'static [&'static str], help: &'static str) -> Entry {
    Entry { context, action, name, keys, help }
}

use Context::{Anywhere, Brokers, Confirm, Detail, Filter, Findings, List, Services, Trace, Traces};

/// Every key there is.
#[rustfmt::skip]
pub const TABLE: &[Entry] = &[
    e(Anywhere, Action::Down, "down", &["j", "down"], "one down; scroll"),
    e(Anywhere, Action::Up, "up", &["k", "up"], "one up; scroll"),
    e(Anywhere, Action::HalfDown, "half-page-down", &["ctrl-d"], "half a page down"),
    e(Anywhere, Action::HalfUp, "half-page-up", &["ctrl-u"], "half a page up"),
    e(Anywhere, Action::PageDown, "page-down", &["pagedown", "ctrl-f"], "a page down"),
    e(Anywhere, Action::PageUp, "page-up", &["pageup", "ctrl-b"], "a page up"),
    e(Anywhere, Action::Top, "top", &["g", "home"], "to the start"),
    e(Anywhere, Action::Bottom, "bottom", &["G", "end"], "to the end; in the list: follow again"),
    e(Anywhere, Action::Follow, "follow", &["F"], "follow what arrives"),
    e(Anywhere, Action::Pause, "pause", &["p", "space"], "pause, or follow again"),
    e(Anywhere, Action::Filter, "filter", &["/"], "edit the filter; in an open flow: search in it"),
    e(Anywhere, Action::Flows, "flows", &["1"], "the flows"),
    e(Anywhere, Action::Traces, "traces", &["2"], "the traces"),
    e(Anywhere, Action::Trace, "trace", &["t"], "the trace of the selected flow"),
    e(Anywhere, Action::Found, "found", &["f"], "what is wrong with the selected flow, hop or service"),
    e(Anywhere, Action::Maybe, "maybe", &["m"], "what may have caused a flow marked ?; n: the next"),
    e(Anywhere, Action::Services, "services", &["3"], "who talks to whom"),
    e(Anywhere, Action::Brokers, "brokers", &["4"], "what lies between them: exchanges, queues, topics"),
    e(Anywhere, Action::Findings, "findings", &["5"], "what is wrong, the worst first"),
    e(Anywhere, Action::Stats, "stats", &["6"], "what was counted"),
    e(Anywhere, Action::Clear, "clear", &["z"], "forget all flows (asks)"),
    e(Anywhere, Action::Save, "save", &["w"], "save the packets of just now as pcapng"),
    e(Anywhere, Action::Accept, "read-descriptors", &["D"], "read the descriptors that were found"),
    e(Anywhere, Action::Mouse, "mouse", &["M"], "mouse on or off (off: select text)"),
    e(Anywhere, Action::Help, "help", &["?", "f1"], "this help"),
    e(Anywhere, Action::Redraw, "redraw", &["ctrl-l"], "paint the screen again"),
    e(Anywhere, Action::Suspend, "suspend", &["ctrl-z"], "to the shell; fg comes back"),
    e(Anywhere, Action::Escape, "escape", &["esc"], "close what is open; clear the filter"),
    e(Anywhere, Action::Back, "back", &["q"], "one view up, then quit"),
    e(Anywhere, Action::Quit, "quit", &["Q", "ctrl-c"], "quit at once"),
    e(List, Action::Open, "open", &["enter", "l", "right"], "open the flow"),
    e(Detail, Action::NextTab, "next-tab", &["tab", "l", "right"], "the next tab"),
    e(Detail, Action::PrevTab, "previous-tab", &["backtab", "h", "left"], "the tab before"),
    e(Detail, Action::NextFlow, "next-flow", &["J", "ctrl-n"], "the next flow"),
    e(Detail, Action::PrevFlow, "previous-flow", &["K", "ctrl-p"], "the flow before"),
    e(Detail, Action::Read, "read", &["enter"], "read the message alone; else: whole screen"),
    e(Detail, Action::NextFound, "next-found", &["n"], "the next place of what is searched, or example"),
    e(Detail, Action::PrevFound, "previous-found", &["N"], "the place before"),
    e(Detail, Action::Zoom, "zoom", &["\\"], "whole screen, or beside the list"),
    e(Detail, Action::CopyResponse, "copy-response", &["y"], "copy the response's body"),
    e(Detail, Action::CopyRequest, "copy-request", &["Y"], "copy the request's body"),
    e(Detail, Action::CopyCommand, "copy-command", &["c"], "copy it as a curl or grpcurl command"),
    e(Traces, Action::OpenTrace, "open-trace", &["enter", "l", "right"], "the trace, drawn out in time"),
    e(Traces, Action::SortTraces, "sort-traces", &["s"], "order by time, duration, errors, hops"),
    e(Trace, Action::OpenHop, "open-hop", &["enter", "l", "right"], "open the flow; esc comes back"),
    e(Trace, Action::Cause, "cause", &["c"], "to the call that the failure began with"),
    e(Trace, Action::NextSpot, "next-example", &["n"], "the next example of a finding, or candidate of ?"),
    e(Trace, Action::PrevSpot, "previous-example", &["N"], "the one before"),
    e(Trace, Action::ZoomIn, "zoom-in", &["+", "="], "half as much time around the selected flow"),
    e(Trace, Action::ZoomOut, "zoom-out", &["-"], "twice as much time"),
    e(Trace, Action::ZoomAll, "zoom-all", &["0"], "the whole trace"),
    e(Services, Action::Narrow, "narrow", &["enter", "l", "right"], "the flows of the service or edge; esc comes back"),
    e(Services, Action::Sort, "sort", &["s"], "order by name, rate, errors, p95"),
    e(Brokers, Action::NarrowTopic, "narrow-topic", &["enter", "l", "right"], "the flows of the line; esc comes back"),
    e(Findings, Action::Prove, "prove", &["enter", "l", "right"], "its proof: the trace, at the flow that shows it; n: the next"),
    e(Findings, Action::CopyFinding, "copy-finding", &["y"], "copy it as text"),
    e(Filter, Action::Apply, "filter-apply", &["enter"], "use it"),
    e(Filter, Action::Cancel, "filter-cancel", &["esc"], "leave it as it was"),
    e(Filter, Action::Complete, "filter-complete", &["tab"], "complete the word; again: the next one"),
    e(Filter, Action::Older, "filter-older", &["up", "ctrl-p"], "an older filter"),
    e(Filter, Action::Newer, "filter-newer", &["down", "ctrl-n"], "a newer filter"),
    e(Filter, Action::Left, "filter-left", &["left", "ctrl-b"], "left"),
    e(Filter, Action::Right, "filter-right", &["right", "ctrl-f"], "right"),
    e(Filter, Action::WordLeft, "filter-word-left", &["ctrl-left", "alt-b"], "a word left"),
    e(Filter, Action::WordRight, "filter-word-right", &["ctrl-right", "alt-f"], "a word right"),
    e(Filter, Action::Start, "filter-start", &["home", "ctrl-a"], "to the start"),
    e(Filter, Action::End, "filter-end", &["end", "ctrl-e"], "to the end"),
    e(Filter, Action::Backspace, "filter-backspace", &["backspace", "ctrl-h"], "delete to the left"),
    e(Filter, Action::Delete, "filter-delete", &["delete", "ctrl-d"], "delete to the right"),
    e(Filter, Action::DeleteWord, "filter-delete-word", &["ctrl-w", "alt-backspace"], "delete the word to the left"),
    e(Filter, Action::DeleteLine, "filter-delete-line", &["ctrl-u"], "delete everything"),
    e(Confirm, Action::Yes, "yes", &["y", "enter"], "yes"),
    e(Confirm, Action::No, "no", &["n", "esc", "q"], "no"),
];

/// A key that the configuration asks for and cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No such action.
    #[error("[keys] has no action `{0}`")]
    Action(String),
    /// No such key.
    #[error("[keys] {0}: `{1}` is no key (write `x`, `G`, `ctrl-d`, `alt-b`, `enter`, `f5`)")]
    Key(String, String),
    /// One key for two actions that are there at the same time.
    #[error("[keys] `{key}` is bound to both `{first}` and `{second}`")]
    Twice {
        /// The key.
        key: String,
        /// One action.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
}

/// One key press, normalised: a capital is a capital, not shift and a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(KeyCode, KeyModifiers);

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Self {
        let kept = KeyModifiers::CONTROL | KeyModifiers::ALT;
        match event.code {
            KeyCode::Char(c) if event.modifiers.contains(KeyModifiers::CONTROL) => {
                Self(KeyCode::Char(c.to_ascii_lowercase()), event.modifiers & kept)
            }
            code => Self(code, event.modifiers & kept),
        }
    }
}

#[cfg(test)]
impl From<Key> for KeyEvent {
    fn from(key: Key) -> Self {
        Self::new(key.0, key.1)
    }
}

impl Key {
    /// Whether it puts a character into a text.
    fn types(self) -> bool {
        matches!(self.0, KeyCode::Char(_)) && self.1.is_empty()
    }

    /// Reads `x`, `G`, `space`, `ctrl-d`, `alt-b`, `f5`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("ctrl-").filter(|r| !r.is_empty()) {
            return Self::parse(rest).map(|k| Self(k.0, k.1 | KeyModifiers::CONTROL));
        }
        if let Some(rest) = text.strip_prefix("alt-").filter(|r| !r.is_empty()) {
            return Self::parse(rest).map(|k| Self(k.0, k.1 | KeyModifiers::ALT));
        }
        let mut chars = text.chars();
        let code = match (chars.next(), chars.next()) {
            (Some(c), None) => KeyCode::Char(c),
            _ => match NAMED.iter().find(|(name, _)| *name == text) {
                Some(&(_, code)) => code,
                None => KeyCode::F(text.strip_prefix('f')?.parse().ok().filter(|n| (1..=12).contains(n))?),
            },
        };
        Some(Self(code, KeyModifiers::NONE))
    }
}

const NAMED: &[(&str, KeyCode)] = &[
    ("space", KeyCode::Char(' ')),
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("backtab", KeyCode::BackTab),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pageup", KeyCode::PageUp),
    ("pagedown", KeyCode::PageDown),
];

/// The table with the configuration's changes.
#[derive(Clone, Debug)]
pub struct Keymap {
    /// For each entry of the table: its keys as written, and as pressed.
    keys: Vec<Vec<(String, Key)>>,
}

impl Default for Keymap {
    fn default() -> Self {
        let keys = |e: &Entry| e.keys.iter().filter_map(|k| Some((k.to_string(), Key::parse(k)?))).collect();
        Self { keys: TABLE.iter().map(keys).collect() }
    }
}

impl Keymap {
    /// The table with the keys of some actions replaced: pairs of an action's name and its keys.
    pub fn new(changes: &[(String, Vec<String>)]) -> Result<Self, KeyError> {
        let mut map = Self::default();
        for (name, keys) in changes {
            let at = TABLE.iter().position(|e| e.name == name).ok_or_else(|| KeyError::Action(name.clone()))?;
            let parse = |k: &String| Ok((k.clone(), Key::parse(k).ok_or_else(|| KeyError::Key(name.clone(), k.clone()))?));
            map.keys[at] = keys.iter().map(parse).collect::<Result<_, _>>()?;
        }
        map.check()?;
        Ok(map)
    }

    /// What a key means in a context.
    pub fn action(&self, context: Context, key: Key) -> Option<Action> {
        let find = |wanted: Context| {
            let mut entries = TABLE.iter().zip(&self.keys).filter(|(e, _)| e.context == wanted);
            entries.find(|(_, keys)| keys.iter().any(|(_, k)| *k == key)).map(|(e, _)| e.action)
        };
        match context {
            // what cannot be typed still quits
            Filter | Confirm => find(context).or_else(|| find(Anywhere).filter(|a| *a == Action::Quit && !key.types())),
            Anywhere | List | Detail | Traces | Trace | Services | Brokers | Findings => find(context).or_else(|| find(Anywhere)),
        }
    }

    /// The first key of an action, for hints; empty where it has none.
    pub fn key_of(&self, action: Action) -> &str {
        let found = TABLE.iter().zip(&self.keys).find(|(e, _)| e.action == action);
        found.and_then(|(_, keys)| keys.first()).map_or("", |(text, _)| text)
    }

    /// The keys of a context with what they do, for people.
    pub fn help(&self, context: Context) -> impl Iterator<Item = (String, &'static str)> {
        TABLE.iter().zip(&self.keys).filter(move |(e, _)| e.context == context).map(|(e, keys)| {
            let keys: Vec<_> = keys.iter().map(|(text, _)| text.as_str()).collect();
            (keys.join(" "), e.help)
        })
    }

    /// All keys as a Markdown table.
    pub fn markdown(&self) -> String {
        let mut out = String::from("| where | key | does | name in `[keys]` |\n| --- | --- | --- | --- |\n");
        for (entry, keys) in TABLE.iter().zip(&self.keys) {
            let keys: Vec<_> = keys.iter().map(|(text, _)| format!("`{text}`")).collect();
            let (place, help, name) = (entry.context.title(), entry.help, entry.name);
            let _ = writeln!(out, "| {place} | {} | {help} | `{name}` |", keys.join(" "));
        }
        out
    }

    /// No key may mean two things at once.
    fn check(&self) -> Result<(), KeyError> {
        let all: Vec<_> = TABLE.iter().zip(&self.keys).flat_map(|(e, keys)| keys.iter().map(move |k| (e, k))).collect();
        for (i, (first, (key, pressed))) in all.iter().enumerate() {
            for (second, (_, other)) in all.iter().skip(i + 1) {
                if pressed == other && first.context.meets(second.context) {
                    return Err(KeyError::Twice { key: key.clone(), first: first.name, second: second.name });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_key_means_two_things_and_every_key_can_be_read() {
        let map = Keymap::new(&[]).unwrap();
        for (entry, keys) in TABLE.iter().zip(&map.keys) {
            assert_eq!(entry.keys.len(), keys.len(), "{entry:?}");
            assert!(!keys.is_empty() && !entry.help.is_empty(), "{entry:?}");
        }
    }

    #[test]
    fn every_action_has_one_entry() {
        let names: HashSet<_> = TABLE.iter().map(|e| e.name).collect();
        assert_eq!(names.len(), TABLE.len());
        for action in Action::ALL {
            assert_eq!(TABLE.iter().filter(|e| e.action == *action).count(), 1, "{action:?}");
        }
        assert_eq!(Action::ALL.len(), TABLE.len());
    }

    #[test]
    fn the_configuration_replaces_keys_and_is_told_what_it_cannot_have() {
        let change = |name: &str, key: &str| Keymap::new(&[(name.to_owned(), vec![key.to_owned()])]);
        let map = change("follow", "ctrl-alt-x").unwrap();
        assert_eq!(map.action(List, Key::parse("ctrl-alt-x").unwrap()), Some(Action::Follow));
        assert_eq!(map.action(List, Key::parse("F").unwrap()), None);
        assert_eq!(map.key_of(Action::Follow), "ctrl-alt-x");
        assert_eq!(change("fly", "x").unwrap_err().to_string(), "[keys] has no action `fly`");
        assert!(change("follow", "hyper-x").unwrap_err().to_string().starts_with("[keys] follow: `hyper-x` is no key"));
        assert_eq!(change("follow", "j").unwrap_err().to_string(), "[keys] `j` is bound to both `down` and `follow`");
        change("filter-apply", "j").unwrap();
    }

    #[test]
    fn shift_is_part_of_a_letter_and_nothing_else() {
        let press = |code, mods| Key::from(KeyEvent::new(code, mods));
        assert_eq!(press(KeyCode::Char('G'), KeyModifiers::SHIFT), Key::parse("G").unwrap());
        assert_eq!(press(KeyCode::BackTab, KeyModifiers::SHIFT), Key::parse("backtab").unwrap());
        assert_eq!(press(KeyCode::Char('C'), KeyModifiers::CONTROL), Key::parse("ctrl-c").unwrap());
        assert_eq!(Key::parse("-"), Some(Key(KeyCode::Char('-'), KeyModifiers::NONE)));
        assert_eq!(Key::parse("ctrl-"), None);
        assert_eq!(Key::parse("f13"), None);
    }
}
