//! What a run came to, in a few lines.

use super::{Paper, Tone, counted};
use crate::story::Story;
use crate::text::escape;

/// How many findings are listed.
const MAX_FINDINGS: usize = 10;

/// Writes it.
pub fn summary(paper: &mut Paper, story: &Story) {
    let Some(stats) = story.stats() else { return };
    let flows: u64 = story.sums().iter().map(|(_, n)| n).sum();
    let by: Vec<_> = story.sums().iter().map(|(protocol, n)| format!("{n} {protocol}")).collect();
    let traces = counted(story.wanted(), "trace");
    let mut text = counted(flows, "flow");
    if !by.is_empty() {
        text += &format!(" ({})", by.join(", "));
    }
    text += &format!(", {} failed, {traces}, {}", story.failed(), counted(story.findings().count() as u64, "finding"));
    paper.line(&[(Tone::Plain, &text)]);
    let lost = stats.kernel_drops + stats.totals.own_drops;
    if lost > 0 {
        paper.line(&[(Tone::Bad, &format!("{} dropped: what is told may be wrong", counted(lost, "packet")))]);
    }
    let mut findings: Vec<_> = story.findings().collect();
    findings.sort_by_key(|finding| (finding.kind.severity(), finding.id));
    for finding in findings.iter().take(MAX_FINDINGS) {
        let (kind, severity) = (finding.kind.word(), finding.kind.severity().word());
        let times = if finding.count > 1 { format!(" ({} times)", finding.count) } else { String::new() };
        paper.wrapped(Tone::Plain, "  ", 4, &format!("{severity} {kind}: {}{times}", escape(&finding.title)));
    }
    if findings.len() > MAX_FINDINGS {
        paper.line(&[(Tone::Dim, &format!("  … and {} more", findings.len() - MAX_FINDINGS))]);
    }
}
