//! The tap's one connection: a socket that is told of before its first packet, so that it is never on the screen, and lapin on it.

use super::frames::{Framed, Frames};
use super::{Tap, Trouble};
use crate::decode::amqp::tap::PRODUCT;
use crate::source::own::OwnSockets;
use async_compat::Compat;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use lapin::tcp::TLSConfig;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{AsyncTcpStream, Connection, ConnectionProperties};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use tokio::net::{TcpSocket, TcpStream};

/// Seconds between heartbeats: a broker that is gone is noticed within two.
const HEARTBEAT: u16 = 15;

/// Opens it.
pub async fn connect(tap: &mut Tap) -> Result<Connection, Trouble> {
    let url = &tap.seat.url;
    let scheme = if url.tls { AMQPScheme::AMQPS } else { AMQPScheme::AMQP };
    let userinfo = AMQPUserInfo { username: tap.api.user.clone(), password: tap.api.password.clone() };
    let authority = AMQPAuthority { userinfo, host: url.host.clone(), port: url.port };
    let query = AMQPQueryString { heartbeat: Some(HEARTBEAT), ..AMQPQueryString::default() };
    let uri = AMQPUri { scheme, authority, vhost: url.vhost.clone(), query };
    let own = tap.seat.own.clone();
    let (stream, ends) = dial(&url.host, url.port, &own).await.map_err(|e| Trouble::Passing(e.to_string()))?;
    // the packets of the one before it are long over
    if let Some((local, peer)) = tap.ends.replace(ends).filter(|before| *before != ends) {
        own.remove(local, peer);
    }
    // it is asked for once: what is lost is opened anew from above
    let stream = std::sync::Mutex::new(Some(stream));
    let connect = async move |uri: AMQPUri, _| {
        let taken = stream.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let taken = taken.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))?;
        let plain = AsyncTcpStream::Plain(Compat::new(taken));
        let stream = match uri.scheme {
            AMQPScheme::AMQP => plain,
            AMQPScheme::AMQPS => plain.into_tls(&uri.authority.host, TLSConfig::default()).await?,
        };
        Ok(AsyncTcpStream::Plain(Frames::of(stream)))
    };
    let properties = ConnectionProperties::default()
        .with_connection_name("meshtop tap".into())
        .with_client_property("product".into(), PRODUCT.into())
        // without it lapin gives its own name
        .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into());
    let runtime = Runtime::new(RuntimeParts::new(Tokio::current(), Framed(Tokio::current())));
    Ok(Connection::connector(uri, runtime, connect, properties).await?)
}

/// A socket to one of a host's addresses, with its two ends, of which `own` has heard.
async fn dial(host: &str, port: u16, own: &OwnSockets) -> io::Result<(TcpStream, (SocketAddr, SocketAddr))> {
    let mut failed = io::Error::other("the name has no address");
    for peer in (host, port).to_socket_addrs()? {
        let socket = if peer.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        let from = match local_for(peer) {
            Ok(from) => from,
            Err(e) => {
                failed = e;
                continue;
            }
        };
        socket.bind(SocketAddr::new(from.ip(), 0))?;
        let local = socket.local_addr()?;
        own.add(local, peer);
        match socket.connect(peer).await {
            Ok(stream) => return Ok((stream, (local, peer))),
            Err(e) => {
                own.remove(local, peer);
                failed = e;
            }
        }
    }
    Err(failed)
}

/// From which address of ours a peer is reached: no packet is sent for that.
fn local_for(peer: SocketAddr) -> io::Result<SocketAddr> {
    let any = if peer.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)) };
    let socket = UdpSocket::bind(any)?;
    socket.connect(peer)?;
    socket.local_addr()
}
