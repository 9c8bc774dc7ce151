//! A call as a command that makes it again: curl for HTTP, grpcurl for gRPC. Secrets stay masked, and what is missing is said.

use super::Eye;
use crate::body::{self, Content};
use crate::engine::view::{CommandView, MessageView};
use crate::mask;
use crate::model::{Body, Detail, Flow, Half, Headers, Value, text_of};
use crate::schema::Source;
use crate::text::is_control;

/// Fields that the tools make themselves, or that are about one connection.
const OWN: &[&str] =
    &["accept-encoding", "connection", "content-length", "host", "keep-alive", "te", "transfer-encoding", "upgrade"];

/// The command, where its protocol has one and the request is known.
pub(super) fn of(flow: &Flow, detail: &Detail, messages: &[MessageView], eye: &Eye<'_>) -> Option<CommandView> {
    let request = detail.request.as_ref()?;
    let text = |name: &str| match detail.fields.get(name) {
        Some(Value::Text(text)) => Some(&**text),
        _ => None,
    };
    if lacking(detail).is_some() {
        return None;
    }
    if flow.row.pattern.is_call() && detail.fields.get("grpc.connect").is_none() {
        return grpcurl(flow, request, text("http.authority"), messages, detail, eye);
    }
    // the one message of a Connect unary call is its body
    let body = match request.messages.as_slice() {
        [] => &request.body,
        [message] => &message.body,
        _ => return None,
    };
    curl(flow, (request, body), text("http.method")?, text("http.target")?, detail, eye)
}

/// Why no tool of these makes it again, where that is for what it is.
pub(super) fn lacking(detail: &Detail) -> Option<&'static str> {
    let yes = |name| detail.fields.get(name).is_some();
    let media_type = detail.request.as_ref().and_then(|request| request.headers.get("content-type")).unwrap_or_default();
    match () {
        () if yes("grpc.web") => Some("curl and grpcurl do not speak gRPC-Web"),
        () if yes("grpc.connect") && media_type.starts_with(b"application/connect+") => {
            Some("curl and grpcurl do not speak Connect's streams")
        }
        () => None,
    }
}

/// `grpcurl -plaintext -H … -d … host:port shop.v1.Orders/Get`.
fn grpcurl(
    flow: &Flow,
    request: &Half,
    authority: Option<&str>,
    list: &[MessageView],
    detail: &Detail,
    eye: &Eye<'_>,
) -> Option<CommandView> {
    detail.fields.get("grpc.method")?;
    let mut words = Words::new("grpcurl");
    if !detail.layers.contains(&"tls") {
        words.option("-plaintext");
    }
    if let Some(authority) = authority.filter(|authority| **authority != *flow.server.addr) {
        words.pair("-authority", authority);
    }
    match eye.context.schemas.source(&flow.row.operation) {
        Some(Source::Proto { roots, name }) => {
            roots.iter().for_each(|root| words.pair("-import-path", root));
            words.pair("-proto", &name);
        }
        Some(Source::Set(path)) => words.pair("-protoset", &path),
        // the server is asked
        Some(Source::Elsewhere) | None => {}
    }
    for (name, value) in sent(&request.headers, eye) {
        let reserved = name.starts_with("grpc-") || matches!(name.as_str(), "content-type" | "user-agent");
        if !reserved {
            words.pair("-H", &format!("{name}: {value}"));
        }
    }
    let messages: Vec<&str> = list.iter().filter(|m| m.request).filter_map(|m| m.said.json.as_deref()).collect();
    let whole = messages.len() == request.messages.len() && request.messages_dropped == 0;
    if whole && !messages.is_empty() {
        words.pair("-d", &messages.join(" "));
    }
    words.word(&flow.server.addr);
    words.word(flow.row.operation.trim_start_matches('/'));
    let lacks = (!whole).then_some("without its messages: not kept whole, or not all in a schema");
    Some(CommandView { tool: "grpcurl", text: words.0, lacks })
}

/// `curl -X POST -H … --data-raw … http://host:port/path`.
fn curl(
    flow: &Flow,
    (request, body): (&Half, &Body),
    method: &str,
    target: &str,
    detail: &Detail,
    eye: &Eye<'_>,
) -> Option<CommandView> {
    if !target.starts_with('/') {
        return None;
    }
    let mut words = Words::new("curl");
    let tls = detail.layers.contains(&"tls");
    if !tls && detail.fields.get("http.version") == Some(&Value::from("2")) {
        words.option("--http2-prior-knowledge");
    }
    let sends = body.bytes > 0;
    match method {
        "GET" if !sends => {}
        "HEAD" if !sends => words.option("--head"),
        _ => words.pair("-X", method),
    }
    let body = sends.then(|| data(body, eye));
    let host = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"host")).map(|(_, value)| text_of(value));
    if let Some(host) = host.filter(|host| **host != *flow.server.addr) {
        words.pair("-H", &format!("Host: {host}"));
    }
    for (name, value) in sent(&request.headers, eye) {
        // the body is given as it reads
        if !name.eq_ignore_ascii_case("content-encoding") {
            words.pair("-H", &if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") });
        }
    }
    if let Some(Some(body)) = &body {
        words.pair("--data-raw", body);
    }
    if target.contains(['[', ']', '{', '}']) {
        words.option("--globoff");
    }
    let scheme = if tls { "https" } else { "http" };
    words.word(&format!("{scheme}://{}{}", flow.server.addr, mask::target(target, eye.secrets)));
    let lacks = matches!(body, Some(None)).then_some("without its body, which was not kept whole or is no text");
    Some(CommandView { tool: "curl", text: words.0, lacks })
}

/// The body as text, without its coding; none where that is not all of it.
fn data(body: &Body, eye: &Eye<'_>) -> Option<String> {
    if body.partial() || !body.whole {
        return None;
    }
    if body.hint.encodings.is_empty() {
        let text =
            std::str::from_utf8(&body.kept).ok().filter(|text| !text.chars().any(|c| c.is_control() && !"\n\r\t".contains(c)))?;
        return Some(mask::text(text, eye.secrets).into_owned());
    }
    match body::decode(body, &eye.context) {
        document if document.cut => None,
        body::Document { value: Content::Json(json), .. } => Some(mask::json(&json, eye.secrets).into_owned()),
        _ => None,
    }
}

/// The fields that a tool is to send, masked. One whose name is none (RFC 9110 §5.1) might mean something to the tool.
fn sent<'h>(headers: &'h Headers, eye: &Eye<'_>) -> impl Iterator<Item = (String, String)> + use<'h> {
    let secrets = eye.secrets;
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let fields = headers.iter().map(move |(name, value)| {
        let (name, value) = (text_of(name).into_owned(), text_of(value));
        let value = mask::header(&name, &value, secrets).into_owned();
        (name, value)
    });
    fields.filter(move |(name, _)| !name.is_empty() && name.chars().all(token) && !OWN.contains(&&*name.to_ascii_lowercase()))
}

/// A command as it is written.
struct Words(String);

impl Words {
    fn new(tool: &str) -> Self {
        Self(tool.to_owned())
    }

    fn option(&mut self, option: &'static str) {
        self.0.push(' ');
        self.0.push_str(option);
    }

    fn word(&mut self, word: &str) {
        self.0.push(' ');
        self.0.push_str(&quoted(word));
    }

    fn pair(&mut self, option: &'static str, word: &str) {
        self.option(option);
        self.word(word);
    }
}

/// A word that a shell takes as it is: bare, in single quotes, or, with control characters in it, as `$'…'` (POSIX.1-2024 §2.2.4).
fn quoted(word: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "_./:=@%+,-".contains(c);
    if !word.is_empty() && word.chars().all(bare) {
        return word.to_owned();
    }
    if !word.chars().any(is_control) {
        return format!("'{}'", word.replace('\'', "'\\''"));
    }
    let mut out = String::from("$'");
    for c in word.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\'' | '\\' => out.extend(['\\', c]),
            // its bytes, in octal, which end after three digits
            c if is_control(c) => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| out.push_str(&format!("\\{byte:03o}"))),
            c => out.push(c),
        }
    }
    out + "'"
}

#[cfg(test)]
mod tests;
