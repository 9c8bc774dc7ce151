//! What comes by the tap's connection, on its way to lapin: a message's method and header are put into a table of their own as the bytes
//! that they are. lapin reads nothing of them, so that they are read as on the wire: any bytes as text, tables as deep as they are, in
//! order and with duplicates.
//!
//! ```text
//!  | deliver: tag, number, exchange, key |  header: size, properties                    | body …
//!  | deliver: tag, number, "", ""        |  header: size, headers {method: x, header: x} | body …
//! ```

use crate::decode::amqp::field::short;
use crate::decode::amqp::frame::{END, Frame, HEAD, Kind, Start};
use crate::decode::amqp::message::BASIC;
use crate::decode::cursor::Cursor;
use async_compat::Compat;
use async_rs::Tokio;
use async_rs::traits::Reactor;
use futures_core::Stream;
use futures_io::{AsyncRead, AsyncWrite};
use lapin::AsyncTcpStream;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// The names of a message's method and of its header in their table.
pub const METHOD: &str = "method";
/// See [`METHOD`].
pub const HEADER: &str = "header";

/// How a delivery begins: class and method (§1.8.3.14 of the reference).
const DELIVER: [u8; 4] = [0, 60, 0, 60];
/// A content's header with headers and no other property.
const HEADERS_ALONE: [u8; 2] = [0x20, 0];
/// A longer method or header goes by as it is: RabbitMQ takes none above 128 KiB, unless it is told to.
const MAX_FRAME: usize = 1 << 20;
/// How much is read at once.
const CHUNK: usize = 64 << 10;

/// The bytes of a direction.
#[derive(Debug, Default)]
struct Rewriter {
    /// What has come of a frame that is not whole.
    held: Vec<u8>,
    /// Bytes that go by as they are.
    pass: usize,
    /// The method of the message whose header is next.
    method: Option<Vec<u8>>,
}

impl Rewriter {
    /// What is to come out for some bytes that have come in.
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        let mut rest = &*held;
        loop {
            let (passed, behind) = rest.split_at(self.pass.min(rest.len()));
            out.extend_from_slice(passed);
            (self.pass, rest) = (self.pass - passed.len(), behind);
            let frame = match Frame::read(rest) {
                _ if rest.is_empty() => break,
                Start::Partial => break,
                // no frame: lapin says so
                Start::No => {
                    self.pass = usize::MAX;
                    continue;
                }
                Start::Is(frame) => frame,
            };
            let whole = matches!(frame.kind, Kind::Method | Kind::Header) && frame.total() <= MAX_FRAME;
            if !whole {
                self.pass = frame.total();
                continue;
            }
            let Some((bytes, behind)) = rest.split_at_checked(frame.total()) else { break };
            let payload = &bytes[HEAD..HEAD + frame.size];
            match self.rewritten(frame.kind, payload) {
                Some(payload) => {
                    out.extend_from_slice(&bytes[..3]);
                    out.extend_from_slice(&length(&payload));
                    out.extend_from_slice(&payload);
                    out.push(END);
                }
                None => out.extend_from_slice(bytes),
            }
            rest = behind;
        }
        self.held = rest.to_vec();
    }

    /// What is put in the place of a payload; none: it stays.
    fn rewritten(&mut self, kind: Kind, payload: &[u8]) -> Option<Vec<u8>> {
        let method = self.method.take();
        if kind == Kind::Method {
            let mut c = Cursor::new(payload.strip_prefix(&DELIVER)?);
            short(&mut c)?;
            // the number, and whether it was delivered before
            c.take(9)?;
            let before = payload.len() - c.rest().len();
            self.method = Some(payload.to_vec());
            return Some([&payload[..before], &[0, 0]].concat());
        }
        let size = payload.strip_prefix(&BASIC)?.get(..8)?;
        let table = [(METHOD, method?.as_slice()), (HEADER, payload)].map(|(name, bytes)| pair(name, bytes)).concat();
        Some([&BASIC, size, &HEADERS_ALONE, &length(&table), &table].concat())
    }
}

/// A name of a table with some bytes (§4.2.5.5).
fn pair(name: &str, bytes: &[u8]) -> Vec<u8> {
    [&[name.len() as u8], name.as_bytes(), b"x", &length(bytes), bytes].concat()
}

/// A long string's or a frame's length. None is above [`MAX_FRAME`] by more than a little.
fn length(bytes: &[u8]) -> [u8; 4] {
    (bytes.len() as u32).to_be_bytes()
}

/// A connection of which that comes out.
pub struct Frames {
    stream: AsyncTcpStream<Compat<TcpStream>>,
    chunk: Vec<u8>,
    rewriter: Rewriter,
    /// What is to come out, and how much of it has.
    out: Vec<u8>,
    at: usize,
}

impl Frames {
    /// Of a stream, which may be by TLS.
    pub fn of(stream: AsyncTcpStream<Compat<TcpStream>>) -> Self {
        Self { stream, chunk: vec![0; CHUNK], rewriter: Rewriter::default(), out: Vec::new(), at: 0 }
    }
}

impl AsyncRead for Frames {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        loop {
            let ready = &this.out[this.at..];
            if !ready.is_empty() {
                let n = ready.len().min(buf.len());
                buf[..n].copy_from_slice(&ready[..n]);
                this.at += n;
                return Poll::Ready(Ok(n));
            }
            this.out.clear();
            this.at = 0;
            let n = ready!(Pin::new(&mut this.stream).poll_read(cx, &mut this.chunk))?;
            if n == 0 {
                return Poll::Ready(Ok(0));
            }
            this.rewriter.feed(&this.chunk[..n], &mut this.out);
        }
    }
}

impl AsyncWrite for Frames {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_close(cx)
    }
}

/// tokio, with connections that are [`Frames`]. lapin opens none by itself.
#[derive(Clone, Debug)]
pub struct Framed(pub Tokio);

impl Reactor for Framed {
    type TcpStream = Frames;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Send + 'static>(&self, _: H) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<Frames, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, dur: Duration) -> Self::Sleep {
        self.0.sleep(dur)
    }

    fn interval(&self, dur: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(dur)
    }

    fn tcp_connect_addr(&self, _: SocketAddr) -> impl Future<Output = io::Result<Frames>> + Send + 'static {
        std::future::ready(Err(io::ErrorKind::Unsupported.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amq_protocol::frame::{AMQPFrame, parse_frame};
    use amq_protocol::types::AMQPValue;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        [&[kind, 0, 1], &length(payload)[..], payload, &[END]].concat()
    }

    /// A delivery whose key and correlation ID are no text, between a heartbeat and a method.
    fn stream() -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let method = [&DELIVER[..], b"\x03tag", &[0, 0, 0, 0, 0, 0, 0, 9, 1], b"\x04shop", b"\x02\xff\xfe"].concat();
        let header = [&BASIC[..], &[0, 0, 0, 0, 0, 0, 0, 2], &[0x04, 0], b"\x01\xff"].concat();
        let heartbeat = vec![8, 0, 0, 0, 0, 0, 0, END];
        let (content, ok) =
            ([frame(1, &method), frame(2, &header), frame(3, b"{}")].concat(), frame(1, &[0, 20, 0, 11, 0, 0, 0, 0]));
        ([heartbeat, content, ok].concat(), method, header)
    }

    #[test]
    fn a_message_is_handed_on_as_its_bytes_however_it_is_cut() {
        let (bytes, method, header) = stream();
        for at in 0..bytes.len() {
            let (mut rewriter, mut out) = (Rewriter::default(), Vec::new());
            rewriter.feed(&bytes[..at], &mut out);
            rewriter.feed(&bytes[at..], &mut out);
            let (mut rest, mut frames) = (&out[..], Vec::new());
            while !rest.is_empty() {
                let (behind, frame) = parse_frame(rest).unwrap();
                frames.push(frame);
                rest = behind;
            }
            let [
                AMQPFrame::Heartbeat,
                AMQPFrame::Method(1, _),
                AMQPFrame::Header(1, told),
                AMQPFrame::Body(1, body),
                AMQPFrame::Method(1, _),
            ] = frames.as_slice()
            else {
                panic!("{frames:?}")
            };
            let headers = told.properties.headers().as_ref().unwrap().inner();
            let is = |name: &str, bytes: &[u8]| matches!(&headers[name], AMQPValue::ByteArray(told) if told.as_slice() == bytes);
            assert!(is(METHOD, &method) && is(HEADER, &header) && headers.len() == 2);
            assert_eq!((told.body_size, body.as_slice()), (2, &b"{}"[..]));
        }
    }

    #[test]
    fn all_else_goes_by_as_it_is() {
        let header = frame(2, &[&BASIC[..], &[0; 8], &[0, 0]].concat());
        let cut = frame(1, &[&DELIVER[..], b"\xff"].concat());
        let long = frame(1, &[0; MAX_FRAME]);
        for bytes in [&b"AMQP\0\0\x09\x01"[..], &header, &cut, &long, &[header.clone(), long.clone()].concat()] {
            let (mut rewriter, mut out) = (Rewriter::default(), Vec::new());
            bytes.chunks(1000).for_each(|chunk| rewriter.feed(chunk, &mut out));
            assert!(out == bytes);
        }
    }
}
