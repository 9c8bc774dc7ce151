//! The workers of one run, and how their results become turns. What they do is [`crate::worker`]'s.

use super::{Kept, PipelineError, Plan};
use crate::model::{Batch, Item, Totals, Turn};
use crate::privileges;
use crate::worker::{Made, Worker, merge};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// Batches on their way to each worker; past half of it new connections are refused, when it is full packets are.
const QUEUE: usize = 128;

/// How many connections that the end of a capture leaves open end in one turn: all at once would take as much memory again.
const ENDING: usize = 1024;

/// The workers, inline or in threads.
pub(super) enum Crew {
    Inline { worker: Box<Worker>, turns: Sender<Turn>, gone: bool, spare: Vec<u8> },
    Threads { live: bool, queues: Vec<Sender<Work>>, threads: Vec<JoinHandle<()>>, merger: Merger },
}

/// The thread that puts the workers' results together.
pub(super) struct Merger {
    thread: JoinHandle<()>,
    /// Whether nobody takes turns any more.
    gone: Arc<AtomicBool>,
    /// Slabs of batches that are done.
    spares: Receiver<Vec<u8>>,
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
        let (mut queues, mut results, mut threads) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..plan.workers {
            let (queue, work) = bounded(QUEUE);
            let (done, result) = bounded(QUEUE);
            let worker = Worker::new(Arc::clone(&settings), index, plan.workers);
            threads.push(thread::Builder::new().name(format!("worker {index}")).spawn(move || toil(worker, &work, &done))?);
            queues.push(queue);
            results.push(result);
        }
        let gone = Arc::new(AtomicBool::new(false));
        let (turns, left, (spare, spares)) = (turns.clone(), Arc::clone(&gone), bounded(QUEUE));
        let thread = thread::Builder::new().name("merger".into()).spawn(move || join(&results, &turns, &left, &spare))?;
        Ok(Self::Threads { live: plan.live, queues, threads, merger: Merger { thread, gone, spares } })
    }

    /// Memory for the next batch's bytes, of one that is done, where there is one: fresh pages cost more than what is put into them.
    pub(super) fn spare(&mut self) -> Vec<u8> {
        match self {
            Self::Inline { spare, .. } => std::mem::take(spare),
            Self::Threads { merger, .. } => merger.spares.try_recv().unwrap_or_default(),
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
            Self::Threads { live, queues, .. } => {
                let longest = queues.iter().map(Sender::len).max().unwrap_or(0);
                batch.overload = *live && longest > QUEUE / 2;
                if *live && longest >= QUEUE {
                    sums.own_drops += batch.items.iter().filter_map(Item::segment).count() as u64;
                    sums.passed_over_bytes += batch.items.iter().map(Item::payload).sum::<u64>();
                    return Kept { news: batch.news, tapped: batch.tapped };
                }
                let (batch, sums) = (Arc::new(batch), Arc::new(sums.clone()));
                for queue in queues {
                    // a worker that is gone has panicked: the merger notices
                    let _ = queue.send(Work::Batch(Arc::clone(&batch), Arc::clone(&sums)));
                }
            }
        }
        Kept::default()
    }

    /// Whether nobody takes turns any more.
    pub(super) fn gone(&self) -> bool {
        match self {
            Self::Inline { gone, .. } => *gone,
            Self::Threads { merger, .. } => merger.gone.load(Ordering::Relaxed),
        }
    }

    pub(super) fn finish(self, sums: &Totals, mut rest: Batch) -> Result<(), PipelineError> {
        match self {
            Self::Inline { mut worker, turns, .. } => {
                let before = worker.sums();
                loop {
                    let (made, last) = worker.finish(rest.last, ENDING);
                    let (mut events, after) = merge(vec![made]);
                    // what ends is summed up once all of it has ended
                    let mut totals = if last { after } else { before.clone() };
                    totals.add(sums);
                    if last {
                        events.append(&mut rest.tapped);
                    }
                    let news = std::mem::take(&mut rest.news);
                    if turns.send(Turn { events, until: rest.last, news, totals, last }).is_err() || last {
                        break;
                    }
                }
            }
            Self::Threads { queues, threads, merger, .. } => {
                let sums = Arc::new(sums.clone());
                let rest = Arc::new(rest);
                for queue in queues {
                    let _ = queue.send(Work::Finish(Arc::clone(&rest), Arc::clone(&sums)));
                }
                // all of them are waited for, also behind one that failed
                let failed = threads.into_iter().chain([merger.thread]).filter_map(|thread| thread.join().err()).count();
                if failed > 0 {
                    return Err(PipelineError::Worker);
                }
            }
        }
        Ok(())
    }
}

/// What reads hostile bytes has no rights, or does not run; the reader, which starts these threads, may still open interfaces.
fn rightless() {
    if let Err(e) = privileges::drop_the_rest() {
        panic!("{e}");
    }
}

fn toil(mut worker: Worker, work: &Receiver<Work>, done: &Sender<Done>) {
    rightless();
    for work in work {
        let result = match work {
            Work::Batch(batch, reader) => Done { made: worker.batch(&batch), batch, reader, last: false },
            Work::Finish(batch, reader) => Done { made: worker.finish(batch.last, usize::MAX).0, batch, reader, last: true },
        };
        if done.send(result).is_err() {
            return;
        }
    }
}

/// Takes each batch's results from all workers, in step, and sends them on as one turn.
fn join(results: &[Receiver<Done>], turns: &Sender<Turn>, gone: &AtomicBool, spares: &Sender<Vec<u8>>) {
    rightless();
    loop {
        let mut parts = Vec::with_capacity(results.len());
        let mut first = None;
        for result in results {
            let Ok(Done { made, batch, reader, last }) = result.recv() else {
                gone.store(true, Ordering::Relaxed);
                return;
            };
            parts.push(made);
            first.get_or_insert((batch, reader, last));
        }
        let Some((batch, reader, last)) = first else { return };
        let (mut events, mut totals) = merge(parts);
        events.extend(batch.tapped.iter().cloned());
        totals.add(&reader);
        let turn = Turn { events, until: batch.last, news: batch.news.clone(), totals, last };
        if let Some(batch) = Arc::into_inner(batch) {
            _ = spares.try_send(batch.slab);
        }
        if turns.send(turn).is_err() || last {
            gone.store(true, Ordering::Relaxed);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crew_that_failed_is_not_a_run_that_went_well() {
        let (queue, _) = bounded(QUEUE);
        let [worker, thread] = ["worker", "merger"].map(|name| {
            let fail = name == "worker";
            thread::spawn(move || {
                if fail {
                    std::panic::resume_unwind(Box::new("on purpose"))
                }
            })
        });
        let merger = Merger { thread, gone: Arc::default(), spares: crossbeam_channel::never() };
        let crew = Crew::Threads { live: false, queues: vec![queue], threads: vec![worker], merger };
        assert!(matches!(crew.finish(&Totals::default(), Batch::default()), Err(PipelineError::Worker)));
    }
}
