//! How many messages a second a tap takes. It has no clock.

use std::time::{Duration, Instant};

/// A second's share.
pub struct Pace {
    rate: u64,
    /// The second that is counted, by its beginning, and how many there were.
    second: Option<Instant>,
    count: u64,
}

impl Pace {
    /// So many a second.
    pub fn new(rate: u64) -> Self {
        Self { rate, second: None, count: 0 }
    }

    /// Whether one more may be now; then it counts.
    pub fn allows(&mut self, now: Instant) -> bool {
        if self.second.is_none_or(|second| now.duration_since(second) >= Duration::from_secs(1)) {
            (self.second, self.count) = (Some(now), 0);
        }
        self.count += 1;
        self.count <= self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_rate_in_a_second() {
        let (mut pace, start) = (Pace::new(3), Instant::now());
        let mut allowed = |millis| pace.allows(start + Duration::from_millis(millis));
        assert_eq!([0, 1, 2, 3, 999, 1000, 1001].map(&mut allowed), [true, true, true, false, false, true, true]);
    }
}
