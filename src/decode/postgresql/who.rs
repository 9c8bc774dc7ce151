//! Whose session it is, as its client and its server said when it began. Each of its flows tells it; very many sessions hold it, as the
//! wire has it, which takes the least room.

use crate::decode::cursor::Cursor;
use crate::model::{Fields, text_of};

/// Who asks for what, and which process of the server answers.
#[derive(Debug, Default)]
pub(super) struct Who {
    /// Those of the startup message's parameters that are told: name, NUL, value, NUL.
    parameters: Box<[u8]>,
    /// What BackendKeyData said.
    pub(super) pid: Option<u32>,
}

/// What a parameter is told as.
fn field(name: &[u8]) -> Option<&'static str> {
    match name {
        b"user" => Some("postgresql.user"),
        b"database" => Some("postgresql.database"),
        b"application_name" => Some("postgresql.application"),
        _ => None,
    }
}

/// Names and values, up to an empty name.
fn pairs(parameters: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut c = Cursor::new(parameters);
    std::iter::from_fn(move || Some((c.text().filter(|name| !name.is_empty())?, c.text()?)))
}

impl Who {
    /// By what stands in a startup message behind its version.
    pub(super) fn new(parameters: &[u8]) -> Self {
        let told = pairs(parameters).filter(|(name, _)| field(name).is_some());
        let parameters = told.flat_map(|(name, value)| [name, b"\0", value, b"\0"]).collect::<Vec<_>>().concat().into();
        Self { parameters, pid: None }
    }

    /// As a flow's fields.
    pub(super) fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in pairs(&self.parameters) {
            if let Some(field) = field(name) {
                fields.set(field, &*text_of(value));
            }
        }
        if let Some(pid) = self.pid {
            fields.set("postgresql.pid", i64::from(pid));
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_a_session_comes_out_as_it_was_said() {
        let mut who =
            Who::new(b"user\0shop\0DateStyle\0ISO\0application_name\0\0database\0a\xff\0user\0again\0\0database\0behind\0");
        who.pid = Some(7);
        let told = Fields::default().with("postgresql.user", "again").with("postgresql.application", "");
        assert_eq!(who.fields(), told.with("postgresql.database", &*text_of(b"a\xff")).with("postgresql.pid", 7_i64));
        assert_eq!(Who::new(b"user\0cut").fields(), Fields::default());
    }
}
