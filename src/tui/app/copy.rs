//! What is copied, and whether the clipboard of a terminal takes it.

use super::App;
use crate::engine::view::SideView;
use crate::text::{escape, is_control};
use crate::tui::effect::Effect;
use crate::tui::format;

/// Bytes that go to the clipboard: terminals and multiplexers cut or drop more (tmux and xterm at about 74,000 after base64).
const CLIPBOARD: usize = 54 * 1024;

impl App {
    /// Copies the body of a side, or the chosen message.
    pub(super) fn copy(&mut self, request: bool) -> Vec<Effect> {
        let Some(shown) = &self.detail.shown else { return Vec::new() };
        let of = |side: &Option<SideView>| side.as_ref().map(|side| (pasteable(&side.copy), side.formatted));
        let (name, copy) = match self.detail.message() {
            Some(message) if !request => ("message", Some((pasteable(&message.said.copy), message.said.formatted))),
            _ if request => ("request", of(&shown.request)),
            _ => ("response", of(&shown.response)),
        };
        let (text, formatted) = copy.unwrap_or_default();
        let formatted = if formatted { ", formatted" } else { "" };
        let bytes = format::size(text.len() as u64);
        match text.len() {
            0 => self.notice = Some(format!("the {name} has no body to copy")),
            1..=CLIPBOARD => return vec![Effect::Copy(format!("the {name}'s body{formatted}, {bytes}"), text)],
            _ => {
                self.notice = Some(format!("not copied: the {name}'s body is {bytes}{formatted}, {}", terminals_take()));
            }
        }
        Vec::new()
    }

    /// Copies a command that makes the call again.
    pub(super) fn copy_command(&mut self) -> Vec<Effect> {
        let Some(shown) = &self.detail.shown else { return Vec::new() };
        let Some(command) = &shown.command else {
            let why = shown.no_command.unwrap_or("no request of HTTP or gRPC was captured");
            self.notice = Some(format!("no command makes this: {why}"));
            return Vec::new();
        };
        let bytes = command.text.len();
        if bytes > CLIPBOARD {
            self.notice = Some(format!("not copied: the command is {}, {}", format::size(bytes as u64), terminals_take()));
            return Vec::new();
        }
        let lacks = command.lacks.map(|lacks| format!(", {lacks},")).unwrap_or_default();
        vec![Effect::Copy(format!("it as {}{lacks}", command.tool), pasteable(&command.text))]
    }

    /// Copies the selected finding.
    pub(super) fn copy_finding(&self) -> Vec<Effect> {
        self.panels.findings.text().map(|text| Effect::Copy("the finding".to_owned(), pasteable(&text))).into_iter().collect()
    }
}

fn terminals_take() -> String {
    format!("terminals take {}", format::size(CLIPBOARD as u64))
}

/// Text that does nothing but be text where it is pasted: line ends and tabs stay, other control characters are escaped.
fn pasteable(text: &str) -> String {
    if !text.chars().any(|c| is_control(c) && c != '\n' && c != '\t') {
        return text.to_owned();
    }
    let line = |line: &str| line.split('\t').map(escape).collect::<Vec<_>>().join("\t");
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}
