//! One order for what several workers made of a batch.

use super::{Made, Place};
use crate::model::{Event, Totals};

/// Puts what several workers made of the same batch into one order: the same, however many they were.
pub fn merge(mut parts: Vec<Made>) -> (Vec<Event>, Totals) {
    let mut totals = Totals::default();
    parts.iter().for_each(|part| totals.add(&part.totals));
    if parts.len() == 1 {
        return (parts.pop().map(|part| part.events).unwrap_or_default(), totals);
    }
    let mut runs: Vec<(Place, usize, usize)> = Vec::new();
    for (worker, part) in parts.iter().enumerate() {
        let mut start = 0;
        for (place, end) in &part.runs {
            runs.push((*place, worker, end - start));
            start = *end;
        }
    }
    runs.sort_by_key(|(place, ..)| *place);
    let mut sources: Vec<_> = parts.into_iter().map(|part| part.events.into_iter()).collect();
    let events = runs
        .into_iter()
        .flat_map(|(_, worker, n)| sources.get_mut(worker).map(|s| s.by_ref().take(n).collect::<Vec<_>>()).unwrap_or_default())
        .collect();
    (events, totals)
}
