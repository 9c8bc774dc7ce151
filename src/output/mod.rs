//! What leaves the program for other programs: one file a format. Which records there are is told here, how they look there.

pub mod ndjson;

/// A kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The first line.
    Meta,
    /// A settled flow.
    Flow,
    /// A trace that is as whole as it gets.
    Trace,
    /// Something wrong or suspicious.
    Finding,
    /// A connection that ended.
    Connection,
    /// Who talks to whom, at the end.
    Edge,
    /// The sums at the end.
    Stats,
}

/// The kinds that `--emit` takes, and whether they are printed unless it says otherwise.
pub const KINDS: &[(&str, Kind, bool)] = &[
    ("meta", Kind::Meta, true),
    ("flow", Kind::Flow, true),
    ("trace", Kind::Trace, true),
    ("finding", Kind::Finding, true),
    ("connection", Kind::Connection, false),
    ("edge", Kind::Edge, false),
    ("stats", Kind::Stats, true),
];

/// Which kinds of record are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emit(u8);

impl Emit {
    /// Reads kinds, joined by commas.
    pub fn parse(text: &str) -> Result<Self, String> {
        let known: Vec<_> = KINDS.iter().map(|(name, ..)| *name).collect();
        text.split(',').map(str::trim).try_fold(Self(0), |set, name| match KINDS.iter().find(|(n, ..)| *n == name) {
            Some((_, kind, _)) => Ok(Self(set.0 | bit(*kind))),
            None => Err(format!("'{name}' is no kind of record: {}", known.join(","))),
        })
    }

    /// Whether a kind is printed.
    pub fn has(self, kind: Kind) -> bool {
        self.0 & bit(kind) != 0
    }

    /// The kinds' names.
    pub fn names(self) -> Vec<&'static str> {
        KINDS.iter().filter(|(_, kind, _)| self.has(*kind)).map(|(name, ..)| *name).collect()
    }
}

impl Default for Emit {
    fn default() -> Self {
        Self(KINDS.iter().filter(|(.., default)| *default).fold(0, |set, (_, kind, _)| set | bit(*kind)))
    }
}

fn bit(kind: Kind) -> u8 {
    1 << kind as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_chosen_by_name() {
        assert_eq!(Emit::parse("flow, stats").unwrap().names(), ["flow", "stats"]);
        assert_eq!(Emit::default().names(), ["meta", "flow", "trace", "finding", "stats"]);
        assert!(Emit::parse("").is_err());
        assert!(Emit::parse("flows").unwrap_err().contains("meta,flow,trace,finding,connection,edge,stats"));
    }
}
