//! The heads of messages on a connection: what each one begins, and what it says of the flow.

use super::exchange::{Exchanges, Method, Upgrade, Whose};
use super::framing::Framing;
use super::head::{self, Kind, Parsed, Start};
use super::{Http1, Message, State, first_byte, kind, unanswered, unseen_answer};
use crate::decode::detect::{Detect, becoming};
use crate::decode::grpc::Call;
use crate::decode::{Analyzer, Cx, Input, Step, registry};
use crate::model::{BodyHint, Dir, Fields, Head, Headers, Issue, Joined, Part, Stamp, text_of, unknown};
use compact_str::CompactString;

pub(super) const BAD_FIELDS: Issue = Issue::broken("header lines that are no fields");
const BAD_LENGTH: Issue = Issue::broken("contradictory content-length");
const UNCERTAIN: Issue = Issue::unseen("its request is not certain: bytes were lost");
const FOUND: Issue = Issue::unseen("found behind a gap");
const UNREAD: Issue = Issue::unseen("its request could not be read");
const TOO_MANY: Issue = Issue::unseen("too many requests wait for their answer");

/// From how many bytes on a head is long: one that is not is parsed anew with each packet until it is whole.
const LONG: usize = 2048;
/// The shortest request, in bytes: fewer may be an empty line (RFC 9112 §2.2).
const SHORTEST: u64 = b"X / HTTP/1.0\r\n\r\n".len() as u64;

/// What `begin` needs to know of a message.
struct Begun {
    key: u64,
    framing: Framing,
    code: Option<u16>,
    /// Whether its body is encoded.
    encoded: bool,
    /// Bytes of its head.
    head: usize,
    /// Why the rest will not be seen.
    cut: Option<Issue>,
}

impl Http1 {
    pub(super) fn head(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        let skip = first_byte(input.data);
        if skip > 0 {
            return Step::Took(skip);
        }
        if self.goes_on(input) && input.data.len() < cx.limits().buffer {
            return self.needs_more(input);
        }
        let kind = kind(input.dir);
        if kind == Kind::Response && self.bare_answer(input.data) {
            let key = self.exchanges.due().map_or(0, |e| e.key);
            cx.part(key, part_head(input.dir, input.at(0), Headers::default(), 0, BodyHint::default()));
            let begun = Begun { key, framing: Framing::UntilClose, code: None, encoded: false, head: 0, cut: None };
            self.begin(cx, input, begun);
            return self.feed(cx, input);
        }
        let parsed = match head::start(kind, input.data) {
            Parsed::Whole(Start::Request { version: "0.9", .. }, _) if self.next_key > 0 => Parsed::Bad,
            Parsed::Whole(start @ Start::Request { version: "0.9", .. }, n) => Parsed::Whole((start, head::Block::default()), n),
            Parsed::Whole(start, n) => match head::fields(input.data.get(n..).unwrap_or_default(), cx.limits().fields) {
                Parsed::Whole(block, m) => Parsed::Whole((start, block), n + m),
                Parsed::Partial => Parsed::Partial,
                Parsed::Bad => Parsed::Bad,
            },
            Parsed::Partial => Parsed::Partial,
            Parsed::Bad => Parsed::Bad,
        };
        match parsed {
            Parsed::Whole((start, block), n) => self.message(cx, input, start, block, n, None),
            Parsed::Partial if input.data.len() < cx.limits().buffer => {
                if input.data.len() >= LONG {
                    self.sought.get_or_insert_default()[input.dir.index()] = (input.base(), input.data.len());
                }
                self.needs_more(input)
            }
            Parsed::Partial | Parsed::Bad => self.lost(input.dir, false),
        }
    }

    /// A head is there in part.
    fn needs_more(&mut self, input: Input<'_>) -> Step {
        if input.dir == Dir::ToServer {
            self.exchanges.begun();
        }
        Step::Need(input.data.len() + 1)
    }

    /// Whether a long head that was not whole still is not: all of it is parsed once it is, not with each packet.
    fn goes_on(&mut self, input: Input<'_>) -> bool {
        let Some(sought) = &mut self.sought else { return false };
        let (begin, to) = &mut sought[input.dir.index()];
        if *begin != input.base() || *to < LONG || *to > input.data.len() {
            return false;
        }
        let looked_through = std::mem::replace(to, input.data.len());
        // the end may have begun before
        let news = input.data.get(looked_through - b"\n\r".len()..).unwrap_or_default();
        !news.windows(2).any(|end| end == b"\n\n") && !news.windows(3).any(|end| end == b"\n\r\n")
    }

    /// A head that is whole, or, where it was cut, all that there is of it.
    fn message(
        &mut self,
        cx: &mut Cx<'_, '_>,
        input: Input<'_>,
        start: Start<'_>,
        block: head::Block,
        head: usize,
        cut: Option<Issue>,
    ) -> Step {
        self.placed[input.dir.index()] = true;
        match start {
            Start::Request { method, target, version } => {
                self.request(cx, input, (&text_of(method), &text_of(target), version), block, head, cut)
            }
            Start::Status { version, code } => self.response(cx, input, (version, code), block, head, cut),
        }
    }

    fn request(
        &mut self,
        cx: &mut Cx<'_, '_>,
        input: Input<'_>,
        (method, target, version): (&str, &str, &'static str),
        block: head::Block,
        head: usize,
        cut: Option<Issue>,
    ) -> Step {
        if cx.surplus(self.exchanges.len(), cx.limits().pending) > 0
            && let Some(oldest) = self.exchanges.give_up()
        {
            cx.note(oldest.key, TOO_MANY);
            unanswered(cx, &oldest);
        }
        self.exchanges.begin(input.at(0).time, matches!(self.states[1], State::Body(_)));
        let key = self.open(cx, &[method, " ", &path(target)].concat(), input.dir, input.at(0));
        if std::mem::take(&mut self.found[0]) {
            cx.note(key, FOUND);
        }
        let fields = Fields::default().with("http.method", method).with("http.target", target);
        cx.fields(key, fields.with("http.version", version));
        cx.trace(key, &block.headers);
        let meaning = head::meaning(&block.headers);
        note_fields(cx, key, &block, &meaning);
        let (framing, encoded) = (Framing::of_request(&meaning), !meaning.hint.encodings.is_empty());
        let mut call = Call::of_request(Some(target), &block.headers).map(Box::new);
        if let Some(call) = &mut call {
            call.tell(cx, key);
            call.head(cx, key, (input.dir, input.at(0)), &block.headers, false);
        }
        cx.part(key, part_head(input.dir, input.at(0), block.headers, head as u64, meaning.hint));
        let upgrade = meaning.upgrade.map(|token| Box::new(Upgrade { token, method: method.into() }));
        let method = match method {
            _ if version == "0.9" => Method::Simple,
            "HEAD" => Method::Head,
            "CONNECT" => Method::Connect,
            _ => Method::Other,
        };
        self.exchanges.ask(key, method, target, upgrade, call);
        self.begin(cx, input, Begun { key, framing, code: None, encoded, head, cut })
    }

    fn response(
        &mut self,
        cx: &mut Cx<'_, '_>,
        input: Input<'_>,
        (version, code): (&'static str, u16),
        block: head::Block,
        head: usize,
        cut: Option<Issue>,
    ) -> Step {
        if (100..200).contains(&code) && code != 101 {
            if let Some(e) = self.exchanges.due() {
                cx.note(e.key, interim(code));
            }
            return Step::Took(head);
        }
        let meaning = head::meaning(&block.headers);
        let rest = input.data.get(head..).unwrap_or_default();
        // a response whose request was not seen may answer a HEAD or a CONNECT: then the next one follows in place of its body
        let passed = input.base() > 0;
        let none_due = self.exchanges.due().is_none();
        let answer = |exchanges: &mut Exchanges, cx: &mut Cx<'_, '_>| exchanges.answer(passed, |lost| unseen_answer(cx, &lost));
        let orphan = self.orphan.take().or_else(|| none_due.then(|| answer(&mut self.exchanges, cx)));
        let bodiless = matches!(code, 101 | 204 | 304) || meaning.length == head::Length::Bytes(0);
        let follows = orphan.is_some() && !bodiless && meaning.transfer == head::Transfer::Plain && {
            let next: &[u8] = b"HTTP/1.";
            if rest.len() < next.len() && next.starts_with(rest) && cut.is_none() {
                self.orphan = orphan;
                return Step::Need(head + rest.len() + 1);
            }
            rest.starts_with(next)
        };
        let whose = orphan.unwrap_or_else(|| answer(&mut self.exchanges, cx));
        let key = match whose {
            Whose::Of(key) => {
                if self.exchanges.is_guess() {
                    cx.note(key, Issue::PAIR_GUESSED);
                }
                key
            }
            Whose::Unseen | Whose::Uncertain => {
                let key = self.open(cx, unknown::REQUEST, Dir::ToServer, input.at(0));
                cx.note(
                    key,
                    match whose {
                        _ if std::mem::take(&mut self.unread) => UNREAD,
                        Whose::Unseen => Issue::NO_REQUEST,
                        Whose::Of(_) | Whose::Uncertain => UNCERTAIN,
                    },
                );
                cx.fields(key, Fields::default().with("http.version", version));
                key
            }
        };
        if std::mem::take(&mut self.found[1]) {
            cx.note(key, FOUND);
        }
        self.answer_call(cx, key, (code, input.at(0)), &block.headers);
        let asked = self.exchanges.get(key);
        let (method, upgrade) =
            asked.map_or((Method::Other, None), |e| (e.method, e.upgrade.clone().zip(Some(e.target.clone()))));
        cx.fields(key, Fields::default().with("http.status", i64::from(code)));
        note_fields(cx, key, &block, &meaning);
        let tunnel = code == 101 || method == Method::Connect && (200..300).contains(&code);
        let bodiless = bodiless || tunnel || follows || method == Method::Head;
        let (framing, encoded) = (Framing::of_response(&meaning, bodiless), !meaning.hint.encodings.is_empty());
        let token = upgrade.as_ref().map(|(upgrade, _)| upgrade.token.clone()).or(meaning.upgrade);
        cx.part(key, part_head(input.dir, input.at(0), block.headers, head as u64, meaning.hint));
        let step = self.begin(cx, input, Begun { key, framing, code: Some(code), encoded, head, cut });
        if tunnel && cut.is_none() { self.switch(cx, code, token.as_deref(), upgrade, head) } else { step }
    }

    /// A response's head, of a call: the request's, or where that does not say so, by its own.
    fn answer_call(&mut self, cx: &mut Cx<'_, '_>, key: u64, (code, first): (u16, Stamp), headers: &Headers) {
        if self.call(key).is_none() {
            let e = self.exchanges.get(key);
            let call = Call::of_response(e.as_ref().map(|e| &*e.target), headers);
            call.iter().for_each(|call| call.tell(cx, key));
            match e {
                Some(e) => e.call = call.map(Box::new),
                None => self.lone = call.map(|call| Box::new((key, call))),
            }
        }
        if let Some(call) = self.call(key) {
            call.answered(Some(code));
            call.head(cx, key, (Dir::ToClient, first), headers, false);
        }
    }

    /// The connection goes on as something else.
    pub(super) fn switch(
        &mut self,
        cx: &mut Cx<'_, '_>,
        code: u16,
        token: Option<&str>,
        asked: Option<(Box<Upgrade>, CompactString)>,
        length: usize,
    ) -> Step {
        for dir in Dir::BOTH {
            if let State::Body(message) = std::mem::replace(&mut self.states[dir.index()], State::Left) {
                self.finish(cx, dir, message, None);
            }
        }
        self.states = [State::Left, State::Left];
        self.give_up(cx);
        if code != 101 {
            return Step::Become { took: length, to: Detect::boxed(), layer: Some("proxy"), reversed: false };
        }
        match token.and_then(registry::by_upgrade).map(|p| becoming(cx, p, Joined::Opening, false)) {
            Some(Step::Become { mut to, layer, reversed, .. }) => {
                asked.into_iter().for_each(|(upgrade, target)| to.upgraded(&upgrade.method, &target));
                Step::Become { took: length, to, layer, reversed }
            }
            Some(_) | None => Step::Took(length),
        }
    }

    /// A body begins behind its head.
    fn begin(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>, begun: Begun) -> Step {
        let Begun { key, framing, code, encoded, head, cut } = begun;
        let last = input.at(head.saturating_sub(1));
        let room = cx.limits().keep(encoded);
        let message = Message { key, framing, code, room, bytes: 0, told: 0, last, whole: cut.is_none() };
        if let Some(issue) = cut {
            cx.note(key, issue);
            self.finish(cx, input.dir, message, None);
        } else if framing.done() {
            self.finish(cx, input.dir, message, Some(last));
        } else {
            self.states[input.dir.index()] = State::Body(message);
        }
        Step::Took(head)
    }

    /// A head that was cut in the middle still tells what it told; so many bytes are lost behind it.
    pub(super) fn partial_head(&mut self, cx: &mut Cx<'_, '_>, rest: Input<'_>, issue: Issue, lost: u64) {
        if rest.data.is_empty() && rest.dir == Dir::ToServer && lost >= SHORTEST {
            self.exchanges.hurry(self.placed[0]);
        }
        let Parsed::Whole(start, n) = head::start(kind(rest.dir), rest.data) else { return };
        if !matches!(start, Start::Request { version: "0.9", .. }) {
            let block = head::fields_so_far(rest.data.get(n..).unwrap_or_default(), cx.limits().fields);
            self.message(cx, rest, start, block, rest.data.len(), Some(issue));
        }
    }

    fn bare_answer(&self, data: &[u8]) -> bool {
        let simple = self.exchanges.due().is_some_and(|e| e.method == Method::Simple);
        simple && !data.iter().zip(b"HTTP/").all(|(a, b)| a == b)
    }
}

/// A target as an operation shows it: without its query, and without the credentials that an absolute one may hold.
pub fn path(target: &str) -> std::borrow::Cow<'_, str> {
    let end = memchr::memchr2(b'?', b'#', target.as_bytes()).unwrap_or(target.len());
    let target = target.get(..end).unwrap_or_default();
    if target.starts_with('/') {
        return target.into();
    }
    let (scheme, rest) = target.split_once("//").map_or(("", target), |(scheme, rest)| (scheme, rest));
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((secret, _)) => {
            let separator = if scheme.is_empty() { "" } else { "//" };
            format!("{scheme}{separator}{}", rest.get(secret.len() + 1..).unwrap_or_default()).into()
        }
        None => target.into(),
    }
}

fn note_fields(cx: &mut Cx<'_, '_>, key: u64, block: &head::Block, meaning: &head::Meaning) {
    if block.sloppy {
        cx.note(key, BAD_FIELDS);
    }
    if meaning.length == head::Length::Broken {
        cx.note(key, BAD_LENGTH);
    }
}

fn part_head(dir: Dir, first: Stamp, headers: Headers, head_bytes: u64, hint: BodyHint) -> Part {
    Part::Head(Box::new(Head { dir, first, headers, head_bytes, hint }))
}

/// Interim responses are told on the flow, not shown as answers (RFC 9110 §15.2).
pub fn interim(code: u16) -> Issue {
    Issue::remark(match code {
        100 => "100 Continue",
        102 => "102 Processing",
        103 => "103 Early Hints",
        _ => "interim response",
    })
}
