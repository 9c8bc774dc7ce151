//! What an ErrorResponse or a NoticeResponse says (PostgreSQL documentation, "Error and Notice Message Fields").
//!
//! ```text
//!  'S' ERROR 0   'V' ERROR 0   'C' 23505 0   'M' duplicate key … 0   'D' Key (id)=(1) already exists. 0   … 0
//! ```

use super::parameters::ELLIPSIS;
use crate::decode::cursor::Cursor;
use crate::model::{Fields, text_of};
use compact_str::CompactString;

/// How much of a notice is kept, in characters.
const NOTICE: usize = 1024;

/// What went wrong.
#[derive(Debug, Default)]
pub(super) struct Fault {
    /// SQLSTATE.
    pub(super) code: Option<CompactString>,
    severity: Option<CompactString>,
    message: CompactString,
    pub(super) fields: Fields,
}

impl Fault {
    pub(super) fn read(payload: &[u8]) -> Self {
        let (mut fault, mut c) = (Self::default(), Cursor::new(payload));
        while let Some(kind) = c.u8().filter(|kind| *kind != 0) {
            let Some(text) = c.text().map(text_of) else { break };
            match kind {
                b'C' => fault.code = Some((&*text).into()),
                b'M' => {
                    fault.fields.set("postgresql.message", &*text);
                    fault.message = (&*text).into();
                }
                b'D' => fault.fields.set("postgresql.detail", &*text),
                b'H' => fault.fields.set("postgresql.hint", &*text),
                // in the server's language; servers since 9.6 also say it in English, as `V`
                b'S' if fault.severity.is_none() => fault.severity = Some((&*text).into()),
                b'V' => fault.severity = Some((&*text).into()),
                _ => {}
            }
        }
        if let Some(severity) = &fault.severity {
            fault.fields.set("postgresql.severity", &**severity);
        }
        fault
    }

    /// Whether the server ends the session with it.
    pub(super) fn is_fatal(&self) -> bool {
        self.severity.as_deref().is_some_and(|severity| matches!(severity, "FATAL" | "PANIC"))
    }

    /// A notice as psql shows it: `NOTICE:  relation "t" does not exist, skipping`.
    pub(super) fn notice(&self) -> String {
        let severity = self.severity.as_deref().unwrap_or("NOTICE");
        let (kept, cut) = match self.message.char_indices().nth(NOTICE) {
            Some((at, _)) => (self.message.get(..at).unwrap_or_default(), ELLIPSIS),
            None => (&*self.message, ""),
        };
        format!("{severity}:  {kept}{cut}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_notice_says_that_it_is_cut() {
        let notice = |length: usize| Fault::read(format!("SWARNING\0M{}\0\0", "é".repeat(length)).as_bytes()).notice();
        assert_eq!(notice(NOTICE), format!("WARNING:  {}", "é".repeat(NOTICE)));
        assert_eq!(notice(NOTICE + 1), format!("WARNING:  {}…", "é".repeat(NOTICE)));
    }
}
