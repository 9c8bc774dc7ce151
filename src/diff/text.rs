//! Differences for people: of many traces what is the same in several as one line, of two traces both trees.

use super::{Difference, Key, Kind, Pair, Run};
use crate::report::{Marks, Paper, Tone, counted, outcome, padded, rows};
use crate::story::Brief;
use crate::units::duration;
use std::collections::BTreeMap;

/// How many lines are told of one operation.
const MAX_LINES: usize = 40;

/// Writes what is different in two runs.
pub fn all(paper: &mut Paper, pairs: &[Pair<'_>]) {
    let mut groups: Vec<(Option<&str>, Vec<&Pair<'_>>)> = Vec::new();
    for pair in pairs {
        let root = pair.root.as_deref();
        match groups.iter_mut().find(|(known, _)| *known == root) {
            Some((_, group)) => group.push(pair),
            None => groups.push((root, vec![pair])),
        }
    }
    let (mut same, mut different) = (0, 0);
    for (root, group) in &groups {
        let lines = folded(group);
        if lines.is_empty() {
            same += u64::from(root.is_some());
            continue;
        }
        different += lines.len() as u64;
        let count = |at: usize| group.iter().filter(|pair| pair.traces[at].is_some()).count();
        match root {
            Some(root) => {
                let about = format!(" · {} in A, {} in B", counted(count(0) as u64, "trace"), count(1));
                paper.line(&[(Tone::Strong, root), (Tone::Plain, &about)]);
            }
            None => paper.line(&[(Tone::Strong, "outside of traces")]),
        }
        let compared = group.iter().filter(|pair| pair.traces.iter().all(Option::is_some)).count();
        for line in lines.iter().take(MAX_LINES) {
            told(paper, line, root.map(|_| compared));
        }
        if lines.len() > MAX_LINES {
            paper.line(&[(Tone::Dim, &format!("  … and {} more", lines.len() - MAX_LINES))]);
        }
        paper.line(&[]);
    }
    let rest = if same > 0 { format!("; nothing different in {}", counted(same, "other operation")) } else { String::new() };
    match different {
        0 => paper.line(&[(Tone::Plain, "no difference")]),
        n => paper.line(&[(Tone::Plain, &format!("{}{rest}", counted(n, "difference")))]),
    }
}

/// A difference, in how many pairs it is there, how often in one of them at least and at most, and the starkest example.
struct Folded<'p> {
    times: usize,
    within: (usize, usize),
    example: &'p Difference,
}

fn folded<'p>(group: &[&'p Pair<'_>]) -> Vec<Folded<'p>> {
    let mut lines: Vec<Folded<'p>> = Vec::new();
    let mut places: BTreeMap<(&'static str, &Key, Option<usize>), usize> = BTreeMap::new();
    for difference in group.iter().flat_map(|pair| &pair.differences) {
        let place = *places.entry((difference.kind.word(), &difference.key, difference.occurrence)).or_insert_with(|| {
            lines.push(Folded { times: 0, within: (usize::MAX, 0), example: difference });
            lines.len() - 1
        });
        let line = &mut lines[place];
        line.times += 1;
        line.within = (line.within.0.min(difference.count()), line.within.1.max(difference.count()));
        if let (Kind::Slower(now), Kind::Slower(before)) = (difference.kind, line.example.kind)
            && now > before
        {
            line.example = difference;
        }
    }
    lines
}

fn told(paper: &mut Paper, line: &Folded<'_>, compared: Option<usize>) {
    let Difference { kind, key, occurrence, .. } = line.example;
    let word = kind.word().replace('_', " ");
    let who = format!("{} → {}", key.from, key.to);
    let nth = occurrence.filter(|&n| n > 1 && line.within.1 == 1).map(|n| format!(" ({n}.)")).unwrap_or_default();
    let each = match line.within {
        (_, ..=1) => String::new(),
        (least, most) if least < most => format!("{least} to {most} times "),
        (_, most) => format!("{most} times "),
    };
    let times = match (kind, compared) {
        (Kind::MissingTrace | Kind::NewTrace, _) => counted(line.times as u64, "trace"),
        (_, Some(compared)) if compared > 1 => format!("{each}in {} of {compared}", line.times),
        _ => each,
    };
    paper.line(&[
        (tone(*kind), &padded(&word, 14)),
        (Tone::Plain, &format!("{}  {}{nth}  ", padded(&who, 28), key.operation)),
        (Tone::Plain, &format!("{}  ", how(line.example))),
        (Tone::Dim, &times),
    ]);
}

fn tone(kind: Kind) -> Tone {
    match kind {
        Kind::New | Kind::NewTrace | Kind::Status => Tone::Strong,
        _ => Tone::Bad,
    }
}

/// `2.8 ms → 40 ms (14 times)`, `201 → 503 ✗`.
fn how(difference: &Difference) -> String {
    let both = difference.a.as_ref().zip(difference.b.as_ref());
    let time = |flow: &Brief| flow.duration.map_or("…".to_owned(), duration);
    let one = difference.a.as_ref().or(difference.b.as_ref());
    match (difference.kind, both) {
        (Kind::Slower(factor), Some((a, b))) => format!("{} → {} ({factor:.1} times)", time(a), time(b)),
        (Kind::Failed | Kind::Status, Some((a, b))) => format!("{} → {}", outcome(a), outcome(b)),
        (Kind::TraceLost, _) => "carried a trace context in A, and none in B".to_owned(),
        _ => one.map(|flow| format!("{} {}", outcome(flow), time(flow))).unwrap_or_default(),
    }
}

/// Writes two traces as trees, each flow that differs marked.
pub fn two(paper: &mut Paper, runs: [&Run; 2], pair: &Pair<'_>) {
    for (at, name) in ["A", "B"].iter().enumerate() {
        let Some(trace) = pair.traces[at] else { continue };
        let mut marks = Marks::new();
        for difference in pair.differences.iter().flat_map(Difference::each) {
            let flow = if at == 0 { difference.a.as_ref().filter(|_| difference.b.is_none()) } else { difference.b.as_ref() };
            let word = difference.kind.word().replace('_', " ");
            let said = match difference.kind {
                Kind::Missing | Kind::New => word,
                _ => format!("{word}: {}", how(difference)),
            };
            if let Some(flow) = flow {
                marks.entry(flow.id).or_default().push(said);
            }
        }
        let about = format!(" · {} · {} · trace ", counted(trace.tree.len() as u64, "hop"), duration(trace.duration));
        paper.line(&[(Tone::Strong, name), (Tone::Plain, &about), (Tone::Plain, &crate::text::escape(&trace.trace_id))]);
        rows(paper, &trace.tree, |flow| runs[at].story.flow(flow), &marks);
        let strays = pair
            .differences
            .iter()
            .flat_map(Difference::each)
            .filter(|d| at == 1 && d.b.as_ref().is_some_and(|b| !trace.tree.iter().any(|n| n.flow == b.id)));
        for stray in strays.filter(|stray| stray.kind == Kind::TraceLost) {
            let line = format!("{} → {}  {}", stray.key.from, stray.key.to, stray.key.operation);
            paper.line(&[(Tone::Plain, "outside of the trace: "), (Tone::Plain, &line), (Tone::Bad, "  ✗ trace lost")]);
        }
        paper.line(&[]);
    }
    match pair.differences.len() {
        0 => paper.line(&[(Tone::Plain, "no difference")]),
        n => paper.line(&[(Tone::Plain, &counted(n as u64, "difference"))]),
    }
}
