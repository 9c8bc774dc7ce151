//! Which hop of a trace is which one of another: by who asked whom for what, and which time that was; else the first that may be the same,
//! as far as their names tell.

use super::{Key, is_nameless};
use crate::story::Brief;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A hop of a trace: what it is known by, which time it was, and how it went.
pub(super) type Hop = ((Key, usize), Brief);

/// What one end of a hop may be in the other trace: the same name, or any that is there where this one has none, or the reverse.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Is(Arc<str>),
    AnyNameless,
    AnyNamed,
}

impl End {
    /// What an end is looked up by.
    fn of(name: &Arc<str>) -> [Self; 2] {
        [Self::Is(Arc::clone(name)), if is_nameless(name) { Self::AnyNameless } else { Self::AnyNamed }]
    }

    /// What it looks for.
    fn sought(name: &Arc<str>) -> [Self; 2] {
        [Self::Is(Arc::clone(name)), if is_nameless(name) { Self::AnyNamed } else { Self::AnyNameless }]
    }
}

/// The partner of each hop of one trace, and which of the other trace's are none's, in their order.
pub(super) fn partners(left: &[Hop], mut right: Vec<Hop>) -> (Vec<Option<Brief>>, Vec<Hop>) {
    call_client_alike(left, &mut right);
    let places: BTreeMap<_, _> = right.iter().enumerate().map(|(place, (at, _))| (at.clone(), place)).collect();
    let mut right: Vec<Option<Hop>> = right.into_iter().map(Some).collect();
    let mut take = |place: usize| right.get_mut(place).and_then(Option::take);
    let mut partners: Vec<_> =
        left.iter().map(|(at, _)| places.get(at).and_then(|place| take(*place)).map(|(_, hop)| hop)).collect();
    // who has a name in one run may have none in the other
    let mut rest: BTreeMap<_, VecDeque<usize>> = BTreeMap::new();
    for (place, ((key, _), _)) in right.iter().enumerate().filter_map(|(place, hop)| Some((place, hop.as_ref()?))) {
        for ends in both(End::of(&key.from), End::of(&key.to)) {
            rest.entry((key.operation.clone(), ends)).or_default().push_back(place);
        }
    }
    for (((key, _), _), partner) in left.iter().zip(&mut partners).filter(|(_, partner)| partner.is_none()) {
        let mut first = None;
        for ends in both(End::sought(&key.from), End::sought(&key.to)) {
            let Some(places) = rest.get_mut(&(key.operation.clone(), ends)) else { continue };
            while places.pop_front_if(|place| right.get(*place).is_none_or(Option::is_none)).is_some() {}
            first = places.front().copied().into_iter().chain(first).min();
        }
        *partner = first.and_then(|place| right.get_mut(place)?.take()).map(|(_, hop)| hop);
    }
    (partners, right.into_iter().flatten().collect())
}

/// Each of two with each of two.
fn both([a, b]: [End; 2], [c, d]: [End; 2]) -> [(End, End); 4] {
    [(a.clone(), c.clone()), (a, d.clone()), (b.clone(), c), (b, d)]
}

/// Whoever began both traces is the same one, whatever it is called: a test's client, whose name is that of the run. Not where that one is
/// somebody else in the other trace.
fn call_client_alike(left: &[Hop], right: &mut [Hop]) {
    let [Some(((one, _), _)), Some(((other, _), _))] = [left.first(), right.first()] else { return };
    let (name, called) = (Arc::clone(&one.from), Arc::clone(&other.from));
    let alike = one.operation == other.operation && one.to == other.to && !is_nameless(&name) && !is_nameless(&called);
    let is_in = |hops: &[Hop], who: &Arc<str>| hops.iter().any(|((key, _), _)| [&key.from, &key.to].contains(&who));
    if !alike || is_in(left, &called) || is_in(right, &name) {
        return;
    }
    let ends = right.iter_mut().flat_map(|((key, _), _)| [&mut key.from, &mut key.to]);
    ends.filter(|end| **end == called).for_each(|end| *end = Arc::clone(&name));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FlowId, Pattern};
    use crate::time::Time;
    use proptest::prelude::*;

    fn hops(keys: &[(&str, &str, &str)]) -> Vec<Hop> {
        let mut times = BTreeMap::<Key, usize>::new();
        let hop = |(n, (from, to, operation)): (usize, &(&str, &str, &str))| {
            let (from, to): (Arc<str>, Arc<str>) = ((*from).into(), (*to).into());
            let key = Key { from: Arc::clone(&from), to: Arc::clone(&to), operation: (*operation).into() };
            let time = times.entry(key.clone()).or_default();
            *time += 1;
            let (id, time_of, duration, protocol, pattern) =
                (FlowId(n as u64), Time::from_nanos(0), None, "http", Pattern::RequestResponse);
            let (operation, status, ok, carries, traced, link) = ((*operation).into(), None, true, None, true, None);
            let brief =
                Brief { id, time: time_of, duration, from, to, protocol, pattern, operation, status, ok, carries, traced, link };
            ((key, *time), brief)
        };
        keys.iter().enumerate().map(hop).collect()
    }

    /// The numbers of the partners, and of the rest.
    fn told(left: &[Hop], right: Vec<Hop>) -> (Vec<Option<u64>>, Vec<u64>) {
        let (partners, rest) = partners(left, right);
        (partners.into_iter().map(|hop| hop.map(|hop| hop.id.0)).collect(), rest.iter().map(|(_, hop)| hop.id.0).collect())
    }

    /// The same, by looking at each hop for each.
    fn one_by_one(left: &[Hop], mut right: Vec<Hop>) -> (Vec<Option<u64>>, Vec<u64>) {
        let mut take = |is: &dyn Fn(&Hop) -> bool| right.iter().position(is).map(|place| right.remove(place).1.id.0);
        let mut partners: Vec<_> = left.iter().map(|(at, _)| take(&|(other, _)| other == at)).collect();
        for (((key, _), _), partner) in left.iter().zip(&mut partners).filter(|(_, partner)| partner.is_none()) {
            *partner = take(&|((other, _), _)| key.may_be(other));
        }
        (partners, right.iter().map(|(_, hop)| hop.id.0).collect())
    }

    proptest! {
        #[test]
        fn partners_are_those_that_looking_at_each_for_each_gives(
            left in prop::collection::vec(hop(), 0..20), right in prop::collection::vec(hop(), 0..20),
        ) {
            // who began both is another matter
            let [left, right] = [left, right].map(|rest| hops(&[&[("test", "web", "GET /")][..], &rest].concat()));
            prop_assert_eq!(told(&left, right.clone()), one_by_one(&left, right));
        }
    }

    fn hop() -> impl Strategy<Value = (&'static str, &'static str, &'static str)> {
        let end = || prop::sample::select(&["a", "b", "127.0.0.1", "10.0.0.1:80", "uid 0, closed"][..]);
        (end(), end(), prop::sample::select(&["GET /a", "GET /b"][..]))
    }

    #[test]
    fn who_began_both_is_the_same_one() {
        let run = |who| hops(&[(who, "gate", "GET /"), ("gate", "shop", "GET /a"), (who, "gate", "GET /b")]);
        assert_eq!(told(&run("first"), run("second")), (vec![Some(0), Some(1), Some(2)], vec![]));
        // somebody else there, another server, nobody's name
        assert_eq!(told(&run("first"), run("shop")).0, [None, Some(1), None]);
        assert_eq!(told(&run("first"), hops(&[("second", "door", "GET /")])).0, [None, None, None]);
        let nameless = hops(&[("10.0.0.1", "gate", "GET /"), ("10.0.0.1", "shop", "GET /a")]);
        assert_eq!(told(&run("first"), nameless).0, [Some(0), Some(1), None]);
    }
}
