//! Messages that wait for what becomes of them, by the tag under which that will be said. Not what the tags count: see `channel`.

use super::content::Digest;
use crate::decode::Cx;
use crate::model::{Issue, PENDING, Stamp};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher as _};

/// A message whose flow is open.
#[derive(Debug)]
pub struct Wait {
    /// Its flow.
    pub key: u64,
    /// The packet that brought its last byte.
    pub last: Stamp,
    /// Of a publish: by what it is known when the broker tells of it.
    pub sent: Option<Sent>,
    /// Whether it has come back.
    pub returned: bool,
    /// Whether an answer is due.
    pub due: bool,
    /// Whether what became of it may lie in a hole.
    pub doubt: bool,
}

/// By what a publish is known when the broker tells of it. Texts are long, and many publishes wait: numbers stand for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sent {
    /// Where it was published.
    pub exchange: Digest,
    /// Its key.
    pub routing_key: Digest,
    /// Properties and body, where it may come back and all of them were seen.
    pub digest: Option<Digest>,
    /// Whether it may come back.
    pub mandatory: bool,
}

impl Sent {
    /// One of which the content is still to come.
    pub fn new(exchange: &[u8], routing_key: &[u8], mandatory: bool) -> Self {
        Self { exchange: digest_of(exchange), routing_key: digest_of(routing_key), digest: None, mandatory }
    }

    /// Under what it is found.
    fn route(&self) -> Route {
        (self.exchange, self.routing_key, self.digest)
    }
}

/// What stands for something.
pub fn digest_of(what: impl Hash) -> Digest {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// Exchange, routing key and digest of a publish.
type Route = (Digest, Digest, Option<Digest>);

/// Messages by tag. Mostly there are none, on very many channels: then it takes nothing.
#[derive(Debug, Default)]
pub struct Waiting(Option<Box<Lists>>);

/// What there is. Mostly few: what holds very many has room for some at once, so that each has its own.
#[derive(Debug, Default)]
struct Lists {
    /// Each with how many were there before it, ever.
    list: BTreeMap<u64, Box<(u64, Wait)>>,
    /// Those that may come back and did not, by what is known of them then, and their tags: very many may wait, and come back one by one.
    routes: BTreeSet<(Route, u64)>,
    seen: u64,
    /// What becomes of the first so many may lie in a hole: told of each as it is taken, as holes may be many.
    doubted: u64,
}

impl Waiting {
    /// How many.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |lists| lists.list.len())
    }

    /// Whether something is still to be said of any for certain, of those whose tags count up.
    pub fn is_due(&self) -> bool {
        let Some(Lists { list, doubted, .. }) = self.0.as_deref() else { return false };
        list.last_key_value().is_some_and(|(_, last)| last.0 > *doubted)
    }

    /// One more. A tag that is used again is another channel's under the same number: what became of the earlier one was not seen.
    pub fn push(&mut self, cx: &mut Cx<'_, '_>, tag: u64, wait: Wait) {
        if let Some(earlier) = self.insert(tag, wait) {
            Wait { doubt: true, ..earlier }.give_up(cx);
        }
    }

    fn insert(&mut self, tag: u64, wait: Wait) -> Option<Wait> {
        self.0.get_or_insert_default().insert(tag, wait)
    }

    /// The oldest one.
    pub fn pop(&mut self) -> Option<Wait> {
        self.pop_if(|_| true)
    }

    /// The oldest one, if it is of a kind.
    pub fn pop_if(&mut self, is: impl Fn(&Wait) -> bool) -> Option<Wait> {
        let lists = self.0.as_mut()?;
        let oldest = lists.list.first_entry().filter(|oldest| is(&oldest.get().1))?;
        let (tag, wait) = oldest.remove_entry();
        let wait = lists.taken(tag, *wait);
        self.trim();
        Some(wait)
    }

    /// The first one of a kind, by its tag.
    pub fn find(&self, is: impl Fn(&Wait) -> bool) -> Option<u64> {
        self.0.as_ref()?.list.iter().find(|(_, of)| is(&of.1)).map(|(tag, _)| *tag)
    }

    /// The tags of those that were published like this and may still come back; in order, those of which not all was seen first.
    pub fn routed(&self, back: &Sent) -> impl Iterator<Item = (u64, Option<Digest>)> {
        let (exchange, routing_key) = (back.exchange, back.routing_key);
        let all = ((exchange, routing_key, None), 0)..=((exchange, routing_key, Some(u64::MAX)), u64::MAX);
        let routes = self.0.iter().flat_map(move |lists| lists.routes.range(all.clone()));
        routes.map(|((.., digest), tag)| (*tag, *digest))
    }

    /// The tag of the first one among them that is the same.
    pub fn same(&self, back: &Sent) -> Option<u64> {
        let route = back.route();
        back.digest?;
        self.0.as_ref()?.routes.range((route, 0)..=(route, u64::MAX)).next().map(|(_, tag)| *tag)
    }

    /// The one with a tag has come back, by this packet. Its flow.
    pub fn come_back(&mut self, tag: u64, last: Stamp) -> Option<u64> {
        let Lists { list, routes, .. } = self.0.as_deref_mut()?;
        let (_, wait) = &mut **list.get_mut(&tag)?;
        wait.route().into_iter().for_each(|route| _ = routes.remove(&(route, tag)));
        (wait.returned, wait.last) = (true, last);
        Some(wait.key)
    }

    /// Those that wait, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Wait> {
        self.0.iter().flat_map(|lists| lists.list.values()).map(|of| &of.1)
    }

    /// The same, to be changed; whether what becomes of one may lie in a hole is only told of those that are taken.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Wait> {
        self.0.iter_mut().flat_map(|lists| lists.list.values_mut()).map(|of| &mut of.1)
    }

    /// Those that an acknowledgement names: one, or all up to it (all there are: 0). Of the latter each with its tag, and whether it is meant for
    /// certain: one of them may have been named alone, in a hole.
    pub fn take(&mut self, tag: u64, multiple: bool) -> Vec<(u64, Wait, bool)> {
        let taken = self.0.as_mut().map_or_else(Vec::new, |lists| lists.take(tag, multiple));
        self.trim();
        taken
    }

    /// What becomes of those that are there may lie in a hole.
    pub fn doubt(&mut self) {
        self.0.iter_mut().for_each(|lists| lists.doubted = lists.seen);
    }

    /// Where nothing waits, no room is kept for what may.
    fn trim(&mut self) {
        self.0.take_if(|lists| lists.list.is_empty());
    }

    /// Nothing more will be said of any.
    pub fn give_up(&mut self, cx: &mut Cx<'_, '_>) {
        self.take(0, true).into_iter().for_each(|(_, wait, _)| wait.give_up(cx));
    }
}

impl Lists {
    fn insert(&mut self, tag: u64, wait: Wait) -> Option<Wait> {
        self.seen += 1;
        let route = wait.route();
        let earlier = self.list.insert(tag, Box::new((self.seen, wait))).map(|earlier| self.taken(tag, *earlier));
        self.routes.extend(route.map(|route| (route, tag)));
        earlier
    }

    fn take(&mut self, tag: u64, multiple: bool) -> Vec<(u64, Wait, bool)> {
        if !multiple {
            return self.list.remove(&tag).map(|wait| (tag, self.taken(tag, *wait), true)).into_iter().collect();
        }
        let later = match tag.checked_add(1) {
            Some(next) if tag != 0 => self.list.split_off(&next),
            _ => BTreeMap::new(),
        };
        let meant = std::mem::replace(&mut self.list, later).into_iter().map(|(own, wait)| (own, self.taken(own, *wait)));
        meant.map(|(own, wait)| (own == tag || !wait.doubt, own, wait)).map(|(sure, own, wait)| (own, wait, sure)).collect()
    }

    fn taken(&mut self, tag: u64, (number, wait): (u64, Wait)) -> Wait {
        wait.route().into_iter().for_each(|route| _ = self.routes.remove(&(route, tag)));
        Wait { doubt: wait.doubt || number <= self.doubted, ..wait }
    }
}

impl Wait {
    /// Under what it is found when it comes back; none where it does not, or has.
    fn route(&self) -> Option<Route> {
        self.sent.filter(|sent| sent.mandatory && !self.returned).map(|sent| sent.route())
    }

    /// Nothing more will be said of it.
    pub fn give_up(self, cx: &mut Cx<'_, '_>) {
        match self {
            Self { key, returned: true, last, .. } => cx.close(key, Some("returned".into()), false, Some(last)),
            Self { key, due: false, last, sent, doubt, .. } => {
                // of a publish nothing was due; of a delivery it is not known whether something was
                if doubt && sent.is_some_and(|sent| sent.mandatory) {
                    cx.note(key, Issue::NO_RESPONSE);
                }
                cx.close(key, None, true, sent.map(|_| last));
            }
            Self { key, doubt: true, .. } => {
                cx.note(key, Issue::NO_RESPONSE);
                cx.close(key, None, true, None);
            }
            Self { key, .. } => cx.close(key, Some(PENDING.into()), false, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wait(key: u64, sent: Option<Sent>) -> Wait {
        Wait { key, last: Stamp::default(), sent, returned: false, due: true, doubt: false }
    }

    /// What waits and may come back, by looking at all of it.
    fn routes(waiting: &Waiting) -> BTreeSet<(Route, u64)> {
        waiting.0.iter().flat_map(|lists| &lists.list).filter_map(|(tag, of)| Some((of.1.route()?, *tag))).collect()
    }

    proptest! {
        #[test]
        fn what_may_come_back_is_found_whatever_was_taken(steps in prop::collection::vec((0..6_u8, 0..12_u64, 0..4_u64), 0..60)) {
            let mut waiting = Waiting::default();
            let sent = |n: u64| Sent { digest: n.checked_sub(1), ..Sent::new(b"", b"q", true) };
            for (key, (step, tag, n)) in steps.into_iter().enumerate() {
                match step {
                    0 | 1 => _ = waiting.insert(tag, wait(key as u64, (n < 3).then(|| sent(n)))),
                    2 => _ = waiting.pop(),
                    3 => _ = waiting.take(tag, n == 0),
                    4 => _ = waiting.come_back(tag, Stamp::default()),
                    _ => {
                        let same = |wait: &Wait| n > 0 && !wait.returned && wait.sent == Some(sent(n));
                        prop_assert_eq!(waiting.same(&sent(n)), waiting.find(same));
                        let all = |wait: &Wait| wait.sent.is_some() && !wait.returned;
                        prop_assert_eq!(waiting.routed(&sent(n)).count(), waiting.iter().filter(|wait| all(wait)).count());
                    }
                }
                prop_assert_eq!(waiting.0.is_some(), waiting.len() > 0);
                prop_assert_eq!(waiting.0.as_ref().map(|lists| lists.routes.clone()).unwrap_or_default(), routes(&waiting));
            }
        }
    }
}
