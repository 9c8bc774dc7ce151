//! What becomes of publishes that nobody confirms: they come back, or their channel fails by one of them. Brokers take the publishes of
//! a channel one after the other, and tell of none that went well. And how many messages may wait for what becomes of them.

use super::channel::{Channel, forgotten};
use super::content::{Content, What};
use super::field::Table;
use super::method::{self, Role};
use super::told::told;
use super::waiting::{Sent, Wait, digest_of};
use super::{Amqp, Found, WAITING, message};
use crate::decode::Cx;
use crate::model::{Dir, Issue, Pattern, Stamp};
use crate::time::Span;

/// How long a publish is held of which nothing but a failure will be told: brokers tell that at once.
const FAILURE: Span = Span::from_secs(1);
/// How many of those that were held for so long are known again, should they come back all the same.
const KNOWN: usize = 4096;

/// After how many messages it is looked whether too many wait.
const LOOK: usize = 128;

pub(super) const UNCOUNTED: Issue = Issue::unseen("its confirmation cannot be told: not all publishes before it were captured");
const UNHELD: Issue = Issue::unseen("whether it came back cannot be told: too many publishes wait");
const UNBLAMED: Issue = Issue::unseen("what became of it cannot be told: its channel failed");
/// What a reply says of the exchange that it is about.
const EXCHANGE: (&str, &str) = ("exchange '", "' in vhost");
/// What replies call the exchange that has no name.
const DEFAULT: &str = "amq.default";

impl Amqp {
    /// More of a content went by: it may be over.
    pub(super) fn passed(&mut self, cx: &mut Cx<'_, '_>, number: u16, dir: Dir) {
        let Some(channel) = self.channels.get_mut(&number) else { return };
        let content = channel.contents.get_mut(dir.index()).and_then(|slot| slot.take_if(|content| content.is_done()));
        let Some(content) = content else { return };
        let back = channel.end_content(cx, content);
        self.holds |= channel.unconfirmed.len() > 0;
        if let Some(content) = back {
            self.came_back(cx, number, *content);
        }
        self.messages += 1;
        if self.messages >= LOOK {
            self.messages = 0;
            self.make_room(cx);
        }
    }

    /// Of more than may wait the oldest of the channel that has most are given up.
    fn make_room(&mut self, cx: &mut Cx<'_, '_>) {
        self.waiting = self.channels.iter().map(|(_, channel)| channel.waiting()).sum();
        let mut more = cx.surplus(self.waiting, WAITING).min(self.waiting);
        self.waiting -= more;
        while more > 0 {
            let Some(fullest) = self.channels.iter_mut().map(|(_, channel)| channel).max_by_key(|channel| channel.waiting())
            else {
                return;
            };
            let many = more.min(fullest.waiting() / 2 + 1);
            fullest.forget(cx, many);
            more -= many;
        }
    }

    /// What an error is about, and whether it is a question: by the method that it names, where one of those waits, and only one could
    /// be meant. A question that was not seen has a flow from here on.
    pub(super) fn culprit(&mut self, cx: &mut Cx<'_, '_>, own: bool, args: &Table<'_>, found: Found<'_>) -> Option<(u64, bool)> {
        let number = |name| u16::try_from(args.number(name)).ok();
        let named = method::of(number("class_id")?, number("method_id")?);
        let mut channels: Vec<_> =
            self.channels.iter_mut().filter(|(n, _)| !own || **n == found.channel).map(|(_, c)| &mut **c).collect();
        let is_publish = named.is_some_and(|named| named.name == "basic.publish");
        let exchange = exchange(&args.text("reply_text")).map(|name| digest_of(name.as_bytes()));
        let is = |wait: &Wait| {
            let named = |sent: Sent| exchange.is_none_or(|exchange| exchange == sent.exchange);
            is_publish && !wait.returned && wait.sent.is_some_and(named)
        };
        let many = channels.iter().flat_map(|channel| channel.sent()).filter(|wait| is(wait)).count();
        let sure = many == 1 && !self.late;
        let mut failed = None;
        self.failed |= !own;
        for channel in &mut channels {
            failed = channel.fail(cx, is_publish, sure, is).or(failed);
        }
        let named = named?;
        if named.role != Role::Asks {
            return failed.map(|key| (key, false));
        }
        let found_in = |channel: &mut Channel| channel.asked.take(cx, Dir::ToServer, named.class, named.id);
        match channels.into_iter().find_map(found_in) {
            Some(asked) => Some((asked.key?, named.name != "basic.get")),
            None => self.late.then(|| (self.unasked(cx, named, &Table::default(), found), true)),
        }
    }

    /// A publish comes back; its content follows.
    pub(super) fn comes_back(&mut self, cx: &mut Cx<'_, '_>, args: &Table<'_>, found: Found<'_>) {
        let fields = told(&args.only(&["reply_code", "reply_text"]), "amqp.reply");
        let what = What::Return(args.bytes("exchange").into(), args.bytes("routing_key").into(), fields);
        if let Some(channel) = self.channels.get_mut(&found.channel) {
            channel.begin(cx, Content::new(what, None, found.at, found.length));
        }
    }

    /// A publish has come back whole: which one it is, its properties and its body tell. Where it was not captured, it is a flow now; not
    /// where it may be one that has a flow.
    pub(super) fn came_back(&mut self, cx: &mut Cx<'_, '_>, number: u16, content: Content) {
        let (digest, last, first, length) = (content.digest(), content.last, content.first, content.length());
        let What::Return(exchange, routing_key, fields) = content.what else { return };
        let Some(channel) = self.channels.get_mut(&number) else { return };
        let sent = Sent { digest, ..Sent::new(&exchange, &routing_key, true) };
        if let Some((tag, confirmed)) = channel.sent_as(&sent) {
            let list = if confirmed { &mut channel.publishes } else { &mut channel.unconfirmed };
            if let Some(key) = list.come_back(tag, last) {
                cx.fields(key, fields);
            }
            // if it is not confirmed, it is over with this, and so are those before it, which did not come back
            let over = if confirmed { Vec::new() } else { list.take(tag, true) };
            return over.into_iter().for_each(|(_, wait, _)| channel.let_go(cx, wait));
        }
        if !self.late || channel.may_have_forgotten(&sent) {
            return cx.unassigned("returns", length);
        }
        let operation = message::published(&exchange, &routing_key);
        let key = self.keys.open(cx, Pattern::Publish, operation, Dir::ToServer, first);
        cx.note(key, Issue::NO_REQUEST);
        cx.fields(key, message::routed(&exchange, &routing_key));
        cx.fields(key, fields);
        cx.close(key, Some("returned".into()), false, None);
    }
}

impl Channel {
    /// A publish of which nothing but a failure will be told.
    pub fn hold(&mut self, cx: &mut Cx<'_, '_>, wait: Wait) {
        self.next_unconfirmed += 1;
        self.unconfirmed.push(cx, self.next_unconfirmed, wait);
    }

    /// The publishes that wait.
    fn sent(&self) -> impl Iterator<Item = &Wait> {
        self.publishes.iter().chain(self.unconfirmed.iter())
    }

    /// The tag of the one that has come back, and whether it will be confirmed: where its content was not seen whole, the only one that was
    /// published so.
    fn sent_as(&self, back: &Sent) -> Option<(u64, bool)> {
        let first = |[confirmed, held]: [Option<u64>; 2]| confirmed.map(|tag| (tag, true)).or(held.map(|tag| (tag, false)));
        let lists = [&self.publishes, &self.unconfirmed];
        first(lists.map(|list| list.same(back))).or_else(|| {
            let mut alike = lists.into_iter().flat_map(|list| list.routed(back));
            let (_, digest) = alike.next()?;
            let only = alike.next().is_none() && (back.digest.is_none() || digest.is_none());
            first(lists.map(|list| list.routed(back).next().map(|(tag, _)| tag))).filter(|_| only)
        })
    }

    /// Whether one that is not held any more may have come back.
    fn may_have_forgotten(&self, sent: &Sent) -> bool {
        self.forgot || self.known.contains(&digest_of(sent))
    }

    /// Nothing is held back of what was published before this packet: its answer has come, and answers come in order.
    pub fn answered(&mut self, cx: &mut Cx<'_, '_>, before: Stamp) {
        while let Some(wait) = self.unconfirmed.pop_if(|wait| wait.last.packet < before.packet) {
            self.let_go(cx, wait);
        }
    }

    /// Those of which a failure would have been told by now went well.
    pub fn wait_no_longer(&mut self, cx: &mut Cx<'_, '_>, now: Stamp) {
        while let Some(wait) = self.unconfirmed.pop_if(|wait| now.time.since(wait.last.time) > FAILURE) {
            self.know_again(&wait);
            self.let_go(cx, wait);
        }
    }

    /// Of more than there is room for the oldest wait no longer.
    pub fn forget(&mut self, cx: &mut Cx<'_, '_>, many: usize) {
        for _ in 0..many {
            let lists = [&mut self.publishes, &mut self.deliveries, &mut self.unsure];
            let Some(fullest) = lists.into_iter().max_by_key(|list| list.len()) else { return };
            if fullest.len() > self.unconfirmed.len() {
                fullest.pop().into_iter().for_each(|wait| forgotten(cx, wait));
            } else if let Some(wait) = self.unconfirmed.pop() {
                let mandatory = wait.sent.is_some_and(|sent| sent.mandatory);
                self.forgot |= mandatory;
                if mandatory {
                    cx.note(wait.key, UNHELD);
                }
                self.let_go(cx, wait);
            }
        }
    }

    /// The broker has closed the channel with an error, by a publish (the one that is meant, if that is sure) or by something else. What
    /// was sent after that it does not take. The flow of that publish.
    fn fail(&mut self, cx: &mut Cx<'_, '_>, by_publish: bool, sure: bool, is: impl Fn(&Wait) -> bool) -> Option<u64> {
        let mut culprit =
            self.publishes.find(&is).filter(|_| sure).map(|tag| self.publishes.take(tag, false)).into_iter().flatten();
        let mut culprit = culprit.next().map(|(_, wait, _)| wait.key);
        self.failed |= by_publish && self.unconfirmed.find(&is).is_none();
        while let Some(wait) = self.unconfirmed.pop() {
            let meant = is(&wait);
            self.failed |= meant;
            if meant && sure {
                culprit = Some(wait.key);
            } else {
                self.let_go(cx, wait);
            }
        }
        self.failed = true;
        culprit
    }

    /// Nothing will be told of one that is not confirmed.
    pub fn let_go(&mut self, cx: &mut Cx<'_, '_>, wait: Wait) {
        if !wait.returned && self.failed {
            cx.note(wait.key, UNBLAMED);
        } else if !wait.returned && self.confirms.is_uncounted() {
            cx.note(wait.key, UNCOUNTED);
        }
        wait.give_up(cx);
    }

    fn know_again(&mut self, wait: &Wait) {
        self.known.extend(wait.sent.filter(|sent| sent.mandatory).map(digest_of));
        if self.known.len() > KNOWN {
            self.known.pop_front();
        }
    }
}

/// The exchange that a reply is about.
fn exchange(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(EXCHANGE.0)?;
    let (name, _) = rest.rsplit_once(EXCHANGE.1)?;
    Some(if name == DEFAULT { "" } else { name })
}
