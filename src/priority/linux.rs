//! Threads' policies, by sched_setscheduler(2).

use crate::{privileges, sys};
use rustix::process::setpriority_process;
use rustix::thread::{Pid, gettid};
use rustix::time::{ClockId, clock_gettime};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// How far threads step back.
const STEP_BACK: i32 = 10;
/// The part of a core that a thread has for sure: that is some ten thousand flows a second. With a tenth nginx and wrk did 0.83 of the
/// requests that they do beside tcpdump, with a 25th 0.91, of which half as many were seen.
const SHARE: u32 = 16;
/// What may be saved up of it, in time of a processor: a burst of so much is worked on as it comes. The same may be owed.
const SAVED: Duration = Duration::from_millis(50);
/// How much is saved up again before a thread comes back.
const ENOUGH: Duration = Duration::from_millis(5);
/// How often it is looked after them, and how often where none has used anything of what is saved up.
const EVERY: Duration = Duration::from_millis(10);
const AT_REST: Duration = Duration::from_millis(100);

/// All threads that work on a live capture: they are started here and there, and one looks after all of them.
static WORKING: Mutex<Vec<Weak<Ran>>> = Mutex::new(Vec::new());

/// What a thread has run, as it tells itself.
struct Ran {
    thread: Pid,
    nanos: AtomicU64,
}

/// A thread that works on a live capture, known as long as this is.
pub struct Working(Arc<Ran>);

/// This thread gives way to others from now on, as far as the scheduler weighs them against each other.
pub fn give_way() -> Working {
    // whoever may not even yield goes on as before
    let _ = setpriority_process(None, STEP_BACK);
    let ran = Arc::new(Ran { thread: gettid(), nanos: AtomicU64::new(ran()) });
    working().push(Arc::downgrade(&ran));
    Working(ran)
}

impl Working {
    /// Tells how much the thread has run, after a piece of work.
    pub fn tell(&self) {
        self.0.nanos.store(ran(), Ordering::Relaxed);
    }
}

/// How long this thread has run, in nanoseconds.
fn ran() -> u64 {
    let ran = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(ran.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(ran.tv_nsec).unwrap_or(0)
}

fn working() -> MutexGuard<'static, Vec<Weak<Ran>>> {
    WORKING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the thread that looks after those that work on a live capture, as long as the process lives; where nobody has the right to, none.
pub fn look_after() -> std::io::Result<()> {
    if !privileges::may_govern() {
        return Ok(());
    }
    let govern = || {
        if let Err(e) = privileges::keep_for_governing() {
            panic!("{e}");
        }
        let (mut governor, mut looked) = (Governor::default(), Instant::now());
        loop {
            thread::sleep(if governor.at_rest() { AT_REST } else { EVERY });
            let now = Instant::now();
            governor.look(now.duration_since(std::mem::replace(&mut looked, now)));
        }
    };
    thread::Builder::new().name("governor".into()).spawn(govern).map(drop)
}

/// Who looks after threads.
#[derive(Default)]
struct Governor {
    threads: Vec<(Arc<Ran>, Account)>,
}

impl Governor {
    /// So much time has passed.
    fn look(&mut self, passed: Duration) {
        // who is known here alone has ended
        self.threads.retain(|(ran, _)| Arc::strong_count(ran) > 1);
        let came = working().drain(..).filter_map(|ran| ran.upgrade()).collect::<Vec<_>>();
        self.threads.extend(came.into_iter().map(|ran| (Arc::clone(&ran), Account::new(ran.nanos.load(Ordering::Relaxed)))));
        for (ran, account) in &mut self.threads {
            if let Some(idle) = account.judge(passed, ran.nanos.load(Ordering::Relaxed)) {
                // it may have ended meanwhile
                let _ = sys::only_when_idle(ran.thread, idle);
            }
        }
    }

    fn at_rest(&self) -> bool {
        self.threads.iter().all(|(_, account)| account.left == nanos(SAVED))
    }
}

/// What a thread may use, and has used.
struct Account {
    /// Nanoseconds that it may run: what is owed is less than nothing.
    left: i64,
    ran: u64,
    idle: bool,
}

impl Account {
    fn new(ran: u64) -> Self {
        Self { left: nanos(SAVED), ran, idle: false }
    }

    /// So much time has passed, and it has run for so long in all: whether from now on it is one that runs on idle processors alone, where
    /// that changes.
    fn judge(&mut self, passed: Duration, ran: u64) -> Option<bool> {
        let used = i64::try_from(ran.saturating_sub(self.ran)).unwrap_or(i64::MAX);
        self.ran = ran;
        self.left = self.left.saturating_add(nanos(passed / SHARE)).saturating_sub(used).clamp(-nanos(SAVED), nanos(SAVED));
        let idle = self.left < if self.idle { nanos(ENOUGH) } else { 0 };
        (idle != std::mem::replace(&mut self.idle, idle)).then_some(idle)
    }
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn who_has_run_for_more_than_its_share_gives_way_until_time_makes_up_for_it() {
        let ms = Duration::from_millis;
        let mut account = Account::new(0);
        // so much time has passed that it is worth so many milliseconds
        let mut judge = |worth, ran: u64| account.judge(ms(worth) * SHARE, ran * 1_000_000);
        assert_eq!(judge(10, 50), None, "a burst is worked on as it comes");
        assert_eq!(judge(1, 61), None, "what was saved up is used up");
        assert_eq!(judge(1, 63), Some(true));
        assert_eq!(judge(3, 63), None);
        assert_eq!(judge(4, 63), Some(false));
        assert_eq!(judge(1000, 63), None);
        assert_eq!(judge(1, 10_063), Some(true));
        assert_eq!(judge(54, 10_063), None, "no more is owed than may be saved");
        assert_eq!(judge(1, 10_063), Some(false));
    }

    #[test]
    fn a_thread_that_is_at_work_all_the_time_has_idle_processors_alone_and_comes_back() {
        let policy = |thread: Pid| {
            let stat = std::fs::read_to_string(format!("/proc/self/task/{}/stat", thread.as_raw_nonzero())).unwrap();
            // proc_pid_stat(5): the 41st, of which two are ahead of the parenthesis
            stat.rsplit_once(')').unwrap().1.split_whitespace().nth(38).unwrap().parse::<i32>().unwrap()
        };
        let (to, from) = channel();
        let (more, work) = channel::<()>();
        let worker = thread::spawn(move || {
            let working = give_way();
            to.send(working.0.thread).unwrap();
            for () in work {
                let until = ran() + nanos(2 * SAVED) as u64;
                while ran() < until {}
                working.tell();
                to.send(working.0.thread).unwrap();
            }
        });
        let thread = from.recv().unwrap();
        let mut governor = Governor::default();
        governor.look(EVERY);
        assert!(governor.at_rest());
        more.send(()).unwrap();
        from.recv().unwrap();
        governor.look(EVERY);
        assert_eq!((policy(thread), governor.at_rest()), (libc::SCHED_IDLE, false));
        governor.look(2 * SHARE * SAVED);
        // whoever has no right to leaves it there
        let back = if privileges::may_govern() { libc::SCHED_OTHER } else { libc::SCHED_IDLE };
        assert_eq!((policy(thread), governor.at_rest()), (back, true));
        drop(more);
        worker.join().unwrap();
        governor.look(EVERY);
        assert!(governor.threads.iter().all(|(ran, _)| ran.thread != thread), "it is forgotten");
    }
}
