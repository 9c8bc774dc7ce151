//! What the management API is asked from time to time while a tap is attached: what the broker holds, for the screen, and how much of our
//! own queue it threw away because we were behind.

use super::dropped::messages;
use super::{MAX_BYTES, MAX_LENGTH, Tap, message};
use crate::model::{Attachment, SourceNews, Tapped, Topology};
use crate::source::tap::management::Api;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often it is asked what the broker holds.
const HOLDS: Duration = Duration::from_secs(2);
/// How long it is asked nothing where it did not answer: who waits for it takes no messages meanwhile.
const UNANSWERED: Duration = Duration::from_secs(60);
/// How many of its exchanges, queues and bindings are told, and of a queue's consumers: more than a person looks through.
const MAX_TOLD: usize = 1000;

/// What a tap remembers of its asking.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// When to ask next what there is; none: at once.
    due: Option<Instant>,
    /// Until when nothing is asked.
    rests: Option<Instant>,
    /// Messages that went to our queue, came out of it and wait in it, as last told; and how many were missing then.
    counts: [u64; 3],
    missing: u64,
}

impl Asked {
    /// How many more of our own queue's messages are missing. Its numbers are gathered at different moments: they count once they stand
    /// still.
    fn newly_missing(&mut self, counts: [u64; 3]) -> u64 {
        if std::mem::replace(&mut self.counts, counts) != counts {
            return 0;
        }
        let [sent, came, wait] = counts;
        let missing = sent.saturating_sub(came).saturating_sub(wait);
        let more = missing.saturating_sub(self.missing);
        self.missing = self.missing.max(missing);
        more
    }
}

impl Tap {
    /// Asks the management API something, unless it did not answer lately.
    pub(super) fn ask<T>(&mut self, question: impl FnOnce(&Api) -> io::Result<T>) -> Option<io::Result<T>> {
        if self.asked.rests.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let answer = question(&self.api);
        self.asked.rests = answer.is_err().then(|| Instant::now() + UNANSWERED);
        Some(answer)
    }

    /// Asks what the broker holds, where a screen shows it and it is time.
    pub(super) fn look(&mut self) {
        let now = Instant::now();
        if !self.seat.shown || self.asked.due.is_some_and(|due| now < due) {
            return;
        }
        let Some(holds) = self.ask(topology) else { return };
        let holds = holds.map(Arc::new).map_err(|e| Arc::from(self.api.is_silent(&e)));
        self.asked.due = Some(now + HOLDS);
        self.state(|state| state.holds = Some(holds));
    }

    /// Counts what the broker threw away of our own queue.
    pub(super) fn miss(&mut self) {
        let queue = self.queue.clone();
        let Some(Ok(counts)) = self.ask(|api| api.counts(&queue)) else { return };
        let dropped = self.asked.newly_missing(counts);
        if dropped > 0 {
            let full = format!(
                "{}: {} dropped by the broker: more than {MAX_LENGTH}, or than {} MiB, waited for us, or longer than a policy allows",
                self.state.name,
                messages(dropped),
                MAX_BYTES >> 20
            );
            self.send(Tapped { dropped, news: vec![SourceNews::Warned(full.into())], ..Tapped::default() });
        }
    }

    /// It stands otherwise now: told where that is so.
    pub(super) fn state(&mut self, change: impl FnOnce(&mut Attachment)) {
        let before = self.state.clone();
        change(&mut self.state);
        if self.state != before {
            self.say(SourceNews::Tap(self.seat.id, Arc::new(self.state.clone())));
        }
    }
}

/// What the virtual host holds, but for what taps have there.
fn topology(api: &Api) -> io::Result<Topology> {
    let (mut exchanges, mut queues, mut bindings) = (api.exchanges()?, api.queues()?, api.bindings()?);
    queues.retain(|queue| !queue.name.starts_with(message::QUEUE));
    // each queue is bound to the default exchange by its own name (§3.1.3.1)
    bindings.retain(|binding| !binding.source.is_empty() && !binding.destination.starts_with(message::QUEUE));
    exchanges.retain(|exchange| !exchange.name.is_empty());
    exchanges.sort();
    queues.sort();
    bindings.sort();
    let mut more = [exchanges.len(), queues.len(), bindings.len()].map(|n| n.saturating_sub(MAX_TOLD)).iter().sum::<usize>();
    exchanges.truncate(MAX_TOLD);
    queues.truncate(MAX_TOLD);
    bindings.truncate(MAX_TOLD);
    for queue in &mut queues {
        queue.consumers.sort();
        more += queue.consumers.len().saturating_sub(MAX_TOLD);
        queue.consumers.truncate(MAX_TOLD);
    }
    Ok(Topology { exchanges, queues, bindings, more: more as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_counts_once_it_stands_still() {
        let mut asked = Asked::default();
        let told = [[0, 0, 0], [12_000, 500, 10_000], [12_000, 10_500, 0], [12_000, 10_500, 0], [12_000, 10_500, 0]];
        assert_eq!(told.map(|counts| asked.newly_missing(counts)), [0, 0, 0, 1500, 0]);
        assert_eq!([[12_600, 11_000, 0]; 2].map(|counts| asked.newly_missing(counts)), [0, 100]);
    }
}
