//! One capture, packet by packet, as a stream: pcap or pcapng, to its last whole packet where it is cut short or damaged.

use super::comment;
use super::input::Bytes;
use super::pcap_file::{self, Pcap};
use super::pcapng::{self, Block, Section};
use super::window::{Need, Window};
use super::{MAX_PACKET, SourceError, SourceIds};
use crate::model::{LinkType, OwnedEnd, Packets, SourceId, SourceNews};
use crate::text::escape;
use crate::time::Time;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

/// The longest block that is read whole: libpcap's limit (`sf-pcapng.c`). A longer one is passed over, or damage.
const MAX_BLOCK: u32 = 16 * 1024 * 1024;
/// How many blocks without a packet, or pieces of a long one, are passed over before the caller is asked again: it may want to
/// stop.
const MAX_ROUNDS: usize = 64;

/// A capture that is being read.
pub(super) struct Capture {
    name: Arc<str>,
    label: Arc<str>,
    ids: SourceIds,
    window: Window,
    format: Format,
    interfaces: Vec<Seen>,
    current: Option<Current>,
    packets: u64,
    names: usize,
    last: Time,
    news: Vec<SourceNews>,
}

/// What a format's parser finds before a packet's bytes.
pub(super) struct Header {
    /// How many bytes follow.
    pub(super) captured: u32,
    /// The rest.
    pub(super) record: Record,
}

/// What is known of a packet beside its bytes.
#[derive(Clone, Copy)]
pub(super) struct Record {
    pub(super) time: Time,
    pub(super) link: LinkType,
    pub(super) wire_len: u32,
    pub(super) interface: u32,
}

/// How a step ended.
pub(super) enum Step {
    /// With a packet, of this time.
    Packet(Time),
    /// Nothing for now.
    Idle,
    /// Nothing yet, but there is more to read.
    Busy,
    /// Nothing any more.
    End,
}

enum Format {
    Unknown,
    Pcap(Pcap),
    Pcapng(Section, Skip),
    Ended,
}

/// What is left of a block that is passed over.
#[derive(Clone, Copy)]
enum Skip {
    Nothing,
    /// So many bytes, then the length again.
    Body {
        left: u64,
        len: u32,
    },
}

/// An interface of the capture: the same number in a later section counts as the same one.
struct Seen {
    id: SourceId,
    drops_before: u64,
    drops: u64,
    drops_told: u64,
}

/// The packet that the window begins with.
struct Current {
    record: Record,
    from: usize,
    len: usize,
    total: usize,
    /// What its comment says of the ends of its connection.
    owned: Vec<OwnedEnd>,
}

/// Why there is no packet.
enum Stop {
    Idle,
    Busy,
    End,
    Damage(String),
    Unusable(SourceError),
}

impl Capture {
    /// Opens a file. What is no capture is told at once, unless it is a pipe.
    pub(super) fn open(path: &Path, ids: &SourceIds) -> Result<Self, SourceError> {
        let name = path.to_string_lossy();
        let label: Arc<str> = escape(&name).into();
        let mut capture = Self::new(Bytes::open(path, &label)?, &name, label, ids);
        if capture.progress().is_some() {
            match capture.start() {
                Err(Stop::Unusable(error)) => return Err(error),
                Err(stop) => capture.stop(stop).map(drop)?,
                Ok(()) => {}
            }
        }
        Ok(capture)
    }

    /// Standard input.
    pub(super) fn stdin(ids: &SourceIds) -> Result<Self, SourceError> {
        let label: Arc<str> = "stdin".into();
        Ok(Self::new(Bytes::stdin(&label)?, "stdin", label, ids))
    }

    /// Reads `bytes`, which are called `name`.
    pub(super) fn new(bytes: Bytes, name: &str, label: Arc<str>, ids: &SourceIds) -> Self {
        let mut capture = Self {
            name: name.into(),
            label,
            ids: ids.clone(),
            window: Window::new(bytes),
            format: Format::Unknown,
            interfaces: Vec::new(),
            current: None,
            packets: 0,
            names: 0,
            last: Time::default(),
            news: Vec::new(),
        };
        capture.see();
        capture
    }

    /// Goes on to the next packet.
    pub(super) fn step(&mut self) -> Result<Step, SourceError> {
        if let Some(done) = self.current.take() {
            self.window.consume(done.total);
        }
        match self.advance() {
            Ok(current) => {
                self.packets += 1;
                self.last = current.record.time;
                self.current = Some(current);
                Ok(Step::Packet(self.last))
            }
            Err(stop) => self.stop(stop),
        }
    }

    /// Appends the packet that the last step came to.
    pub(super) fn deliver(&self, out: &mut Packets) {
        let Some(Current { record, from, len, owned, .. }) = &self.current else { return };
        let bytes = self.window.held().get(*from..*from + *len).unwrap_or_default();
        let seen = self.interfaces.get(record.interface as usize).or(self.interfaces.first());
        out.push(record.time, seen.map_or_else(SourceId::default, |seen| seen.id), record.link, record.wire_len, bytes);
        if !owned.is_empty() {
            out.own(owned.clone());
        }
    }

    /// Allows the next step to wait a little for a pipe.
    pub(super) fn be_patient(&mut self) {
        self.window.be_patient();
    }

    /// Bytes of the file that were read, and its size; none for a pipe.
    pub(super) fn progress(&self) -> Option<(u64, u64)> {
        self.window.progress()
    }

    /// Moves what is to be told beside packets to `out`.
    pub(super) fn tell(&mut self, out: &mut Packets) {
        out.news.append(&mut self.news);
        for seen in &mut self.interfaces {
            let drops = seen.drops_before.saturating_add(seen.drops);
            if drops != std::mem::replace(&mut seen.drops_told, drops) {
                out.news.push(SourceNews::KernelDrops(seen.id, drops));
            }
        }
    }

    fn advance(&mut self) -> Result<Current, Stop> {
        for _ in 0..MAX_ROUNDS {
            match self.format {
                Format::Unknown => self.start()?,
                Format::Pcap(pcap) => return self.record(pcap),
                Format::Pcapng(_, Skip::Nothing) => {
                    if let Some(packet) = self.block()? {
                        return Ok(packet);
                    }
                }
                Format::Pcapng(_, Skip::Body { left, len }) => self.skip(left, len)?,
                Format::Ended => return Err(Stop::End),
            }
        }
        Err(Stop::Busy)
    }

    /// Ends the capture, unless it may go on.
    fn stop(&mut self, stop: Stop) -> Result<Step, SourceError> {
        match stop {
            Stop::Idle => return Ok(Step::Idle),
            Stop::Busy => return Ok(Step::Busy),
            Stop::End => {}
            Stop::Damage(what) => {
                let (at, n) = (self.window.offset(), self.packets);
                let after = if n == 1 { "after 1 packet".into() } else { format!("after {n} packets") };
                let why = format!("{}: {what} at byte {at}, {after}: read to its last whole packet", self.label);
                let id = self.interfaces.first().map_or_else(SourceId::default, |seen| seen.id);
                self.news.push(SourceNews::Closed(id, why.into()));
            }
            Stop::Unusable(error) => {
                self.format = Format::Ended;
                return Err(error);
            }
        }
        self.format = Format::Ended;
        Ok(Step::End)
    }

    /// Finds out what it is.
    fn start(&mut self) -> Result<(), Stop> {
        let no_capture = |held: &[u8], label: &Arc<str>| {
            let bytes: Vec<_> = held.iter().take(8).map(|b| format!("{b:02x}")).collect();
            Stop::Unusable(SourceError::NoCapture(label.clone(), format!("it begins with {}", bytes.join(" "))))
        };
        match self.window.need(4) {
            Ok(Need::Ready) => {}
            Ok(Need::Idle) => return Err(Stop::Idle),
            Ok(Need::Short(0)) => return Err(Stop::Unusable(SourceError::Empty(self.label.clone()))),
            Ok(Need::Short(_)) => return Err(no_capture(self.window.held(), &self.label)),
            Err(e) => return Err(Stop::Unusable(SourceError::from_io(&self.label, e))),
        }
        let magic = self.window.held().first_chunk().copied().unwrap_or_default();
        let unsupported = |what| Stop::Unusable(SourceError::Unsupported(self.label.clone(), what));
        if pcap_file::begins(magic) {
            need(&mut self.window, pcap_file::FILE_HEADER)?;
            let pcap = Pcap::start(self.window.held()).unwrap_or_else(|| Err("pcap".into())).map_err(unsupported)?;
            self.window.consume(pcap_file::FILE_HEADER);
            self.format = Format::Pcap(pcap);
        } else if u32::from_le_bytes(magic) == pcapng::SECTION {
            need(&mut self.window, pcapng::SECTION_HEADER)?;
            match Section::start(self.window.held()) {
                Ok(Ok(section)) => self.format = Format::Pcapng(section, Skip::Nothing),
                Ok(Err(version)) => return Err(unsupported(version)),
                Err(_) => return Err(no_capture(self.window.held(), &self.label)),
            }
        } else {
            return Err(no_capture(self.window.held(), &self.label));
        }
        Ok(())
    }

    /// Reads one record of a pcap file.
    fn record(&mut self, pcap: Pcap) -> Result<Current, Stop> {
        let from = pcap.record_header();
        need(&mut self.window, from)?;
        let header = pcap.record(self.window.held()).ok_or(Stop::End)?;
        let len = packet_len(&header)?;
        need(&mut self.window, from + len)?;
        Ok(Current { record: header.record, from, len, total: from + len, owned: Vec::new() })
    }

    /// Reads one block of a pcapng file; most hold no packet.
    fn block(&mut self) -> Result<Option<Current>, Stop> {
        let Self { window, format: Format::Pcapng(section, skip), .. } = self else { return Err(Stop::End) };
        need(window, pcapng::BLOCK_HEADER)?;
        let (kind, _) = section.header(window.held()).ok_or(Stop::End)?;
        let begins_section = kind == pcapng::SECTION;
        if begins_section {
            need(window, pcapng::SECTION_HEADER)?;
            *section = Section::start(window.held()).and_then(|section| section).map_err(Stop::Damage)?;
        }
        let (_, len) = section.header(window.held()).ok_or(Stop::End)?;
        if len < pcapng::BLOCK_MIN || !len.is_multiple_of(4) {
            return Err(Stop::Damage(format!("a block of impossible length {len}")));
        }
        if begins_section || !pcapng::is_read(kind) || (len > MAX_BLOCK && pcapng::is_spare(kind)) {
            *skip = Skip::Body { left: u64::from(len) - 4, len };
            if begins_section {
                for seen in &mut self.interfaces {
                    seen.drops_before = seen.drops_before.saturating_add(std::mem::take(&mut seen.drops));
                }
            }
            return Ok(None);
        }
        if len > MAX_BLOCK {
            return Err(Stop::Damage(format!("a block of {len} bytes")));
        }
        let total = len as usize;
        need(window, total)?;
        let block = window.held().get(..total).unwrap_or_default();
        if section.trailer(block) != Some(len) {
            return Err(Stop::Damage("a block whose two lengths differ".into()));
        }
        let body = block.get(pcapng::BLOCK_HEADER..total - 4).unwrap_or_default();
        match section.block(kind, body, self.last).map_err(|what| Stop::Damage(what.into()))? {
            Block::Packet(header, from) => {
                let len = packet_len(&header)?;
                if from + len > body.len() {
                    return Err(Stop::Damage("a packet that is longer than its block".into()));
                }
                let owned = section.comments(kind, body, from + len).find_map(comment::parse).unwrap_or_default();
                return Ok(Some(Current { record: header.record, from: pcapng::BLOCK_HEADER + from, len, total, owned }));
            }
            Block::Drops(interface, drops) => {
                if let Some(seen) = self.interfaces.get_mut(interface as usize) {
                    seen.drops = drops;
                }
            }
            Block::Names(names) => {
                let names = names.into_iter().take(pcapng::MAX_NAMES - self.names);
                let names = names.map(|(ip, name)| SourceNews::Name(ip, name.into()));
                let before = self.news.len();
                self.news.extend(names);
                self.names += self.news.len() - before;
            }
            Block::Interface(number) if number as usize == self.interfaces.len() => self.see(),
            Block::Interface(_) | Block::Other => {}
        }
        self.window.consume(total);
        Ok(None)
    }

    /// Passes over what is there of a block without holding it.
    fn skip(&mut self, left: u64, len: u32) -> Result<(), Stop> {
        let Self { window, format: Format::Pcapng(section, skip), .. } = self else { return Err(Stop::End) };
        let cut = |stop| if matches!(stop, Stop::End) { Stop::Damage(CUT.into()) } else { stop };
        if left > 0 {
            need(window, 1).map_err(cut)?;
            let left = left - window.consume(usize::try_from(left).unwrap_or(usize::MAX)) as u64;
            *skip = Skip::Body { left, len };
            return Ok(());
        }
        need(window, 4).map_err(cut)?;
        if section.trailer(window.held().get(..4).unwrap_or_default()) != Some(len) {
            return Err(Stop::Damage("a block whose two lengths differ".into()));
        }
        window.consume(4);
        *skip = Skip::Nothing;
        Ok(())
    }

    /// Takes the next interface in.
    fn see(&mut self) {
        let id = self.ids.next();
        self.interfaces.push(Seen { id, drops_before: 0, drops: 0, drops_told: 0 });
        self.news.push(SourceNews::Opened(id, self.name.clone()));
    }
}

const CUT: &str = "cut short";

/// Whether `n` bytes are there; an end before the first of them is an end, one after it damage.
fn need(window: &mut Window, n: usize) -> Result<(), Stop> {
    match window.need(n) {
        Ok(Need::Ready) => Ok(()),
        Ok(Need::Idle) => Err(Stop::Idle),
        Ok(Need::Short(0)) => Err(Stop::End),
        Ok(Need::Short(_)) => Err(Stop::Damage(CUT.into())),
        Err(e) => Err(Stop::Damage(unreadable(e))),
    }
}

fn unreadable(error: io::Error) -> String {
    match error.kind() {
        ErrorKind::UnexpectedEof => CUT.into(),
        ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::Other => format!("damaged compression ({error})"),
        _ => format!("unreadable ({error})"),
    }
}

fn packet_len(header: &Header) -> Result<usize, Stop> {
    match usize::try_from(header.captured) {
        Ok(len) if len <= MAX_PACKET => Ok(len),
        _ => Err(Stop::Damage(format!("a packet of impossible length {}", header.captured))),
    }
}
