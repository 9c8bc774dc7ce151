//! Messages out of the bytes of one side's body, as they come: nothing of them but where they begin and end.

use super::COMPRESSED;
use super::trial::{Trial, Verdict};
use crate::decode::Input;
use crate::model::Stamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// The length of what stands before a message, in bytes.
const PREFIX: usize = 5;
/// The flags that there are.
const FLAGS: u8 = 0x83;
/// How much is kept of what ends a call in place of a message, however little of a message is: it tells the status.
pub const ENDING: usize = 16 * 1024;

/// A message, or what else is put in its place.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its flags.
    pub flags: u8,
    /// The packet that brought its first byte.
    pub first: Stamp,
    /// Its first bytes.
    pub kept: Vec<u8>,
    /// Its length, in bytes.
    pub bytes: u64,
    /// Whether all of it was seen.
    pub whole: bool,
    /// Whether it is one at all.
    pub sure: bool,
    /// Whether no more of it is kept.
    full: bool,
}

/// How much of a message is kept: at most so many bytes, of which as many are held as this grants.
pub struct Room<'a> {
    /// The most.
    pub keep: usize,
    /// Asked for so many bytes.
    pub hold: &'a mut dyn FnMut(usize) -> usize,
}

/// Reads one side.
#[derive(Debug, Default)]
pub struct Reader {
    form: Form,
    pub(super) state: State,
}

/// How messages are put into a body.
#[derive(Debug, Default, PartialEq, Eq)]
enum Form {
    /// One after the other, each with its flags and length.
    #[default]
    Framed,
    /// The same in base64, of which these characters wait for the rest of their group.
    Base64(Vec<u8>),
    /// The body is one.
    Body,
}

/// What is awaited.
#[derive(Debug)]
pub(super) enum State {
    /// The rest of a prefix, of which this came, with its first byte's packet.
    Prefix(Vec<u8>, Stamp),
    /// So many bytes of a message.
    Message(Piece, u64),
    /// The next frame: where messages begin is lost.
    Lost,
    /// What shows that messages begin where a frame did.
    Trial(Box<Trial>),
}

impl Default for State {
    fn default() -> Self {
        Self::Prefix(Vec::new(), Stamp::default())
    }
}

impl Piece {
    /// A message that did not come in pieces: its first bytes, and its length in bytes.
    pub fn of(first: Stamp, kept: Vec<u8>, bytes: u64) -> Self {
        Self { kept, bytes, ..Self::empty(first) }
    }

    fn empty(first: Stamp) -> Self {
        Self { flags: 0, first, kept: Vec::new(), bytes: 0, whole: true, sure: true, full: false }
    }
}

impl Reader {
    /// Of a body in base64.
    pub fn base64() -> Self {
        Self { form: Form::Base64(Vec::new()), ..Self::default() }
    }

    /// Of a body that is one message, after a head that began at `first`: so did the message, where it has no byte.
    pub fn body(first: Stamp) -> Self {
        Self { form: Form::Body, state: State::Prefix(Vec::new(), first) }
    }

    /// Whether where messages begin is lost: what comes is not read.
    pub fn is_lost(&self) -> bool {
        !self.is_body() && matches!(self.state, State::Lost)
    }

    /// Of a body beside which the message came.
    pub fn spent() -> Self {
        Self { form: Form::Body, state: State::Lost }
    }

    /// Whether the body is one message.
    pub fn is_body(&self) -> bool {
        self.form == Form::Body
    }

    /// A frame of HTTP's begins, with so many bytes of content. Where messages begin was lost, they are looked for at its beginning.
    pub fn frame(&mut self, length: u64) {
        match &mut self.state {
            State::Lost if self.form == Form::Framed => self.state = State::Trial(Box::new(Trial::new(length))),
            State::Trial(trial) => trial.frame(length),
            State::Prefix(..) | State::Message(..) | State::Lost => {}
        }
    }

    /// Reads on, keeping as much of a message as there is room for. Whether these can be messages.
    pub fn read(&mut self, input: Input<'_>, room: &mut Room<'_>, out: &mut Vec<Piece>) -> bool {
        match &mut self.form {
            Form::Framed => self.framed(input.data, &|i| input.at(i), room, out),
            Form::Base64(group) => {
                let mut group = std::mem::take(group);
                let mut valid = true;
                for (i, byte) in input.data.iter().enumerate().filter(|(_, b)| !b.is_ascii_whitespace()) {
                    group.push(*byte);
                    if group.len() == 4 {
                        let bytes = BASE64.decode(&group);
                        group.clear();
                        valid &= bytes.is_ok_and(|bytes| self.framed(&bytes, &|_| input.at(i), room, out));
                    }
                }
                self.form = Form::Base64(group);
                valid
            }
            Form::Body => {
                if let State::Prefix(..) = self.state {
                    self.state = State::Message(Piece::empty(input.at(0)), 0);
                }
                if let State::Message(piece, _) = &mut self.state {
                    piece.bytes += input.data.len() as u64;
                    room.fill(piece, input.data);
                }
                true
            }
        }
    }

    pub(super) fn framed(
        &mut self,
        mut data: &[u8],
        at: &dyn Fn(usize) -> Stamp,
        room: &mut Room<'_>,
        out: &mut Vec<Piece>,
    ) -> bool {
        let total = data.len();
        while !data.is_empty() {
            match &mut self.state {
                State::Lost => return true,
                State::Trial(trial) => {
                    match trial.read(data, &|i| at(total - data.len() + i), room) {
                        Verdict::Open => {}
                        Verdict::Yes => {
                            out.append(&mut trial.found);
                            self.state = std::mem::take(&mut trial.reader.state);
                        }
                        Verdict::No => self.lose(out),
                    }
                    return true;
                }
                State::Prefix(prefix, first) => {
                    if prefix.is_empty() {
                        *first = at(total - data.len());
                    }
                    let (taken, rest) = data.split_at((PREFIX - prefix.len()).min(data.len()));
                    prefix.extend_from_slice(taken);
                    data = rest;
                    let Some(&[flags, a, b, c, d]) = prefix.first_chunk() else { return true };
                    let bytes = u64::from(u32::from_be_bytes([a, b, c, d]));
                    let piece = Piece { flags, bytes, ..Piece::empty(*first) };
                    if flags & !FLAGS != 0 {
                        self.state = State::Lost;
                        return false;
                    }
                    self.state = State::Message(piece, bytes);
                }
                State::Message(piece, left) => {
                    let (taken, rest) = data.split_at(usize::try_from(*left).unwrap_or(usize::MAX).min(data.len()));
                    room.fill(piece, taken);
                    *left -= taken.len() as u64;
                    data = rest;
                }
            }
            out.extend(self.whole());
        }
        true
    }

    /// The message that is whole now.
    fn whole(&mut self) -> Option<Piece> {
        match std::mem::take(&mut self.state) {
            State::Message(piece, 0) => Some(piece),
            state => {
                self.state = state;
                None
            }
        }
    }

    /// `len` bytes are lost. A message that ends with them is given.
    pub fn gap(&mut self, len: u64, out: &mut Vec<Piece>) {
        match (&self.form, &mut self.state) {
            (Form::Framed, State::Message(piece, left)) if *left >= len => {
                piece.whole = false;
                *left -= len;
                out.extend(self.whole());
            }
            (Form::Body, State::Prefix(_, first)) => {
                self.state = State::Message(Piece { bytes: len, whole: false, ..Piece::empty(*first) }, 0);
            }
            (Form::Body, State::Message(piece, _)) => {
                piece.whole = false;
                piece.bytes += len;
            }
            _ => self.lose(out),
        }
    }

    /// Bytes are lost, nobody knows how many: the rest is not read. What there is of a message is given.
    pub fn lose(&mut self, out: &mut Vec<Piece>) {
        match std::mem::replace(&mut self.state, State::Lost) {
            State::Message(piece, _) => out.push(Piece { whole: false, ..piece }),
            State::Trial(trial) => trial.fail(out),
            State::Prefix(..) | State::Lost => {}
        }
    }

    /// The last byte of the side was seen: what only waited for that is given.
    pub fn last(&mut self, out: &mut Vec<Piece>) {
        if let State::Trial(trial) = &mut self.state
            && trial.fits()
        {
            out.append(&mut trial.found);
        }
    }

    /// The side is over; `whole` tells that all of it was seen. What there is of a message is given.
    pub fn end(&mut self, whole: bool, out: &mut Vec<Piece>) {
        match std::mem::replace(&mut self.state, State::Lost) {
            State::Message(piece, _) if self.form == Form::Body => out.push(Piece { whole: piece.whole && whole, ..piece }),
            State::Message(piece, _) => out.push(Piece { whole: false, ..piece }),
            // a body without a byte is an empty message
            State::Prefix(_, first) if self.form == Form::Body && whole => out.push(Piece::empty(first)),
            State::Trial(trial) => trial.fail(out),
            State::Prefix(..) | State::Lost => {}
        }
    }

    /// Whether a message may begin with the next byte.
    pub(super) fn is_between(&self) -> bool {
        matches!(&self.state, State::Prefix(prefix, _) if prefix.is_empty())
    }
}

impl Room<'_> {
    /// Keeps the beginning of a message; nothing behind a gap, or behind what there was no room for.
    fn fill(&mut self, piece: &mut Piece, bytes: &[u8]) {
        if piece.full || !piece.whole {
            return;
        }
        let keep = if piece.flags & !COMPRESSED == 0 { self.keep } else { self.keep.max(ENDING) };
        let held = (self.hold)(bytes.len().min(keep.saturating_sub(piece.kept.len())));
        piece.kept.extend_from_slice(bytes.get(..held).unwrap_or(bytes));
        piece.full = held < bytes.len();
    }
}
