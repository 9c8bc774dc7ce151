//! Traces by their numbers, which are given in order, so that a trace is where its number says.

use super::Trace;
use crate::model::TraceNo;
use std::collections::VecDeque;

/// All of them, the oldest first.
#[derive(Debug, Default)]
pub(super) struct List {
    /// How many numbers were given before the first place.
    before: u64,
    /// Those that went leave their places, until all before them went too.
    places: VecDeque<Option<Box<Trace>>>,
    count: usize,
}

impl List {
    /// Adds the newest one. Numbers begin at 1.
    pub(super) fn push(&mut self, trace: Trace) -> TraceNo {
        self.places.push_back(Some(Box::new(trace)));
        self.count += 1;
        TraceNo(self.before + self.places.len() as u64)
    }

    pub(super) fn get(&self, no: &TraceNo) -> Option<&Trace> {
        self.places.get(self.place(*no)?)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, no: &TraceNo) -> Option<&mut Trace> {
        let place = self.place(*no)?;
        self.places.get_mut(place)?.as_deref_mut()
    }

    pub(super) fn remove(&mut self, no: TraceNo) -> Option<Trace> {
        let place = self.place(no)?;
        let trace = self.places.get_mut(place)?.take()?;
        self.count -= 1;
        while self.places.pop_front_if(|place| place.is_none()).is_some() {
            self.before += 1;
        }
        Some(*trace)
    }

    /// The first that is there.
    pub(super) fn oldest(&self) -> Option<TraceNo> {
        (self.count > 0).then_some(TraceNo(self.before + 1))
    }

    /// All of them with their numbers.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (TraceNo, &Trace)> {
        let numbers = self.places.iter().enumerate();
        numbers.filter_map(|(place, trace)| Some((TraceNo(self.before + place as u64 + 1), trace.as_deref()?)))
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    fn place(&self, no: TraceNo) -> Option<usize> {
        usize::try_from(no.0.checked_sub(self.before + 1)?).ok()
    }
}
