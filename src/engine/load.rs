//! What settled flows come to: counts, durations, and how many there were in each of the last seconds. It has no clock.

use crate::model::{FlowRef, Load, RECENT};
use crate::time::{Span, Time};
use hdrhistogram::Histogram;

/// Digits of a duration that count: a percentile is told up to 1 % too long. A third digit would make a histogram eight times as large.
const DIGITS: u8 = 2;
/// The longest duration that is told apart from longer ones, in microseconds: an hour, so that no stream makes a histogram larger.
const LONGEST: u64 = 3_600_000_000;
/// Over how many seconds the rate is taken: long enough to be steady, short enough to be of now.
const RATE: i64 = 10;

/// Flows of one kind, summed up. It holds 450 bytes and a histogram that grows with the longest duration: 7 KiB up to a second,
/// 13 KiB up to [`LONGEST`].
#[derive(Debug, Default)]
pub(super) struct Sum {
    count: u64,
    errors: u64,
    bytes: u64,
    /// Durations in microseconds; none before the first.
    durations: Option<Histogram<u32>>,
    longest: u64,
    /// The percentiles as they were last asked for, and of how many flows: finding them goes over the whole histogram.
    percentiles: ([Option<Span>; 3], u64),
    recent: Recent,
}

impl Sum {
    /// One more flow.
    pub(super) fn add(&mut self, flow: FlowRef<'_>) {
        let row = flow.row;
        self.count += 1;
        self.errors += u64::from(!row.ok);
        self.bytes = self.bytes.saturating_add(row.bytes);
        self.recent.add(end(flow).second());
        let Some(duration) = row.duration else { return };
        let micros = duration.micros_up();
        self.longest = self.longest.max(micros);
        if self.durations.is_none() {
            self.durations = histogram();
        }
        if let Some(durations) = &mut self.durations {
            // it can only fail where it may not grow
            _ = durations.record(micros.clamp(1, LONGEST));
        }
    }

    /// One less: of a flow that was counted here, and counts elsewhere now. Where the longest was one of these, it stays the longest.
    pub(super) fn take_back(&mut self, flow: FlowRef<'_>) {
        let row = flow.row;
        self.count = self.count.saturating_sub(1);
        self.errors = self.errors.saturating_sub(u64::from(!row.ok));
        self.bytes = self.bytes.saturating_sub(row.bytes);
        self.recent.take_back(end(flow).second());
        self.percentiles.1 = 0;
        if let (Some(duration), Some(durations), Some(mut one)) = (row.duration, &mut self.durations, histogram()) {
            // it can only fail where it was not counted
            _ = one.record(duration.micros_up().clamp(1, LONGEST));
            _ = durations.subtract(&one);
        }
    }

    /// All that another one counted, too.
    pub(super) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.errors += other.errors;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.longest = self.longest.max(other.longest);
        self.percentiles.1 = 0;
        self.recent.merge(&other.recent);
        match (&mut self.durations, other.durations) {
            // both have the same bounds
            (Some(durations), Some(others)) => _ = durations.add(others),
            (durations, others) => *durations = durations.take().or(others),
        }
    }

    /// Whether it counts nothing (any more).
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The sum as it stands at `now`, of flows that could have come since `began`.
    pub(super) fn load(&mut self, began: Time, now: Time) -> Load {
        let [p50, p95, p99] = self.percentiles();
        let recent = self.recent.until(now.second());
        let window = Time::from_nanos((now.second() - RATE + 1).saturating_mul(NANOS)).max(began);
        let lasted = now.since(window).max(Span::from_secs(1));
        let flows: u32 = recent.iter().rev().take(RATE as usize).sum();
        let rate = f64::from(flows) * NANOS as f64 / lasted.nanos() as f64;
        Load { count: self.count, errors: self.errors, bytes: self.bytes, p50, p95, p99, rate, recent }
    }

    fn percentiles(&mut self) -> [Option<Span>; 3] {
        if let Some(durations) = self.durations.as_ref().filter(|_| self.percentiles.1 != self.count) {
            let found = [0.5, 0.95, 0.99].map(|quantile| {
                let micros = durations.value_at_quantile(quantile);
                // a place of the histogram stands for durations up to its end: none was longer than the longest
                let micros = if micros >= LONGEST { self.longest } else { micros.min(self.longest) };
                Some(Span::from_nanos(micros.saturating_mul(1000)))
            });
            self.percentiles = (found, self.count);
        }
        self.percentiles.0
    }
}

/// When a flow was over, as far as is known: the moment at which it counts.
fn end(flow: FlowRef<'_>) -> Time {
    flow.row.time.after(flow.row.duration.unwrap_or_default())
}

const NANOS: i64 = 1_000_000_000;

fn histogram() -> Option<Histogram<u32>> {
    Histogram::new(DIGITS).ok()
}

/// Counts of the last seconds, each at its number modulo their number.
#[derive(Debug)]
struct Recent {
    counts: [u32; RECENT],
    newest: i64,
}

impl Default for Recent {
    fn default() -> Self {
        Self { counts: [0; RECENT], newest: i64::MIN }
    }
}

impl Recent {
    fn add(&mut self, second: i64) {
        let passed = second.saturating_sub(self.newest).clamp(0, RECENT as i64);
        for passed in 0..passed {
            self.counts[place(second - passed)] = 0;
        }
        self.newest = self.newest.max(second);
        if second > self.newest.saturating_sub(RECENT as i64) {
            let count = &mut self.counts[place(second)];
            *count = count.saturating_add(1);
        }
    }

    /// One less in a second that is still counted.
    fn take_back(&mut self, second: i64) {
        if second > self.newest.saturating_sub(RECENT as i64) && second <= self.newest {
            let count = &mut self.counts[place(second)];
            *count = count.saturating_sub(1);
        }
    }

    /// Those of another one, too.
    fn merge(&mut self, other: &Self) {
        if other.newest == i64::MIN {
            return;
        }
        // the later of both tells which seconds are counted
        let newest = self.newest.max(other.newest);
        let (mine, others) = (self.until(newest), other.until(newest));
        for (second, (mine, others)) in (newest.saturating_sub(RECENT as i64 - 1)..).zip(mine.into_iter().zip(others)) {
            self.counts[place(second)] = mine.saturating_add(others);
        }
        self.newest = newest;
    }

    /// The counts of the seconds up to this one.
    fn until(&self, now: i64) -> [u32; RECENT] {
        let oldest = self.newest.saturating_sub(RECENT as i64);
        let mut second = now.saturating_sub(RECENT as i64);
        [(); RECENT].map(|()| {
            second = second.saturating_add(1);
            if second > oldest && second <= self.newest { self.counts[place(second)] } else { 0 }
        })
    }
}

fn place(second: i64) -> usize {
    second.rem_euclid(RECENT as i64) as usize
}

#[cfg(test)]
mod tests {
    use super::super::edges::tests::flow;
    use super::*;
    use proptest::prelude::*;

    fn sum_of(micros: &[u64]) -> Sum {
        let mut sum = Sum::default();
        for &micros in micros {
            let mut flow = flow("a", "b");
            flow.row.duration = Some(Span::from_nanos(micros * 1000));
            sum.add(flow.as_ref());
        }
        sum
    }

    fn held(sum: &Sum) -> usize {
        size_of::<Sum>() + sum.durations.as_ref().map_or(0, |h| h.distinct_values() * size_of::<u32>())
    }

    proptest! {
        #[test]
        fn percentiles_are_those_of_the_sorted_durations(
            mut micros in prop::collection::vec(prop_oneof![1..1_000u64, 1..100_000u64, 1..2 * LONGEST], 1..400)
        ) {
            let found = sum_of(&micros).percentiles();
            micros.sort_unstable();
            for (quantile, found) in [0.5, 0.95, 0.99].into_iter().zip(found) {
                let rank = (quantile * micros.len() as f64).ceil() as usize;
                let (exact, found) = (micros[rank - 1], found.unwrap().micros_up());
                if exact < LONGEST - LONGEST / 100 {
                    prop_assert!((exact..=exact + exact / 100 + 1).contains(&found), "{quantile}: {found}, not {exact}");
                } else {
                    // the last step of the histogram begins below its end
                    prop_assert!(found >= LONGEST - LONGEST / 100 && found <= micros[micros.len() - 1]);
                }
            }
        }

        #[test]
        fn what_is_moved_counts_there_as_if_it_had_never_been_here(
            here in prop::collection::vec(1..1_000_000u64, 1..40), moved in prop::collection::vec(1..1_000_000u64, 1..40)
        ) {
            let shown = |sum: &mut Sum| (sum.count, sum.errors, sum.bytes, sum.percentiles());
            let mut left = sum_of(&[here.as_slice(), &moved].concat());
            let all = shown(&mut left);
            let flows = moved.iter().map(|&micros| {
                let mut flow = flow("a", "b");
                flow.row.duration = Some(Span::from_nanos(micros * 1000));
                flow
            });
            flows.for_each(|flow| left.take_back(flow.as_ref()));
            // the longest of all may stay, and cuts a step of the histogram less
            left.longest = sum_of(&here).longest;
            prop_assert_eq!(shown(&mut left), shown(&mut sum_of(&here)));
            left.merge(sum_of(&moved));
            prop_assert_eq!(shown(&mut left), all);
        }

        #[test]
        fn seconds_are_moved_as_they_were_counted(
            mine in prop::collection::vec(0..100i64, 0..100), others in prop::collection::vec(0..100i64, 0..100)
        ) {
            let of = |seconds: &[i64]| {
                let mut recent = Recent::default();
                seconds.iter().for_each(|second| recent.add(*second));
                recent
            };
            // in the order of time nothing is too late to count
            let (mut mine, mut others) = (mine, others);
            mine.sort_unstable();
            others.sort_unstable();
            let mut all = [mine.as_slice(), &others].concat();
            all.sort_unstable();
            let mut merged = of(&mine);
            merged.merge(&of(&others));
            prop_assert_eq!(merged.until(99), of(&all).until(99));
            others.iter().for_each(|second| merged.take_back(*second));
            let newest = all.last().copied().unwrap_or(0);
            let kept: Vec<_> = mine.into_iter().filter(|second| *second > newest - RECENT as i64).collect();
            prop_assert_eq!(merged.until(99), of(&kept).until(99));
        }

        #[test]
        fn each_second_counts_what_ended_in_it(mut seconds in prop::collection::vec(0..200i64, 0..300), now in 0..300i64) {
            let mut recent = Recent::default();
            seconds.iter().for_each(|s| recent.add(*s));
            let newest = seconds.iter().copied().max().unwrap_or(0);
            // what comes later than a minute after its time is no news
            let mut newest_then = i64::MIN;
            seconds.retain(|s| {
                newest_then = newest_then.max(*s);
                *s > newest_then - RECENT as i64 && *s > newest - RECENT as i64
            });
            for (count, second) in recent.until(now).into_iter().zip(now - RECENT as i64 + 1..) {
                prop_assert_eq!(count as usize, seconds.iter().filter(|s| **s == second).count(), "second {}", second);
            }
        }
    }

    #[test]
    fn one_duration_is_told_exactly_and_none_is_not_told() {
        let shown = sum_of(&[1_834]).percentiles();
        assert_eq!(shown, [Some(Span::from_nanos(1_834_000)); 3]);
        let mut sum = Sum::default();
        let mut pending = flow("a", "b");
        (pending.row.duration, pending.row.ok) = (None, false);
        sum.add(pending.as_ref());
        assert_eq!(sum.percentiles(), [None; 3]);
        assert_eq!((sum.count, sum.errors), (1, 1));
    }

    #[test]
    fn it_holds_what_it_says() {
        assert!(size_of::<Sum>() <= 450, "{}", size_of::<Sum>());
        assert!(held(&sum_of(&[999_999])) <= 8 << 10, "{}", held(&sum_of(&[999_999])));
        assert!(held(&sum_of(&[1, u64::MAX / 2000])) <= 14 << 10, "{}", held(&sum_of(&[u64::MAX / 2000])));
    }

    #[test]
    fn the_rate_is_of_now_and_sinks_to_nought() {
        let mut sum = Sum::default();
        let at = |millis: i64| Time::from_nanos(millis * 1_000_000);
        for n in 0..300 {
            let mut flow = flow("a", "b");
            (flow.row.time, flow.row.duration) = (at(n * 100), Some(Span::from_millis(1)));
            sum.add(flow.as_ref());
        }
        let mut rate = |began, now| sum.load(at(began), at(now)).rate;
        assert!((rate(0, 29_950) - 10.0).abs() < 0.1, "{}", rate(0, 29_950));
        assert!((rate(29_500, 29_999) - 100.0).abs() < 0.1, "a capture shorter than the window: {}", rate(29_500, 29_999));
        assert!((0.9..6.0).contains(&rate(0, 35_000)));
        assert_eq!(rate(0, 39_001), 0.0);
        let recent = sum.load(at(0), at(31_500)).recent;
        assert_eq!((recent[RECENT - 1], recent[RECENT - 3], recent[RECENT - 32]), (0, 10, 10));
    }
}
