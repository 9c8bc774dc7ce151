//! How long a copy of a message waited in its queue: from when it was put there, be it anew. What a consumer had it for is not the queue's.

use super::hop::Hop;
use crate::model::Pattern;
use crate::time::Time;
use hashbrown::HashMap;

/// Since when a copy waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// It was published.
    Published,
    /// The consumer of an earlier delivery, by its place, gave it back; when, where that was seen.
    GivenBack(usize, Option<Time>),
    /// It was put back, which was not seen.
    Unknown,
}

/// The copies of one message, those from each queue in the order of time.
#[derive(Debug)]
pub(super) struct Copies<'h>(HashMap<&'h str, Vec<(Time, usize, &'h Hop)>>);

impl<'h> Copies<'h> {
    /// Those among flows that one publish caused, with their places.
    pub(super) fn of(caused: impl Iterator<Item = (usize, &'h Hop)>) -> Self {
        let mut queues = HashMap::<_, Vec<_>>::new();
        for (at, hop) in caused.filter(|(_, hop)| hop.pattern == Pattern::Deliver) {
            if let Some(queue) = &hop.extra().via {
                queues.entry(queue.as_str()).or_default().push((hop.time, at, hop));
            }
        }
        queues.values_mut().for_each(|copies| copies.sort_by_key(|(time, _, hop)| (*time, hop.flow)));
        Self(queues)
    }

    /// Since when one waited.
    pub(super) fn since(&self, copy: &Hop) -> Since {
        let was_in = &copy.extra().was_in;
        let earlier = was_in.iter().filter_map(|queue| {
            let copies = self.0.get(queue.as_str())?;
            let before = copies.partition_point(|(time, _, hop)| (*time, hop.flow) < (copy.time, copy.flow));
            copies.get(before.checked_sub(1)?)
        });
        match earlier.max_by_key(|(time, _, hop)| (*time, hop.flow)) {
            Some(&(_, at, earlier)) => {
                let back = earlier.end.or(earlier.extra().let_go);
                Since::GivenBack(at, back.filter(|back| *back <= copy.time))
            }
            // one that died of age was nobody's
            None if copy.extra().via.as_ref().is_some_and(|queue| was_in.contains(queue)) => Since::Unknown,
            None => Since::Published,
        }
    }
}
