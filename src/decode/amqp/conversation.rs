//! What a method means for its channel: a question, an answer, a message that begins, what became of one. Not how it is read.

use super::asked::Asked;
use super::channel::{Channel, Consumer};
use super::content::{Content, What};
use super::field::Table;
use super::method::{self, Method, Role};
use super::told::{delivered, told};
use super::waiting::Sent;
use super::{Amqp, Found, half, message};
use crate::decode::Cx;
use crate::model::{Dir, Issue, Part, Pattern};
use compact_str::CompactString;
use std::borrow::Cow;

const BLOCKED: Issue = Issue::remark("the broker takes no publishes for now");
const RECOVERED: Issue = Issue::remark("recovered: the broker delivers it again");
/// What names a question, the first one that it has.
const SUBJECTS: &[&str] = &["queue", "exchange", "destination", "consumer_tag", "virtual_host"];
pub(super) const CONNECTION: u16 = 10;
pub(super) const CHANNEL: u16 = 20;
const QUEUE: u16 = 50;
pub(super) const BASIC: u16 = 60;
const CONFIRM: u16 = 85;
const TX: u16 = 90;

impl Amqp {
    /// A method that its sender may send, on a channel that is followed.
    pub(super) fn converse(&mut self, cx: &mut Cx<'_, '_>, method: &'static Method, args: &Table<'_>, found: Found<'_>) {
        match (method.class, method.id) {
            (BASIC, 40) => self.publish(cx, args, found),
            (BASIC, 50) => self.comes_back(cx, args, found),
            (BASIC, 60) => self.deliver(cx, args, found),
            (BASIC, 80) => self.acknowledge(cx, "ack", args, found),
            (BASIC, 90) => self.acknowledge(cx, "reject", args, found),
            (BASIC, 120) => self.acknowledge(cx, "nack", args, found),
            (BASIC, 100) => self.recover(cx, found.channel),
            (CONNECTION, 60) => self.blocked = true,
            (CONNECTION, 61) => self.blocked = false,
            (CONNECTION, 50) | (CHANNEL, 40) => self.close(cx, method, args, found),
            _ => match method.role {
                Role::Asks => self.ask(cx, method, args, found, None),
                Role::Answers(to) => self.answer(cx, method, to, args, found),
                Role::Tells => {}
            },
        }
    }

    fn publish(&mut self, cx: &mut Cx<'_, '_>, args: &Table<'_>, found: Found<'_>) {
        let (exchange, routing_key) = (args.bytes("exchange"), args.bytes("routing_key"));
        let operation = message::published(exchange, routing_key);
        let key = self.keys.open(cx, Pattern::Publish, operation, found.dir, found.at.0);
        cx.fields(key, message::routed(exchange, routing_key).with("amqp.channel", i64::from(found.channel)));
        if self.blocked {
            cx.note(key, BLOCKED);
        }
        let sent = Sent::new(exchange, routing_key, args.is("mandatory") || args.is("immediate"));
        let Some(channel) = self.channels.get_mut(&found.channel) else { return };
        channel.torn = false;
        let what = What::Publish(channel.next_tag(found.at.0.time), sent);
        channel.begin(cx, Content::new(what, Some(key), found.at, found.length));
    }

    fn deliver(&mut self, cx: &mut Cx<'_, '_>, args: &Table<'_>, found: Found<'_>) {
        let Some(channel) = self.channels.get_mut(&found.channel) else { return };
        let tag = args.text("consumer_tag");
        let Consumer { queue, due } = channel.consumer(&tag);
        let operation = message::named("deliver", queue.as_deref().unwrap_or(&tag));
        let key = self.keys.open(cx, Pattern::Deliver, operation, found.dir, found.at.0);
        let fields = delivered(args, queue.as_deref(), found.channel);
        cx.fields(key, fields.with("amqp.consumer_tag", &*tag));
        let what = What::Deliver(args.number("delivery_tag"), due);
        channel.begin(cx, Content::new(what, Some(key), found.at, found.length));
    }

    /// The answer to a get is a message.
    fn got(&mut self, cx: &mut Cx<'_, '_>, asked: Option<Asked>, args: &Table<'_>, found: Found<'_>) {
        let (key, queue, due) = match asked {
            Some(Asked { key: Some(key), subject, no_ack, .. }) => (key, subject, Some(!no_ack)),
            _ => {
                let operation = "get (unknown queue)".to_owned();
                let key = self.keys.open(cx, Pattern::Deliver, operation, Dir::ToClient, found.at.0);
                cx.note(key, Issue::NO_REQUEST);
                (key, CompactString::default(), None)
            }
        };
        let queue = Some(&*queue).filter(|queue| !queue.is_empty());
        if let Some(queue) = queue {
            let operation = message::named("get", queue).into();
            cx.part(key, Part::Named { protocol: super::PROTOCOL.name, pattern: Pattern::Deliver, operation });
        }
        cx.fields(key, delivered(args, queue, found.channel));
        let what = What::Deliver(args.number("delivery_tag"), due);
        if let Some(channel) = self.channels.get_mut(&found.channel) {
            channel.begin(cx, Content::new(what, Some(key), found.at, found.length));
        }
    }

    fn acknowledge(&mut self, cx: &mut Cx<'_, '_>, word: &'static str, args: &Table<'_>, found: Found<'_>) {
        let Some(channel) = self.channels.get_mut(&found.channel) else { return };
        if !channel.acknowledge(cx, found.dir, word, args, found.at.1) {
            cx.unassigned("acknowledgements", found.length as u64);
        }
    }

    /// All deliveries of the channel that are not acknowledged will be delivered again (§1.8.3.15 of the reference).
    fn recover(&mut self, cx: &mut Cx<'_, '_>, channel: u16) {
        let Some(channel) = self.channels.get_mut(&channel) else { return };
        for waiting in [&mut channel.deliveries, &mut channel.unsure] {
            waiting.iter_mut().for_each(|wait| cx.note(wait.key, RECOVERED));
            waiting.give_up(cx);
        }
    }

    fn ask(
        &mut self,
        cx: &mut Cx<'_, '_>,
        method: &'static Method,
        args: &Table<'_>,
        found: Found<'_>,
        error: Option<CompactString>,
    ) {
        if (method.class, method.id) == (CHANNEL, 10)
            && let Some(mut before) = self.channels.remove(&found.channel)
        {
            Dir::BOTH.into_iter().for_each(|dir| before.over(cx, dir));
            self.begin(cx, found.channel);
        }
        let Some(channel) = self.channels.get_mut(&found.channel) else { return };
        let meant =
            channel.queue.clone().filter(|_| method.id != 10 && args.get("queue").is_some() && args.bytes("queue").is_empty());
        let subject: CompactString = meant.unwrap_or_else(|| subject(args).into());
        let is_get = (method.class, method.id) == (BASIC, 70);
        let (name, dir) = if is_get { ("get", Dir::ToClient) } else { (method.name, found.dir) };
        let key = self.keys.open(cx, Pattern::RequestResponse, message::named(name, &subject), dir, found.at.0);
        let mut fields = told(args, "amqp.arguments");
        if args.get("queue").is_some() && !subject.is_empty() {
            fields.set("amqp.queue", &*subject);
        }
        cx.fields(key, fields.with("amqp.channel", i64::from(found.channel)));
        if !is_get {
            half(cx, key, found.dir, found.at.0, found.length);
        }
        let tag: CompactString = args.text("consumer_tag").into();
        let consumes = (method.class, method.id) == (BASIC, 20);
        let Some(channel) = self.channels.get_mut(&found.channel) else { return };
        if consumes && !tag.is_empty() {
            channel.consume(&tag, Consumer { queue: Some(subject.clone()), due: Some(!args.is("no_ack")) });
        }
        let numbered = channel.transaction.as_ref().map_or(0, |transaction| transaction.numbered());
        match (method.class, method.id, found.dir) {
            (CONFIRM, 10, _) => channel.confirms.select(),
            (TX, 10, _) => _ = channel.transaction.get_or_insert_default(),
            (BASIC, 30, Dir::ToClient) => channel.cancel(&tag),
            (BASIC, 110, _) => self.recover(cx, found.channel),
            _ => {}
        }
        if args.is("no_wait") {
            return cx.close(key, None, true, Some(found.at.1));
        }
        let (at, no_ack) = (found.at, args.is("no_ack"));
        let asked = Asked { key: Some(key), method, at, subject, tag, no_ack, error, numbered, doubt: false, followed: false };
        self.push_asked(cx, found, asked);
    }

    fn push_asked(&mut self, cx: &mut Cx<'_, '_>, found: Found<'_>, asked: Asked) {
        let Some(channel) = self.channels.get_mut(&found.channel) else { return };
        channel.asked.push(cx, found.dir, asked, channel.room);
    }

    fn answer(&mut self, cx: &mut Cx<'_, '_>, method: &'static Method, to: u16, args: &Table<'_>, found: Found<'_>) {
        let asker = found.dir.other();
        let Some(channel) = self.channels.get_mut(&found.channel) else { return };
        let asked = channel.asked.take(cx, asker, method.class, to);
        if let Some(asked) = &asked {
            channel.answered(cx, asked.at.0);
            channel.learn(method, asked, args);
            // the broker has given it a name
            if let (Some(key), "", subject) = (asked.key, &*asked.subject, subject(args))
                && !subject.is_empty()
            {
                let operation = message::named(asked.method.name, &subject).into();
                cx.part(key, Part::Named { protocol: super::PROTOCOL.name, pattern: Pattern::RequestResponse, operation });
            }
        }
        if let (TX, 21 | 31) = (method.class, method.id) {
            channel.end_transaction(cx, method.id == 21, asked.as_ref(), found.at.1);
        }
        match (method.class, method.id) {
            (BASIC, 71) => return self.got(cx, asked, args, found),
            (CONNECTION, 31) => self.frame_max = usize::try_from(args.number("frame_max")).unwrap_or(0),
            (BASIC, 21) if asked.is_none() => channel.cancel(&args.text("consumer_tag")),
            // another one under the same number: its tags begin anew
            (CHANNEL, 11) if asked.is_none() => channel.publishes_lost(),
            _ => {}
        }
        let empty = (method.class, method.id) == (BASIC, 72);
        let word = if empty { "empty" } else { "ok" };
        let (key, status, ok, last) = match asked {
            // an error, which was told as the answer to what caused it
            Some(Asked { key: None, .. }) => (None, word.into(), true, None),
            // it may have been one
            None if found.dir == Dir::ToServer && matches!((method.class, method.id), (CONNECTION, 51) | (CHANNEL, 41)) => {
                cx.undecoded(found.length as u64);
                (None, word.into(), true, None)
            }
            Some(asked) => {
                let (status, ok) = match asked.error {
                    Some(word) => (word, false),
                    None => (word.into(), true),
                };
                (asked.key, status, ok, Some(found.at.1))
            }
            None => {
                (Some(self.unasked(cx, method::of(method.class, to).unwrap_or(method), args, found)), word.into(), true, None)
            }
        };
        if let Some(key) = key {
            cx.fields(key, told(args, "amqp.reply"));
            if !empty {
                half(cx, key, found.dir, found.at.0, found.length);
            }
            cx.close(key, Some(status), ok, last);
        }
        match (method.class, method.id) {
            (CONNECTION, 51) => {
                let channels = std::mem::take(&mut self.channels);
                for (_, mut channel) in channels {
                    Dir::BOTH.into_iter().for_each(|dir| channel.over(cx, dir));
                }
            }
            (CHANNEL, 41) => {
                if let Some(mut channel) = self.channels.remove(&found.channel) {
                    Dir::BOTH.into_iter().for_each(|dir| channel.over(cx, dir));
                }
            }
            _ => {}
        }
    }

    /// A flow for an answer whose question was not seen.
    pub(super) fn unasked(&mut self, cx: &mut Cx<'_, '_>, asked: &'static Method, args: &Table<'_>, found: Found<'_>) -> u64 {
        let name = asked.name;
        let subject = subject(args);
        let (name, dir) = if name == "basic.get" { ("get (unknown queue)", Dir::ToClient) } else { (name, found.dir.other()) };
        let operation = message::named(name, &subject);
        let key = self.keys.open(cx, Pattern::RequestResponse, operation, dir, found.at.0);
        cx.note(key, Issue::NO_REQUEST);
        key
    }

    /// The end of a channel or of the connection. An error that the broker tells of is the answer to what caused it, if that waits.
    fn close(&mut self, cx: &mut Cx<'_, '_>, method: &'static Method, args: &Table<'_>, found: Found<'_>) {
        let code = args.number("reply_code");
        let error = (code >= 300).then(|| method::code_word(code));
        let culprit = match &error {
            Some(_) if found.dir == Dir::ToClient => self.culprit(cx, method.class == CHANNEL, args, found),
            _ => None,
        };
        match (culprit, error) {
            (Some((key, is_asked)), Some(word)) => {
                cx.fields(key, told(args, "amqp.reply"));
                if is_asked {
                    half(cx, key, found.dir, found.at.0, found.length);
                }
                cx.close(key, Some(word), false, Some(found.at.1));
                let (subject, tag, numbered) = Default::default();
                let at = found.at;
                let asked = Asked {
                    key: None,
                    method,
                    at,
                    subject,
                    tag,
                    no_ack: false,
                    error: None,
                    numbered,
                    doubt: false,
                    followed: false,
                };
                self.push_asked(cx, found, asked);
            }
            (_, error) => self.ask(cx, method, args, found, error),
        }
    }
}

impl Channel {
    /// A content begins; one that is on its way in the same direction ends with that.
    pub(super) fn begin(&mut self, cx: &mut Cx<'_, '_>, content: Content) {
        let dir = content.dir();
        self.end_contents(cx, dir, Issue::CUT);
        if let Some(slot) = self.contents.get_mut(dir.index()) {
            *slot = Some(Box::new(content));
        }
    }

    /// What an answer tells of the channel.
    fn learn(&mut self, method: &Method, asked: &Asked, args: &Table<'_>) {
        match (method.class, method.id) {
            (QUEUE, 11) => self.queue = Some(args.text("queue").into()),
            (BASIC, 21) => {
                let queue = Some(asked.subject.clone()).filter(|queue| !queue.is_empty());
                self.consume(&args.text("consumer_tag"), Consumer { queue, due: Some(!asked.no_ack) });
            }
            (BASIC, 31) => self.cancel(&asked.tag),
            _ => {}
        }
    }
}

/// What a method is about; empty where that is not said.
fn subject<'a>(args: &Table<'a>) -> Cow<'a, str> {
    SUBJECTS.iter().map(|name| args.text(name)).find(|text| !text.is_empty()).unwrap_or_default()
}
