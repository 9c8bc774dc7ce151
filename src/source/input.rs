//! The bytes of a capture, whatever they come from: a file, a pipe, standard input; plain, gzip or zstd, told by content.

use super::{PATIENCE, SourceError};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::fs::{self, File};
use std::io::{self, BufReader, Cursor, ErrorKind, IsTerminal, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// What a read asks for at once.
const CHUNK: usize = 64 * 1024;
/// Chunks of a pipe that may wait for us: a mebibyte; then its writer waits.
const CHUNKS_WAITING: usize = 16;
/// What is inflated at once. Where compressed data is damaged, what one call had inflated is lost: so it is little.
const INFLATE_AT_ONCE: usize = 4096;
/// The largest window of a zstd frame: 128 MiB, the limit of the `zstd` command itself.
const ZSTD_WINDOW_LOG: u32 = 27;

/// Plain bytes of a capture.
pub(super) enum Bytes {
    /// A file on disk is read where it is asked for.
    File { plain: Box<dyn io::Read + Send>, done: Arc<AtomicU64>, size: u64 },
    /// What may block is read by a thread of its own, which starts with the first read.
    Pipe { thread: Option<Box<dyn FnOnce() + Send>>, chunks: Receiver<Chunk>, chunk: Vec<u8>, taken: usize, patient: bool },
}

type Chunk = io::Result<Vec<u8>>;

/// How a read ended.
pub(super) enum Read {
    /// So many bytes.
    Some(usize),
    /// Nothing now.
    Idle,
    /// Nothing any more.
    End,
}

impl Bytes {
    /// Opens the file at `path`; a pipe or a device is read by a thread.
    pub(super) fn open(path: &Path, name: &Arc<str>) -> Result<Self, SourceError> {
        let failed = |e| SourceError::from_io(name, e);
        let kind = fs::metadata(path).map_err(failed)?;
        if kind.is_dir() {
            return Err(SourceError::Folder(name.clone()));
        }
        if !kind.is_file() {
            let path = PathBuf::from(path);
            return Ok(Self::pipe(move || File::open(path)));
        }
        let file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let done = Arc::new(AtomicU64::new(0));
        let plain = plain(Counted { file, done: done.clone() }).map_err(failed)?;
        Ok(Self::File { plain, done, size })
    }

    /// Plain bytes in memory.
    pub(super) fn bundled(bytes: &'static [u8]) -> Self {
        let size = bytes.len() as u64;
        Self::File { plain: Box::new(bytes), done: Arc::new(AtomicU64::new(size)), size }
    }

    /// Standard input.
    pub(super) fn stdin(name: &Arc<str>) -> Result<Self, SourceError> {
        if io::stdin().is_terminal() {
            return Err(SourceError::Terminal(name.clone()));
        }
        Ok(Self::pipe(|| Ok(io::stdin())))
    }

    /// What `open` gives, opened and read by a thread of its own, which ends with the pipe, or when nobody listens any more.
    pub(super) fn pipe<R: io::Read + Send + 'static>(open: impl FnOnce() -> io::Result<R> + Send + 'static) -> Self {
        let (to, chunks) = crossbeam_channel::bounded(CHUNKS_WAITING);
        let thread = move || {
            if let Err(e) = open().and_then(plain).and_then(|from| pump(from, &to)) {
                // nobody listens: nobody minds
                let _ = to.send(Err(e));
            }
        };
        Self::Pipe { thread: Some(Box::new(thread)), chunks, chunk: Vec::new(), taken: 0, patient: true }
    }

    /// Allows the next read of an empty pipe to wait for [`PATIENCE`]; the ones after it do not wait.
    pub(super) fn be_patient(&mut self) {
        if let Self::Pipe { patient, .. } = self {
            *patient = true;
        }
    }

    /// Reads into `buf`.
    pub(super) fn read(&mut self, buf: &mut [u8]) -> io::Result<Read> {
        match self {
            Self::File { plain, .. } => loop {
                match plain.read(buf) {
                    Ok(0) => return Ok(Read::End),
                    Ok(n) => return Ok(Read::Some(n)),
                    Err(e) if e.kind() == ErrorKind::Interrupted => {}
                    Err(e) => return Err(e),
                }
            },
            Self::Pipe { thread, chunks, chunk, taken, patient } => {
                if let Some(thread) = thread.take() {
                    thread::Builder::new().name("pipe".into()).spawn(thread)?;
                }
                if *taken == chunk.len() {
                    let wait = if std::mem::take(patient) { PATIENCE } else { Default::default() };
                    *chunk = match chunks.recv_timeout(wait) {
                        Ok(chunk) => chunk?,
                        Err(RecvTimeoutError::Timeout) => return Ok(Read::Idle),
                        Err(RecvTimeoutError::Disconnected) => return Ok(Read::End),
                    };
                    *taken = 0;
                }
                let n = chunk.get(*taken..).unwrap_or_default().read(buf)?;
                *taken += n;
                Ok(Read::Some(n))
            }
        }
    }

    /// Bytes of the file that were read, and its size; none for a pipe.
    pub(super) fn progress(&self) -> Option<(u64, u64)> {
        match self {
            Self::File { done, size, .. } => Some((done.load(Ordering::Relaxed).min(*size), *size)),
            Self::Pipe { .. } => None,
        }
    }
}

/// Undoes what the first bytes say that it is wrapped in (RFC 1952 §2.3.1; RFC 8878 §3.1.1 and §3.1.2).
fn plain<R: io::Read + Send + 'static>(mut from: R) -> io::Result<Box<dyn io::Read + Send>> {
    let mut magic = Vec::new();
    from.by_ref().take(4).read_to_end(&mut magic)?;
    let wrapped = magic.clone();
    let whole = BufReader::with_capacity(CHUNK, Cursor::new(magic).chain(from));
    Ok(match wrapped.as_slice() {
        [0x1f, 0x8b, ..] => Box::new(Little(flate2::bufread::MultiGzDecoder::new(whole))),
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
            let mut inflated = zstd::stream::read::Decoder::with_buffer(whole)?;
            inflated.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(Little(inflated))
        }
        _ => Box::new(whole),
    })
}

/// Hands on what arrives, as it arrives.
fn pump(mut from: impl io::Read, to: &Sender<Chunk>) -> io::Result<()> {
    let mut buf = vec![0; CHUNK];
    loop {
        let n = match from.read(&mut buf) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        let chunk = buf.get(..n).unwrap_or_default().to_vec();
        if to.send(Ok(chunk)).is_err() {
            return Ok(());
        }
    }
}

/// Counts what is read of a file.
struct Counted {
    file: File,
    done: Arc<AtomicU64>,
}

impl io::Read for Counted {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buf)?;
        self.done.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// Reads [`INFLATE_AT_ONCE`] at most.
struct Little<R>(R);

impl<R: io::Read> io::Read for Little<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = buf.len().min(INFLATE_AT_ONCE);
        self.0.read(buf.get_mut(..n).unwrap_or_default())
    }
}
