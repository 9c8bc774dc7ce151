//! A client of gRPC server reflection: asks a server for the descriptors of all its services. Version 1 of the protocol, then the
//! v1alpha that older servers have; in clear text, on one connection a version. It keeps nothing and watches nothing.

use super::{assemble, builtin};
use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::FileDescriptorProto;
use prost_reflect::{DynamicMessage, MessageDescriptor, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

/// How long a server may take to accept, and how long to tell everything.
const CONNECTING: Duration = Duration::from_secs(5);
/// See [`CONNECTING`].
const TELLING: Duration = Duration::from_secs(30);
/// The longest answer: the descriptors of one service and all that they import.
const MAX_ANSWER: usize = 64 << 20;
/// How many files are taken: ten times what googleapis has.
const MAX_FILES: usize = 50_000;
/// The services of the protocol, in the order in which they are tried.
const VERSIONS: [&str; 2] = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];

// fields of ServerReflectionRequest and ServerReflectionResponse, the same in both versions
const FILE_BY_FILENAME: u32 = 3;
const FILE_CONTAINING_SYMBOL: u32 = 4;
const LIST_SERVICES: u32 = 7;
const FILE_DESCRIPTOR_RESPONSE: u32 = 4;
const LIST_SERVICES_RESPONSE: u32 = 6;
const ERROR_RESPONSE: u32 = 7;

/// The files of all services of `host:port`. `own` hears the two ends of a connection before a byte is sent on it. It blocks, and starts
/// no thread. The error says what to do.
pub fn ask(server: &str, own: impl Fn(SocketAddr, SocketAddr)) -> Result<Vec<FileDescriptorProto>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().map_err(|e| e.to_string())?;
    let mut refused = Vec::new();
    for service in VERSIONS {
        let socket = connect(server)?;
        if let (Ok(local), Ok(peer)) = (socket.local_addr(), socket.peer_addr()) {
            own(local, peer);
        }
        // whatever way an old server, or a proxy before it, has to refuse version 1: the other one is tried
        match runtime.block_on(in_time(told(socket, server, service))) {
            Ok(files) => return Ok(files),
            Err(why) => refused.push(why),
        }
    }
    let advice = "is there a gRPC server in clear text, with server reflection switched on? --proto takes files instead";
    match refused.as_slice() {
        [first, second] if first != second => Err(format!("{first}; v1alpha: {second}; {advice}")),
        _ => Err(format!("{}; {advice}", refused.first().map_or("", String::as_str))),
    }
}

fn connect(server: &str) -> Result<TcpStream, String> {
    let addresses = server.to_socket_addrs().map_err(|e| format!("{e}; give HOST:PORT, as in localhost:8081"))?;
    let mut why = "the name has no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECTING) {
            Ok(socket) => return Ok(socket),
            Err(e) => why = e.to_string(),
        }
    }
    Err(format!("{why}; start the server first, or give its files with --proto"))
}

async fn in_time<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    tokio::time::timeout(TELLING, work).await.unwrap_or_else(|_| Err(format!("no answer within {} seconds", TELLING.as_secs())))
}

/// Everything that one version of the protocol tells.
async fn told(socket: TcpStream, server: &str, service: &str) -> Result<Vec<FileDescriptorProto>, String> {
    let mut call = Call::start(socket, server, service).await?;
    let services = names(&call.ask(LIST_SERVICES, "*").await?, LIST_SERVICES_RESPONSE);
    let mut files = BTreeMap::new();
    for service in services {
        let answer = call.ask(FILE_CONTAINING_SYMBOL, &service).await.map_err(|e| format!("{service}: {e}"))?;
        take_files(&answer, &mut files)?;
    }
    // some servers leave imports to be asked for; those that every program has, some do not know
    let mut asked = BTreeSet::new();
    while let Some(import) = missing(&files, &asked) {
        match call.ask(FILE_BY_FILENAME, &import).await {
            Ok(answer) => take_files(&answer, &mut files)?,
            Err(why) if !assemble::is_known(&import) => return Err(format!("{import}: {why}")),
            Err(_) => {}
        }
        asked.insert(import);
    }
    Ok(files.into_values().collect())
}

/// An import that is neither there nor was asked for.
fn missing(files: &BTreeMap<String, FileDescriptorProto>, asked: &BTreeSet<String>) -> Option<String> {
    let mut imports = files.values().flat_map(|file| &file.dependency);
    imports.find(|import| !files.contains_key(*import) && !asked.contains(*import)).cloned()
}

fn take_files(answer: &DynamicMessage, files: &mut BTreeMap<String, FileDescriptorProto>) -> Result<(), String> {
    let told = inner(answer, FILE_DESCRIPTOR_RESPONSE).ok_or("an answer to another question")?;
    for bytes in told.get_field_by_number(1).iter().filter_map(|list| list.as_list()).flatten().filter_map(Value::as_bytes) {
        let file = FileDescriptorProto::decode(bytes.clone()).map_err(|e| format!("no descriptor: {e}"))?;
        files.insert(file.name().to_owned(), file);
        if files.len() > MAX_FILES {
            return Err(format!("it has more than {MAX_FILES} files"));
        }
    }
    Ok(())
}

/// The names in a list of services.
fn names(answer: &DynamicMessage, number: u32) -> Vec<String> {
    let list = inner(answer, number).and_then(|list| Some(list.get_field_by_number(1)?.into_owned()));
    let name = |service: &Value| Some(service.as_message()?.get_field_by_number(1)?.as_str()?.to_owned());
    list.iter().filter_map(|list| list.as_list()).flatten().filter_map(name).collect()
}

/// A message in a message, where it is set.
fn inner(message: &DynamicMessage, number: u32) -> Option<DynamicMessage> {
    message.has_field_by_number(number).then(|| message.get_field_by_number(number)?.as_message().cloned()).flatten()
}

/// The one call on which everything is asked: its messages alternate.
struct Call {
    questions: SendStream<Bytes>,
    /// What is to come of the answers, once the first question is asked.
    opening: Option<ResponseFuture>,
    answers: Option<RecvStream>,
    /// Bytes of an answer that is not whole.
    begun: BytesMut,
    question: MessageDescriptor,
    answer: MessageDescriptor,
}

impl Call {
    async fn start(socket: TcpStream, server: &str, service: &str) -> Result<Self, String> {
        socket.set_nonblocking(true).map_err(|e| e.to_string())?;
        let socket = tokio::net::TcpStream::from_std(socket).map_err(|e| e.to_string())?;
        let (send, connection) = h2::client::handshake(socket).await.map_err(|e| format!("no HTTP/2: {e}"))?;
        // it ends with the runtime
        tokio::spawn(async move { drop(connection.await) });
        let mut send: SendRequest<Bytes> = send.ready().await.map_err(|e| format!("no HTTP/2: {e}"))?;
        let request = http::Request::post(format!("http://{server}/{service}/ServerReflectionInfo"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .map_err(|e| e.to_string())?;
        let (opening, questions) = send.send_request(request, false).map_err(|e| e.to_string())?;
        let package = service.rsplit_once('.').map_or("", |(package, _)| package);
        let message = |name: &str| builtin::set().pool.get_message_by_name(&format!("{package}.{name}")).ok_or("no descriptor");
        let (question, answer) = (message("ServerReflectionRequest")?, message("ServerReflectionResponse")?);
        Ok(Self { questions, opening: Some(opening), answers: None, begun: BytesMut::new(), question, answer })
    }

    /// One question and its answer; an error that the server tells is one.
    async fn ask(&mut self, field: u32, text: &str) -> Result<DynamicMessage, String> {
        let mut question = DynamicMessage::new(self.question.clone());
        question.set_field_by_number(field, Value::String(text.to_owned()));
        let mut frame = BytesMut::new();
        frame.put_u8(0);
        frame.put_u32(u32::try_from(question.encoded_len()).unwrap_or(u32::MAX));
        question.encode(&mut frame).map_err(|e| e.to_string())?;
        self.questions.send_data(frame.freeze(), false).map_err(|e| e.to_string())?;
        if let Some(opening) = self.opening.take() {
            let response = opening.await.map_err(|e| e.to_string())?;
            if response.status() != http::StatusCode::OK {
                return Err(format!("HTTP status {}", response.status().as_u16()));
            }
            // a call that is refused at once has its status where headers are
            refused(response.headers())?;
            self.answers = Some(response.into_body());
        }
        let answer = DynamicMessage::decode(self.answer.clone(), self.message().await?).map_err(|e| e.to_string())?;
        match inner(&answer, ERROR_RESPONSE) {
            Some(error) => Err(error.get_field_by_number(2).and_then(|text| Some(text.as_str()?.to_owned())).unwrap_or_default()),
            None => Ok(answer),
        }
    }

    /// The next message (gRPC over HTTP/2, "Length-Prefixed-Message").
    async fn message(&mut self) -> Result<Bytes, String> {
        let answers = self.answers.as_mut().ok_or("no answer")?;
        loop {
            if let Some(&[flag, a, b, c, d]) = self.begun.first_chunk::<5>() {
                let length = u32::from_be_bytes([a, b, c, d]) as usize;
                if flag != 0 || length > MAX_ANSWER {
                    return Err("an answer that is compressed or too long".to_owned());
                }
                if self.begun.len() - 5 >= length {
                    drop(self.begun.split_to(5));
                    return Ok(self.begun.split_to(length).freeze());
                }
            }
            match answers.data().await {
                Some(data) => {
                    let data = data.map_err(|e| e.to_string())?;
                    answers.flow_control().release_capacity(data.len()).map_err(|e| e.to_string())?;
                    self.begun.extend_from_slice(&data);
                }
                None => {
                    let trailers = answers.trailers().await.map_err(|e| e.to_string())?;
                    trailers.as_ref().map_or(Ok(()), refused)?;
                    return Err("the call ended without an answer".to_owned());
                }
            }
        }
    }
}

/// What a status that is not OK says.
fn refused(headers: &http::HeaderMap) -> Result<(), String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("grpc-status") {
        None | Some("0") => Ok(()),
        Some("12") => Err("it does not have server reflection".to_owned()),
        Some(status) => Err(format!("grpc-status {status} {}", text("grpc-message").unwrap_or_default()).trim_end().to_owned()),
    }
}
