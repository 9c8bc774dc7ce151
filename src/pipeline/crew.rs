//! The workers of one run, and how their results become turns. What they do is [`crate::worker`]'s.

use super::{Kept, PipelineError, Plan};
use crate::model::{Batch, Item, Totals, Turn};
use crate::worker::{Made, Worker, merge};
use crate::{priority, privileges};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Batches on their way to each worker, and back from it: some 24 MiB of packets, half a second of the most that a loopback carries.
const QUEUE: usize = 384;
/// The same of a file, which waits.
const QUEUE_OF_FILE: usize = 16;

/// How far a crew may be behind without anything being dropped or refused, as a part of what it may be at all.
const CAUGHT_UP: f64 = 0.5;

/// How many events of what the end of a capture leaves open are one turn: all at once would take as much memory again.
const ENDING: usize = 4096;

/// The workers, inline or in threads.
pub(super) enum Crew {
    Inline { worker: Box<Worker>, turns: Sender<Turn>, gone: bool, spare: Vec<u8> },
    Threads { live: bool, queues: Vec<Sender<Work>>, threads: Vec<JoinHandle<()>>, given: Given, back: Back },
}

/// The batches that were given to the workers and are no turns yet.
#[derive(Default)]
pub(super) struct Given {
    /// When each was given.
    since: VecDeque<Instant>,
    /// How many are turns.
    turned: u64,
    /// For how long they may wait, live.
    late: Option<Duration>,
    /// Whether what comes is dropped.
    drops: bool,
}

impl Given {
    /// For how long the oldest one has waited, where so many in all have become turns.
    fn waited(&mut self, turned: u64, now: Instant) -> Duration {
        let more = usize::try_from(turned - self.turned).unwrap_or(usize::MAX);
        self.since.drain(..more.min(self.since.len()));
        self.turned = turned;
        self.since.front().map_or(Duration::ZERO, |since| now.saturating_duration_since(*since))
    }

    /// How far the workers are behind, as a part of what they may be by time and by `room`, of which so much is taken.
    fn behind(&self, waited: Duration, (taken, room): (usize, usize)) -> f64 {
        let late = self.late.map_or(0.0, |late| waited.as_secs_f64() / late.as_secs_f64());
        late.max(taken as f64 / room as f64)
    }

    /// Whether what comes now is dropped, being so far behind: from the end of what is allowed until half of it, so that whole stretches of
    /// time are there, with all that belongs together, and others are not.
    fn drops(&mut self, behind: f64) -> bool {
        self.drops = behind >= 1.0 || self.drops && behind > CAUGHT_UP;
        self.drops
    }
}

/// What comes back from the workers.
pub(super) struct Back {
    /// How many turns were made, which is all that is told of them.
    turned: Arc<AtomicU64>,
    /// Whether nobody takes turns any more.
    gone: Arc<AtomicBool>,
    /// Slabs of batches that are done.
    spares: Receiver<Vec<u8>>,
}

/// Where turns go, and what tells the reader of it.
struct Out {
    turns: Sender<Turn>,
    turned: Arc<AtomicU64>,
    gone: Arc<AtomicBool>,
    spare: Sender<Vec<u8>>,
}

impl Out {
    /// What the workers made of one batch is a turn. Whether that is all there will be.
    fn tell(&self, parts: Vec<Made>, batch: Arc<Batch>, reader: &Totals, last: bool) -> bool {
        let (mut events, mut totals) = merge(parts);
        events.extend(batch.tapped.iter().cloned());
        totals.add(reader);
        let turn = Turn { events, until: batch.last, news: batch.news.clone(), totals, last };
        if let Some(batch) = Arc::into_inner(batch) {
            _ = self.spare.try_send(batch.slab);
        }
        let over = self.turns.send(turn).is_err() || last;
        self.gone.fetch_or(over, Ordering::Relaxed);
        self.turned.fetch_add(1, Ordering::Relaxed);
        over
    }
}

/// What a worker thread is handed.
#[derive(Clone)]
pub(super) enum Work {
    Batch(Arc<Batch>, Arc<Totals>),
    Finish(Arc<Batch>, Arc<Totals>),
}

/// What the merger gets from a worker.
struct Done {
    made: Made,
    /// The same from each worker.
    batch: Arc<Batch>,
    reader: Arc<Totals>,
    last: bool,
}

impl Crew {
    pub(super) fn start(plan: &Plan, turns: &Sender<Turn>) -> std::io::Result<Self> {
        let settings = Arc::new(plan.settings.clone());
        if plan.workers == 0 {
            return Ok(Self::Inline {
                worker: Box::new(Worker::new(settings, 0, 1)),
                turns: turns.clone(),
                gone: false,
                spare: Vec::new(),
            });
        }
        let live = plan.live;
        let room = if live { QUEUE } else { QUEUE_OF_FILE };
        let (spare, spares) = bounded(room);
        let back = Back { turned: Arc::default(), gone: Arc::default(), spares };
        let (turned, gone) = (Arc::clone(&back.turned), Arc::clone(&back.gone));
        let out = Out { turns: turns.clone(), turned, gone, spare };
        let (mut queues, mut threads) = (Vec::new(), Vec::new());
        let mut start = |name: String, toil: Box<dyn FnOnce() + Send>| {
            threads.push(thread::Builder::new().name(name).spawn(toil)?);
            std::io::Result::Ok(())
        };
        let mut worker = |index| {
            let (queue, work) = bounded(room);
            queues.push(queue);
            (Worker::new(Arc::clone(&settings), index, plan.workers), work)
        };
        if plan.workers == 1 {
            let (worker, work) = worker(0);
            start(
                "worker".into(),
                Box::new(move || {
                    toil(live, worker, ENDING, &work, |Done { made, batch, reader, last }| {
                        !out.tell(vec![made], batch, &reader, last)
                    })
                }),
            )?;
        } else {
            let mut results = Vec::new();
            for index in 0..plan.workers {
                let ((worker, work), (done, result)) = (worker(index), bounded(room));
                start(
                    format!("worker {index}"),
                    // all at once, since what the workers end is put into one order
                    Box::new(move || toil(live, worker, usize::MAX, &work, |result| done.send(result).is_ok())),
                )?;
                results.push(result);
            }
            start("merger".into(), Box::new(move || join(live, &results, &out)))?;
        }
        Ok(Self::Threads { live, queues, threads, given: Given { late: plan.late, ..Given::default() }, back })
    }

    /// Memory for the next batch's bytes, of one that is done, where there is one: fresh pages cost more than what is put into them.
    pub(super) fn spare(&mut self) -> Vec<u8> {
        match self {
            Self::Inline { spare, .. } => std::mem::take(spare),
            Self::Threads { back, .. } => back.spares.try_recv().unwrap_or_default(),
        }
    }

    /// Hands a batch over; live it is dropped where a worker has no room for it, and its news given back.
    pub(super) fn give(&mut self, mut batch: Batch, sums: &mut Totals) -> Kept {
        match self {
            Self::Inline { worker, turns, gone, spare } => {
                let made = worker.batch(&batch);
                let (mut events, mut totals) = merge(vec![made]);
                events.append(&mut batch.tapped);
                totals.add(sums);
                let turn = Turn { events, until: batch.last, news: batch.news, totals, last: false };
                *gone = turns.send(turn).is_err();
                *spare = batch.slab;
            }
            Self::Threads { live, queues, given, back, .. } => {
                let now = Instant::now();
                let waited = given.waited(back.turned.load(Ordering::Relaxed), now);
                let longest = queues.iter().map(Sender::len).max().unwrap_or(0);
                let behind = if *live { given.behind(waited, (longest, QUEUE)) } else { 0.0 };
                batch.overload = behind > CAUGHT_UP;
                if given.drops(behind) {
                    sums.own_drops += batch.items.iter().filter_map(Item::segment).count() as u64;
                    sums.passed_over_bytes += batch.items.iter().map(Item::payload).sum::<u64>();
                    return Kept { news: batch.news, tapped: batch.tapped };
                }
                given.since.push_back(now);
                let (batch, sums) = (Arc::new(batch), Arc::new(sums.clone()));
                let work = || Work::Batch(Arc::clone(&batch), Arc::clone(&sums));
                // a worker that is gone has panicked, or nobody takes turns
                let gone = queues.iter().map(|queue| queue.send(work())).any(|sent| sent.is_err());
                back.gone.fetch_or(gone, Ordering::Relaxed);
            }
        }
        Kept::default()
    }

    /// Whether nobody takes turns any more.
    pub(super) fn gone(&self) -> bool {
        match self {
            Self::Inline { gone, .. } => *gone,
            Self::Threads { back, .. } => back.gone.load(Ordering::Relaxed),
        }
    }

    pub(super) fn finish(self, sums: &Totals, mut rest: Batch) -> Result<(), PipelineError> {
        match self {
            Self::Inline { mut worker, turns, .. } => loop {
                let (made, last) = worker.finish(rest.last, ENDING);
                let (mut events, mut totals) = merge(vec![made]);
                totals.add(sums);
                if last {
                    events.append(&mut rest.tapped);
                }
                let news = std::mem::take(&mut rest.news);
                if turns.send(Turn { events, until: rest.last, news, totals, last }).is_err() || last {
                    break;
                }
            },
            Self::Threads { queues, threads, .. } => {
                let sums = Arc::new(sums.clone());
                let rest = Arc::new(rest);
                for queue in queues {
                    let _ = queue.send(Work::Finish(Arc::clone(&rest), Arc::clone(&sums)));
                }
                // all of them are waited for, also behind one that failed
                let failed = threads.into_iter().filter_map(|thread| thread.join().err()).count();
                if failed > 0 {
                    return Err(PipelineError::Worker);
                }
            }
        }
        Ok(())
    }
}

/// What reads hostile bytes has no rights, or does not run; the reader, which starts these threads, may still open interfaces. Live it
/// gives way to what is watched: the reader alone does not, so that what is skipped is skipped where it is counted.
fn begin(live: bool) -> Option<priority::Working> {
    if let Err(e) = privileges::drop_the_rest() {
        panic!("{e}");
    }
    live.then(priority::give_way)
}

/// Works until nobody takes what is `done` any more.
fn toil(live: bool, mut worker: Worker, ending: usize, work: &Receiver<Work>, done: impl Fn(Done) -> bool) {
    let working = begin(live);
    for work in work {
        match work {
            Work::Batch(batch, reader) => {
                if !done(Done { made: worker.batch(&batch), batch, reader, last: false }) {
                    return;
                }
                working.iter().for_each(priority::Working::tell);
            }
            Work::Finish(batch, reader) => {
                let part = Arc::new(Batch { last: batch.last, ..Batch::default() });
                loop {
                    let (made, last) = worker.finish(batch.last, ending);
                    let batch = Arc::clone(if last { &batch } else { &part });
                    if !done(Done { made, batch, reader: Arc::clone(&reader), last }) || last {
                        return;
                    }
                }
            }
        }
    }
}

/// Takes each batch's results from all workers, in step, and sends them on as one turn.
fn join(live: bool, results: &[Receiver<Done>], out: &Out) {
    let working = begin(live);
    loop {
        working.iter().for_each(priority::Working::tell);
        let mut parts = Vec::with_capacity(results.len());
        let mut first = None;
        for result in results {
            let Ok(Done { made, batch, reader, last }) = result.recv() else {
                out.gone.store(true, Ordering::Relaxed);
                return;
            };
            parts.push(made);
            first.get_or_insert((batch, reader, last));
        }
        let Some((batch, reader, last)) = first else { return };
        if out.tell(parts, batch, &reader, last) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Segment, SourceId, SourceNews, Stamp, TcpFlags, Zone};

    #[test]
    fn a_crew_that_failed_is_not_a_run_that_went_well() {
        let (queue, _) = bounded(QUEUE);
        let threads = [true, false].map(|fail| {
            thread::spawn(move || {
                if fail {
                    std::panic::resume_unwind(Box::new("on purpose"))
                }
            })
        });
        let back = Back { turned: Arc::default(), gone: Arc::default(), spares: crossbeam_channel::never() };
        let (queues, threads) = (vec![queue], threads.into());
        let mut crew = Crew::Threads { live: false, queues, threads, given: Given::default(), back };
        crew.give(Batch::default(), &mut Totals::default());
        assert!(crew.gone(), "the reader learns of it");
        assert!(matches!(crew.finish(&Totals::default(), Batch::default()), Err(PipelineError::Worker)));
    }

    #[test]
    fn what_has_waited_is_the_oldest_that_is_no_turn() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let mut given = Given::default();
        assert_eq!(given.waited(0, at(5)), Duration::ZERO);
        given.since.extend([at(0), at(10), at(30)]);
        assert_eq!(given.waited(0, at(40)), Duration::from_millis(40));
        assert_eq!(given.waited(2, at(40)), Duration::from_millis(10));
        assert_eq!(given.waited(3, at(40)), Duration::ZERO);
        let behind = |late: Option<u64>, waited, taken| {
            Given { late: late.map(Duration::from_millis), ..Given::default() }.behind(Duration::from_millis(waited), (taken, 8))
        };
        assert_eq!([behind(None, 900, 4), behind(Some(500), 250, 0), behind(Some(500), 250, 8)], [0.5, 0.5, 1.0]);
    }

    #[test]
    fn what_comes_is_dropped_for_a_stretch_and_then_taken_for_one() {
        let mut given = Given::default();
        let drops = [0.2, 0.9, 1.0, 0.9, 0.6, 0.5, 0.6, 0.9, 1.0].map(|behind| given.drops(behind));
        assert_eq!(drops, [false, false, true, true, true, false, false, false, true]);
    }

    #[test]
    fn live_packets_that_would_come_too_late_are_dropped_and_counted_until_others_are_taken() {
        let (to, turns) = bounded(0);
        let mut crew =
            Crew::start(&Plan { workers: 1, live: true, late: Some(Duration::from_millis(200)), ..Plan::default() }, &to)
                .unwrap();
        drop(to);
        let nobody = std::net::SocketAddr::from(([10, 0, 0, 1], 80));
        let segment = Segment {
            stamp: Stamp::default(),
            source: SourceId(0),
            zone: Zone::default(),
            from: nobody,
            to: nobody,
            seq: 0,
            ack: 0,
            flags: TcpFlags::default(),
            payload: 0..0,
            cut: 0,
            shard: 0,
        };
        let mut sums = Totals::default();
        let mut give = || {
            let before = sums.own_drops;
            thread::sleep(Duration::from_millis(20));
            let kept = crew.give(
                Batch {
                    items: vec![Item::Segment(segment.clone())],
                    news: vec![SourceNews::Warned("".into())],
                    ..Batch::default()
                },
                &mut sums,
            );
            assert_eq!(kept.news.len() as u64, sums.own_drops - before, "what a dropped batch has to say goes with the next one");
            sums.own_drops - before
        };
        while give() == 0 {}
        assert_eq!(give(), 1);
        let taker = thread::spawn(move || turns.iter().count());
        while give() == 1 {}
        assert_eq!(give(), 0);
        drop(crew);
        assert!(taker.join().unwrap() > 2);
    }
}
