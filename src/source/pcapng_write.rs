//! Packets as a pcapng file (draft-ietf-opsawg-pcapng), little-endian, with nanoseconds. Which packets, the caller decides.
//!
//! ```text
//!  section header · [interface description, before the first packet that needs it]
//!                 · enhanced packets, some with a comment · [name resolution] · … · interface statistics, at the end
//! ```

use super::private_file::{self, Owner};
use crate::model::{LinkType, Packet, SourceId, SourceNews};
use crate::text::escape;
use crate::time::Time;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// What is gathered before it is written: the reader meets the disk only now and then.
const BUFFER: usize = 1024 * 1024;
/// The longest value of an option or a record.
const MAX_VALUE: usize = 65_532;

/// Writes one section.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    label: Arc<str>,
    block: Vec<u8>,
    interfaces: HashMap<(SourceId, LinkType), u32>,
    sources: HashMap<SourceId, Known>,
    last: Time,
    broken: bool,
    unwritten: u64,
}

/// What the sources' news told.
#[derive(Debug, Default)]
struct Known {
    name: Option<Arc<str>>,
    drops: Option<u64>,
}

/// Why a capture could not be written: one line.
#[derive(Debug, Error)]
pub enum WriteError {
    /// Standard output is taken.
    #[error("-w -: standard output is not for packets: name a file")]
    Stdout,
    /// It would destroy what it is made from.
    #[error("-w {0}: it is being read: name another file")]
    BeingRead(Arc<str>),
    /// It could not be created.
    #[error("-w {0}: cannot be created: {1}")]
    Create(Arc<str>, io::Error),
    /// A write failed: nothing more is written.
    #[error("-w {0}: writing stopped, the file is cut short: {1}")]
    Stopped(Arc<str>, io::Error),
}

impl Writer<BufWriter<File>> {
    /// Creates `path` as [`private_file::create`] does; refuses to overwrite one of the files being `read`.
    pub fn create(path: &Path, read: &[PathBuf], sudo: Option<Owner>) -> Result<Self, WriteError> {
        if path == Path::new("-") {
            return Err(WriteError::Stdout);
        }
        let label: Arc<str> = escape(&path.to_string_lossy()).into();
        let real = path.canonicalize();
        if real.is_ok_and(|real| read.iter().any(|other| other.canonicalize().is_ok_and(|other| other == real))) {
            return Err(WriteError::BeingRead(label));
        }
        let file = private_file::create(path, sudo).map_err(|e| WriteError::Create(label.clone(), e))?;
        Self::new(BufWriter::with_capacity(BUFFER, file), label)
    }
}

impl<W: Write> Writer<W> {
    /// Begins a section on `out`, which errors call `label`.
    pub fn new(out: W, label: Arc<str>) -> Result<Self, WriteError> {
        let (interfaces, sources) = (HashMap::new(), HashMap::new());
        let mut writer =
            Self { out, label, block: Vec::new(), interfaces, sources, last: Time::default(), broken: false, unwritten: 0 };
        let order = 0x1a2b_3c4d_u32.to_le_bytes();
        let fixed: [&[u8]; 4] = [&order, &1u16.to_le_bytes(), &0u16.to_le_bytes(), &(-1i64).to_le_bytes()];
        let application = concat!("meshtop ", env!("CARGO_PKG_VERSION"));
        writer.block(0x0a0d_0d0a, |block| {
            fixed.iter().for_each(|part| block.extend_from_slice(part));
            option(block, 4, application.as_bytes());
            option(block, 0, &[]);
        })?;
        Ok(writer)
    }

    /// Remembers what the interfaces are called and what they lost.
    pub fn news(&mut self, news: &SourceNews) {
        match news {
            SourceNews::Opened(source, name) => self.sources.entry(*source).or_default().name = Some(name.clone()),
            SourceNews::KernelDrops(source, drops) => self.sources.entry(*source).or_default().drops = Some(*drops),
            SourceNews::Zone(..)
            | SourceNews::Closed(..)
            | SourceNews::Told(_)
            | SourceNews::Warned(_)
            | SourceNews::Packets(..)
            | SourceNews::Progress(..)
            | SourceNews::Tap(..)
            | SourceNews::Name(..) => {}
        }
    }

    /// Describes an interface before its first packet, so that the file names it even where none comes. A `snaplen` of 0 is none.
    pub fn interface(&mut self, source: SourceId, link: LinkType, snaplen: u32) -> Result<u32, WriteError> {
        if let Some(&number) = self.interfaces.get(&(source, link)) {
            return Ok(number);
        }
        let number = self.interfaces.len() as u32;
        self.interfaces.insert((source, link), number);
        let name = self.sources.get(&source).and_then(|known| known.name.clone());
        // the field has 16 bits, as LINKTYPE values have
        let link = u16::try_from(link.0).unwrap_or(u16::MAX);
        self.block(1, |block| {
            block.extend_from_slice(&link.to_le_bytes());
            block.extend_from_slice(&0u16.to_le_bytes());
            block.extend_from_slice(&snaplen.to_le_bytes());
            if let Some(name) = &name {
                option(block, 2, name.as_bytes());
            }
            option(block, 9, &[9]);
            option(block, 0, &[]);
        })?;
        Ok(number)
    }

    /// Writes one packet, and what there is to say of it.
    ///
    /// A write that fails is told once; later packets are counted in [`Self::unwritten`], so that the watch may go on. The
    /// program then exits with 1, as tcpdump does.
    pub fn packet(&mut self, packet: &Packet, bytes: &[u8], comment: Option<&str>) -> Result<(), WriteError> {
        if self.broken {
            self.unwritten += 1;
            return Ok(());
        }
        let interface = self.interface(packet.source, packet.link, 0)?;
        self.last = packet.stamp.time;
        let [high, low] = halves(packet.stamp.time);
        self.block(6, |block| {
            for number in [interface, high, low, bytes.len() as u32, packet.wire_len] {
                block.extend_from_slice(&number.to_le_bytes());
            }
            block.extend_from_slice(bytes);
            pad(block);
            if let Some(comment) = comment {
                option(block, 1, comment.as_bytes());
                option(block, 0, &[]);
            }
        })
    }

    /// Writes names of addresses. Wireshark shows them; so does reading the file again.
    pub fn names<'a>(&mut self, names: impl IntoIterator<Item = (IpAddr, &'a str)>) -> Result<(), WriteError> {
        let mut names = names.into_iter().filter(|(_, name)| !name.contains('\0')).peekable();
        if names.peek().is_none() {
            return Ok(());
        }
        self.block(4, |block| {
            for (ip, name) in names {
                let (code, mut value) = match ip {
                    IpAddr::V4(ip) => (1, ip.octets().to_vec()),
                    IpAddr::V6(ip) => (2, ip.octets().to_vec()),
                };
                value.extend_from_slice(name.as_bytes());
                value.push(0);
                option(block, code, &value);
            }
            option(block, 0, &[]);
        })
    }

    /// Hands what is gathered to the system, so that others see it: when nothing comes for a while.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        let done = if self.broken { Ok(()) } else { self.out.flush() };
        self.check(done)
    }

    /// Writes what the interfaces lost, and flushes.
    pub fn finish(&mut self) -> Result<(), WriteError> {
        // libpcap reads no capture without an interface: one that saw no packet is described as what most are
        if self.interfaces.is_empty() {
            let source = self.sources.keys().min().copied().unwrap_or_default();
            self.interface(source, LinkType(1), 0)?;
        }
        let mut lost: Vec<_> = self
            .interfaces
            .iter()
            .filter_map(|((source, _), number)| Some((*source, *number, self.sources.get(source)?.drops?)))
            .collect();
        // one source with two link types lost its packets once
        lost.sort_unstable();
        lost.dedup_by_key(|(source, ..)| *source);
        for (_, interface, drops) in lost {
            let [high, low] = halves(self.last);
            self.block(5, |block| {
                for number in [interface, high, low] {
                    block.extend_from_slice(&number.to_le_bytes());
                }
                option(block, 5, &drops.to_le_bytes());
                option(block, 0, &[]);
            })?;
        }
        self.flush()
    }

    /// Packets that came after a write had failed.
    pub fn unwritten(&self) -> u64 {
        self.unwritten
    }

    fn block(&mut self, kind: u32, body: impl FnOnce(&mut Vec<u8>)) -> Result<(), WriteError> {
        if self.broken {
            return Ok(());
        }
        self.block.clear();
        self.block.extend_from_slice(&kind.to_le_bytes());
        self.block.extend_from_slice(&[0; 4]);
        body(&mut self.block);
        let len = (self.block.len() as u32 + 4).to_le_bytes();
        self.block.extend_from_slice(&len);
        self.block.iter_mut().skip(4).zip(len).for_each(|(to, from)| *to = from);
        let done = self.out.write_all(&self.block);
        self.check(done)
    }

    fn check(&mut self, done: io::Result<()>) -> Result<(), WriteError> {
        done.map_err(|e| {
            self.broken = true;
            WriteError::Stopped(self.label.clone(), e)
        })
    }
}

/// A time stamp in nanoseconds, high half first; what was before 1970 has none.
fn halves(time: Time) -> [u32; 2] {
    let nanos = time.nanos().max(0).cast_unsigned();
    [(nanos >> 32) as u32, nanos as u32]
}

/// An option or a record: code, length, value, padding.
fn option(block: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = value.get(..MAX_VALUE).unwrap_or(value);
    block.extend_from_slice(&code.to_le_bytes());
    block.extend_from_slice(&(value.len() as u16).to_le_bytes());
    block.extend_from_slice(value);
    pad(block);
}

fn pad(block: &mut Vec<u8>) {
    block.resize(block.len().next_multiple_of(4), 0);
}
