//! Messages that came and are not shown: counted, and told by their cause from time to time. Those that never came to us are not here.

use super::Tap;
use crate::model::{SourceNews, Tapped};
use std::time::{Duration, Instant};

/// How often it is told.
const TELL: Duration = Duration::from_secs(1);

/// Why a message was dropped.
#[derive(Clone, Copy, Debug)]
pub(super) enum Why {
    /// It was more than may be in a second.
    Rate,
    /// The reader was behind.
    Behind,
    /// Its method and header are more than is read.
    TooLong,
}

/// How many were, of each cause, since it was last told.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    counts: [u64; 3],
    told: Option<Instant>,
}

impl Dropped {
    /// One was.
    pub(super) fn add(&mut self, why: Why) {
        self.counts[why as usize] += 1;
    }

    /// How many there were.
    pub(super) fn take(&mut self) -> u64 {
        std::mem::take(&mut self.counts).iter().sum()
    }

    /// In words; none where there were none.
    fn words(&self, rate: u64) -> Option<String> {
        let [many, behind, long] = self.counts;
        let causes = [
            (many, format!("more than {rate} a second (rate=N)")),
            (behind, "more than could be read in time".to_owned()),
            (long, "more than 1 MiB of properties".to_owned()),
        ];
        let causes: Vec<_> = causes.into_iter().filter(|(n, _)| *n > 0).collect();
        match causes.as_slice() {
            [] => None,
            [(n, cause)] => Some(format!("{} dropped: {cause}", messages(*n))),
            several => {
                let all = several.iter().map(|(n, cause)| format!("{n}: {cause}")).collect::<Vec<_>>().join("; ");
                Some(format!("{} dropped ({all})", messages(self.counts.iter().sum())))
            }
        }
    }
}

impl Tap {
    /// Tells what was dropped, where it is time.
    pub(super) fn tell_dropped(&mut self) {
        let now = Instant::now();
        if self.dropped.told.is_some_and(|told| now.duration_since(told) < TELL) {
            return;
        }
        let Some(words) = self.dropped.words(self.seat.url.rate) else { return };
        let news = vec![SourceNews::Warned(format!("{}: {words}", self.state.name).into())];
        self.dropped.told = Some(now);
        let dropped = self.dropped.take();
        self.send(Tapped { dropped, news, ..Tapped::default() });
    }
}

/// `1 message`, `2 messages`.
pub(super) fn messages(n: u64) -> String {
    format!("{n} message{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_told_with_its_number() {
        let mut dropped = Dropped::default();
        assert_eq!(dropped.words(5), None);
        dropped.add(Why::Rate);
        assert_eq!(dropped.words(5).unwrap(), "1 message dropped: more than 5 a second (rate=N)");
        dropped.add(Why::Behind);
        dropped.add(Why::Behind);
        assert_eq!(
            dropped.words(5).unwrap(),
            "3 messages dropped (1: more than 5 a second (rate=N); 2: more than could be read in time)"
        );
        assert_eq!((dropped.take(), dropped.take(), dropped.words(5)), (3, 0, None));
    }
}
