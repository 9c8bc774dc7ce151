//! One DNS message (RFC 1035 §4.1, RFC 6891): its header, its question and its answers. Which of them pair is not seen here.
//!
//! ```text
//!  id | QR opcode AA TC RD RA Z AD CD rcode | questions | answers | authorities | additional     16 bits each
//!  name type class                                                                               the question
//!  name type class ttl length data                                                               a record
//! ```

use super::name;
use super::record::{self, Data};
use crate::decode::cursor::Cursor;

/// Answers of one message that are kept: more than a person reads, and what compressed names can grow into stays small.
pub(super) const ANSWERS: usize = 64;

/// An ordinary query; NOTIFY (RFC 1996) and UPDATE (RFC 2136) are framed alike.
pub(super) const QUERY: u8 = 0;
pub(super) const NOTIFY: u8 = 4;
pub(super) const UPDATE: u8 = 5;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) id: u16,
    /// Whether it answers.
    pub(super) response: bool,
    pub(super) opcode: u8,
    /// The response code, with EDNS's part of it.
    pub(super) code: u16,
    /// Whether the answer had no room (TC).
    pub(super) truncated: bool,
    /// None in the later messages of a transfer, and where a server could not read it.
    pub(super) question: Option<Question>,
    /// At most [`ANSWERS`].
    pub(super) answers: Vec<Record>,
    /// How many answers it says it has.
    pub(super) count: usize,
    /// Whether every record was read and nothing follows.
    pub(super) whole: bool,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) name: String,
    pub(super) kind: u16,
    pub(super) class: u16,
}

/// Names are the same in any case (RFC 4343 §3).
impl PartialEq for Question {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, self.class) == (other.kind, other.class) && self.name.eq_ignore_ascii_case(&other.name)
    }
}

impl Eq for Question {}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) kind: u16,
    pub(super) data: Data,
}

impl Message {
    /// Reads a message. None where it is none, or ends before its question does.
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        Self::read_if(data, |_| true)
    }

    /// The same; none also where it is not `wanted`, which is asked before the records are read.
    pub(super) fn read_if(data: &[u8], wanted: impl FnOnce(&Self) -> bool) -> Option<Self> {
        if !plausible(data) {
            return None;
        }
        let mut c = Cursor::new(data);
        let (id, flags) = (c.u16()?, c.u16()?);
        let [questions, answers, authorities, additional] = [c.u16()?, c.u16()?, c.u16()?, c.u16()?];
        let question = match questions {
            0 => None,
            _ => Some(Question { name: name::read(&mut c)?, kind: c.u16()?, class: c.u16()? }),
        };
        let mut message = Self {
            id,
            response: flags >> 15 == 1,
            opcode: opcode(flags),
            code: flags & 0xf,
            truncated: flags & 0x200 != 0,
            question,
            answers: Vec::new(),
            count: usize::from(answers),
            whole: false,
        };
        if !wanted(&message) {
            return None;
        }
        let rest = usize::from(authorities) + usize::from(additional);
        message.whole = message.records(&mut c, rest).is_some() && c.rest().is_empty();
        Some(message)
    }

    /// The answers, and `rest` records that are passed over.
    fn records(&mut self, c: &mut Cursor<'_>, rest: usize) -> Option<()> {
        for n in 0..self.count + rest {
            let name = if n < self.count.min(ANSWERS) { Some(name::read(c)?) } else { name::skip(c).map(|()| None)? };
            let (kind, _class, ttl) = (c.u16()?, c.u16()?, c.u32()?);
            let length = usize::from(c.u16()?);
            if let Some(name) = name {
                let data = Data::read(kind, c, length)?;
                self.answers.push(Record { name, kind, data });
                continue;
            }
            c.take(length)?;
            if n >= self.count && kind == record::OPT {
                // the upper eight bits of the response code (RFC 6891 §6.1.3)
                self.code |= (ttl >> 24 << 4) as u16;
            }
        }
        Some(())
    }
}

/// Whether as much of a header as is there may be one that is read.
pub(super) fn plausible(data: &[u8]) -> bool {
    let mut c = Cursor::new(data);
    c.u16();
    let Some(flags) = c.u16() else { return true };
    let query = flags >> 15 == 0;
    let known = matches!(opcode(flags), QUERY | NOTIFY | UPDATE);
    // a bit that is to be zero, and a code that only an answer has
    if !known || flags & 0x40 != 0 || query && flags & 0xf != 0 {
        return false;
    }
    let (questions, answers) = (c.u16(), c.u16());
    let asks = questions.is_none_or(|n| n == 1 || n == 0 && !query);
    asks && (!query || opcode(flags) != QUERY || answers.is_none_or(|n| n == 0))
}

const fn opcode(flags: u16) -> u8 {
    (flags >> 11 & 0xf) as u8
}
