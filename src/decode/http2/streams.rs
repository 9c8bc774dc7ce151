//! The streams of a connection: which are open, which were, and what a new one is called.

use super::frame;
use super::head::Head;
use super::stream::Stream;
use crate::decode::few::Few;
use crate::decode::grpc::Ended;
use crate::decode::{Cx, http1};
use crate::model::{Dir, Issue, Pattern, Stamp, unknown};
use compact_str::CompactString;
use std::collections::VecDeque;

const TOO_MANY: Issue = Issue::unseen("too many streams are open");
const REFUSED: Issue = Issue::remark("refused by GOAWAY");
const PUSHED: Issue = Issue::remark("pushed by the server");
/// How many DATA frames are passed over for want of a head that shows who is the client, where the connection was joined late: then the
/// guess stands.
const UNTURNED: u8 = 16;
/// How many streams that are over are remembered, so that frames which were on their way do not begin them anew.
const REMEMBERED: usize = 256;
/// The same where nothing has come for a while.
const REMEMBERED_AT_REST: usize = 16;

/// How many streams that are over may be among those whose frames came, beside as many as are open.
const SPARE: usize = 4;

/// The streams of one connection.
#[derive(Debug, Default)]
pub struct Streams {
    /// Mostly none or few. A new one mostly is the last one by its number, too.
    open: Few<u32, Box<Stream>>,
    /// Those that are over, the last ones.
    over: VecDeque<u32>,
    /// The highest one that began.
    highest: u32,
    next_key: u64,
    /// How many more DATA frames are passed over before a head has shown who is the client.
    unturned: u8,
    /// Whether it is known who is the client.
    sure: bool,
    /// Those whose frames came since the place in a direction was last lost, some of which may be over.
    touched: Option<Box<[Vec<u32>; 2]>>,
    /// What the GOAWAYs of each direction said.
    leaving: [Leaving; 2],
    /// Whether heads of requests may have gone by unseen.
    pub late: bool,
    /// Method and target of the HTTP/1 request that the first stream answers.
    pub upgraded: Option<Box<(CompactString, CompactString)>>,
    /// Not yet said that the connection was joined late.
    pub joined: bool,
}

/// What the GOAWAYs of one direction said.
#[derive(Debug)]
struct Leaving {
    /// The last stream that is looked at.
    last: u32,
    /// The error codes that were noted, a bit each; the highest one is all that have no name.
    noted: u16,
}

impl Default for Leaving {
    fn default() -> Self {
        Self { last: u32::MAX, noted: 0 }
    }
}

impl Streams {
    /// None yet; `joined` tells that the connection was joined late.
    pub fn new(joined: bool) -> Self {
        Self { late: joined, joined, sure: !joined, unturned: if joined { UNTURNED } else { 0 }, ..Self::default() }
    }

    /// Whether it is known who is the client.
    pub fn is_sure(&self) -> bool {
        self.sure
    }

    /// A head has shown who is the client.
    pub fn turned(&mut self) {
        (self.sure, self.unturned) = (true, 0);
    }

    /// An open one, of which a frame comes.
    pub fn get(&mut self, id: u32) -> Option<&mut Stream> {
        let stream = self.open.get_mut(&id)?;
        if stream.touched != [true; 2] {
            for (touched, is_touched) in self.touched.get_or_insert_default().iter_mut().zip(&mut stream.touched) {
                if !std::mem::replace(is_touched, true) {
                    touched.push(id);
                }
            }
        }
        Some(stream)
    }

    /// Frames of a direction may have gone by unseen: it is told to those of which there was one since the last time, so that it costs
    /// what came.
    pub fn lose(&mut self, cx: &mut Cx<'_, '_>, dir: Dir) {
        let Some(touched) = &mut self.touched else { return };
        let mut touched = std::mem::take(&mut touched[dir.index()]);
        touched.sort_unstable();
        for id in touched {
            if let Some(stream) = self.open.get_mut(&id) {
                stream.touched[dir.index()] = false;
                stream.lose(cx, dir);
            }
            self.close(cx, id);
        }
    }

    /// Nothing has come for a while: what was on its way has come.
    pub fn rest(&mut self) {
        // only where not all was seen a frame of those could be taken for one of a stream that began unseen
        let kept = if self.late { REMEMBERED_AT_REST } else { 0 };
        self.over.drain(..self.over.len().saturating_sub(kept));
        self.over.shrink_to_fit();
        self.open.rest();
        if self.open.is_empty() {
            self.touched = None;
        }
    }

    /// A GOAWAY: each code is noted once, and the streams behind the last one are refused.
    pub fn going_away(&mut self, cx: &mut Cx<'_, '_>, dir: Dir, (last, code): (u32, u32), stamp: Stamp) {
        let leaving = &mut self.leaving[dir.index()];
        let bit = 1 << code.min(15);
        if leaving.noted & bit == 0 {
            leaving.noted |= bit;
            self.open.iter_mut().for_each(|(_, stream)| stream.note(cx, Issue::remark(frame::going_away(code))));
        }
        if last < leaving.last {
            let before = std::mem::replace(&mut leaving.last, last);
            let refused: Vec<u32> = self.open.iter().map(|(id, _)| *id).filter(|id| (last + 1..=before).contains(id)).collect();
            refused.into_iter().for_each(|id| self.refuse(cx, dir, id, stamp));
        }
    }

    /// A stream that begins behind the last one of a GOAWAY: it was on its way.
    pub fn refuse_late(&mut self, cx: &mut Cx<'_, '_>, dir: Dir, id: u32, stamp: Stamp) {
        let by = dir.other();
        if id > self.leaving[by.index()].last {
            self.refuse(cx, by, id, stamp);
        }
    }

    /// Who goes away will not look at a stream of the other one's, unless the answer has begun.
    fn refuse(&mut self, cx: &mut Cx<'_, '_>, by: Dir, id: u32, stamp: Stamp) {
        let theirs = (by == Dir::ToClient) == (id % 2 == 1);
        if theirs
            && self.open.get(&id).is_some_and(|stream| !stream.is_answered())
            && let Some(mut stream) = self.remove(id)
        {
            stream.note(cx, REFUSED);
            stream.reset(cx, Ended::Refused, stamp);
        }
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// All that are open.
    pub fn iter(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.open.iter_mut().map(|(_, stream)| &mut **stream)
    }

    /// Closes those that are over.
    pub fn sweep(&mut self, cx: &mut Cx<'_, '_>) {
        let over: Vec<u32> = self.open.iter().filter(|(_, stream)| stream.is_over()).map(|(id, _)| *id).collect();
        over.into_iter().for_each(|id| self.close(cx, id));
    }

    /// Gives all up: nothing more of them will be seen.
    pub fn give_up(&mut self, cx: &mut Cx<'_, '_>) {
        std::mem::take(&mut self.open).into_iter().for_each(|(_, stream)| stream.give_up(cx));
    }

    /// The stream of a header block, which may begin with it. None where it is over, or not worth a flow.
    pub fn of_block(
        &mut self,
        cx: &mut Cx<'_, '_>,
        dir: Dir,
        (id, promised): (u32, bool),
        head: &Head,
        first: Stamp,
    ) -> Option<&mut Stream> {
        let begins = dir == Dir::ToServer || promised;
        if self.open.get(&id).is_none() {
            if !(self.sure || head.is_head()) {
                return None;
            }
            if !begins {
                return self.unasked(cx, id, first);
            }
            if self.over.contains(&id) || !(head.is_head() || head.unseen) {
                return None;
            }
            let stream = self.add(cx, id, operation(head), first)?;
            if promised {
                stream.note(cx, PUSHED);
            }
        }
        self.get(id)
    }

    /// Whether the content of a stream may have to tell what it is.
    pub fn is_untold(&self, dir: Dir, id: u32) -> bool {
        self.open.get(&id).is_none_or(|stream| stream.is_untold(dir))
    }

    /// The stream of a DATA frame, whose beginning may not have been seen.
    pub fn of_data(&mut self, cx: &mut Cx<'_, '_>, id: u32, first: Stamp) -> Option<&mut Stream> {
        if self.open.get(&id).is_some() {
            return self.get(id);
        }
        if self.unturned > 0 {
            self.unturned -= 1;
            return None;
        }
        self.unasked(cx, id, first)
    }

    /// A flow for a stream whose request was not seen, unless the stream is over.
    fn unasked(&mut self, cx: &mut Cx<'_, '_>, id: u32, first: Stamp) -> Option<&mut Stream> {
        if let Some(asked) = self.upgraded.take_if(|_| id == 1) {
            let (method, target) = *asked;
            let stream = self.add(cx, id, format!("{method} {}", http1::path(&target)).into(), first)?;
            stream.upgraded(cx, &method, &target);
            return Some(stream);
        }
        if self.over.contains(&id) || !self.late && id <= self.highest {
            return None;
        }
        let stream = self.add(cx, id, unknown::REQUEST.into(), first)?;
        stream.note(cx, Issue::NO_REQUEST);
        Some(stream)
    }

    fn add(&mut self, cx: &mut Cx<'_, '_>, id: u32, operation: CompactString, first: Stamp) -> Option<&mut Stream> {
        if cx.surplus(self.open.len(), cx.limits().pending) > 0
            && let Some(&oldest) = self.open.first()
            && let Some(mut stream) = self.remove(oldest)
        {
            stream.note(cx, TOO_MANY);
            stream.give_up(cx);
        }
        let key = self.next_key;
        self.next_key += 1;
        self.highest = self.highest.max(id);
        cx.open(key, "http", Pattern::RequestResponse, operation, Dir::ToServer, first);
        if std::mem::take(&mut self.joined) {
            cx.note(key, Issue::JOINED);
        }
        for touched in &mut **self.touched.get_or_insert_default() {
            if touched.len() > 2 * self.open.len() + SPARE {
                touched.retain(|id| self.open.get(id).is_some());
            }
            touched.push(id);
        }
        self.open.insert(id, Box::new(Stream::new(id, key)));
        self.open.get_mut(&id).map(|stream| &mut **stream)
    }

    /// Takes one out: it is over.
    pub fn remove(&mut self, id: u32) -> Option<Stream> {
        let stream = self.open.remove(&id)?;
        if self.over.len() >= REMEMBERED {
            self.over.pop_front();
        }
        self.over.push_back(id);
        Some(*stream)
    }

    /// Closes a stream if it is over.
    pub fn close(&mut self, cx: &mut Cx<'_, '_>, id: u32) {
        if self.open.get(&id).is_some_and(|stream| stream.is_over())
            && let Some(stream) = self.remove(id)
        {
            stream.close(cx);
        }
    }
}

/// What a request is called.
fn operation(head: &Head) -> CompactString {
    match (head.method.as_deref(), head.path.as_deref(), head.authority.as_deref()) {
        (Some(method), Some(path), _) => [method, " ", &http1::path(path)].concat().into(),
        (Some("CONNECT"), None, Some(authority)) => format!("CONNECT {authority}").into(),
        (Some(method), None, _) => [method, " ", unknown::PATH].concat().into(),
        (None, ..) => unknown::REQUEST.into(),
    }
}
