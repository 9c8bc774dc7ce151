//! Packets that were lost on their way to us: told once, as more may come, with what was counted in the end.

use super::redelivery::times;
use super::{Book, Detector, Words};
use crate::model::{FindingKind, Totals};
use crate::time::{Span, Time};

/// How often it is said anew how much was lost.
const EVERY: Span = Span::from_secs(1);

/// What was told.
#[derive(Debug, Default)]
pub(super) struct CaptureLoss {
    lost: Lost,
    /// What was told last, and when.
    told: Option<(Lost, Time)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lost {
    kernel: u64,
    own: u64,
    gaps: u64,
    evicted: u64,
}

impl Detector for CaptureLoss {
    fn seeks(&self) -> &'static str {
        "packets that were lost"
    }

    fn totals(&mut self, totals: &Totals, kernel: u64, book: &mut Book) {
        self.lost = Lost { kernel, own: totals.own_drops, gaps: totals.gaps, evicted: totals.evicted_connections };
        match self.told {
            None if self.lost != Lost::default() => book.raise(FindingKind::CaptureLoss, "", Vec::new(), self.lost.words()),
            Some((told, at)) if self.lost != told && book.now().since(at) >= EVERY => {
                book.reword(FindingKind::CaptureLoss, "", self.lost.words());
            }
            _ => return,
        }
        self.told = Some((self.lost, book.now()));
    }

    fn end(&mut self, book: &mut Book) {
        if self.told.is_some() {
            book.reword(FindingKind::CaptureLoss, "", self.lost.words());
        }
    }
}

impl Lost {
    fn words(self) -> Words {
        let Self { kernel, own, gaps, evicted } = self;
        let counted = [
            (kernel, times(kernel, "packet was dropped by the kernel", "packets were dropped by the kernel")),
            (own, times(own, "packet was refused under load", "packets were refused under load")),
            (gaps, times(gaps, "hole in streams", "holes in streams")),
            (evicted, times(evicted, "connection was given up for lack of room", "connections were given up for lack of room")),
        ];
        let evidence: Vec<_> = counted.into_iter().filter(|(n, _)| *n > 0).map(|(_, text)| text).collect();
        let advice = if kernel + own > 0 {
            "watch fewer interfaces, or narrow the capture with a filter (-f), so that no packet is dropped"
        } else {
            "what was not captured cannot be judged: capture whole packets (no snaplen), in both directions"
        };
        Words {
            title: "not all packets were captured: other findings may be wrong, and some may be missing".to_owned(),
            service: None,
            evidence: evidence.join(", "),
            advice: advice.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rig::titles;
    use super::*;

    fn evidence(seen: &[(u64, u64)]) -> Vec<String> {
        let (mut loss, mut book) = (CaptureLoss::default(), Book::default());
        for (gaps, kernel) in seen {
            loss.totals(&Totals { gaps: *gaps, ..Totals::default() }, *kernel, &mut book);
        }
        loss.end(&mut book);
        let all: Vec<_> = book.all().map(|(finding, _)| finding.clone()).collect();
        assert!(titles(&all).iter().all(|(_, count)| *count == 1));
        all.into_iter().map(|finding| finding.evidence).collect()
    }

    #[test]
    fn losses_are_told_once_with_their_last_counts() {
        assert_eq!(evidence(&[(0, 0), (1, 0), (2, 7)]), ["7 packets were dropped by the kernel, 2 holes in streams"]);
        assert!(evidence(&[(0, 0), (0, 0)]).is_empty());
    }

    #[test]
    fn what_is_read_on_a_screen_is_at_most_a_second_old() {
        let (mut loss, mut book) = (CaptureLoss::default(), Book::default());
        let told = [(0, 1), (999, 2), (1000, 3), (1500, 4)].map(|(ms, kernel)| {
            book.turn_to(Time::default().after(Span::from_millis(ms)));
            loss.totals(&Totals::default(), kernel, &mut book);
            book.all().next().unwrap().0.evidence.clone()
        });
        assert_eq!(told.map(|text| text.split(' ').next().unwrap().to_owned()), ["1", "1", "3", "3"]);
    }
}
