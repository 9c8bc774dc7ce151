//! Findings as the screen shows them: each with the place of its proof, as far as that is still there. Built for who looks, and no sooner.

use super::super::Engine;
use super::super::view::{About, Example, FindingLine, Findings, Shown};
use crate::model::{Finding, FindingSeverity, FlowId};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Engine {
    /// The list of findings, where it is shown: the worst first, of equal ones the one that was seen most.
    pub(in crate::engine) fn findings(&mut self) -> Option<Arc<Findings>> {
        let Shown::Findings { about, chosen } = &self.screen.query()?.shown else { return None };
        let (about, chosen) = (about.clone(), *chosen);
        if let Some((list, _)) = &self.screen.findings {
            return Some(Arc::clone(list));
        }
        let parties = match &about {
            About::Flow(flow) => self.flow(*flow, false).map(|flow| [flow.client, flow.server].map(|party| party.label().into())),
            About::All | About::Service(_) => None,
        };
        let all = || self.findings.all();
        let wanted = all().filter(|(finding, latest)| self.is_about(finding, latest, &about, parties.as_ref()));
        let mut list: Vec<_> = wanted.map(|(finding, latest)| self.finding_line(finding, latest)).collect();
        list.sort_by_key(|line| (line.kind.severity(), Reverse(line.count), line.id));
        let there = |id: &u64| list.iter().any(|line| line.id == *id);
        let chosen = chosen.filter(there).or_else(|| list.first().map(|line| line.id));
        let of_it = all().find(|(finding, _)| Some(finding.id) == chosen).map(|(finding, latest)| occurrences(finding, latest));
        let (sought, total) = (self.findings.sought(), all().count() as u64);
        let examples = of_it.unwrap_or_default().iter().filter_map(|flows| self.example(flows)).collect();
        let list = Arc::new(Findings { about, list, sought, total, chosen, examples });
        self.screen.findings = Some((Arc::clone(&list), self.findings_change()));
        Some(list)
    }

    /// Counts up with each finding, and with whatever may move its proof.
    pub(in crate::engine) fn findings_change(&self) -> u64 {
        self.findings.changes() + self.traces.changes()
    }

    /// How many there are, and how bad the worst is.
    pub(in crate::engine) fn found(&self) -> Option<(u64, FindingSeverity)> {
        let worst = self.findings.all().map(|(finding, _)| finding.kind.severity()).min()?;
        Some((self.findings.all().count() as u64, worst))
    }

    /// For each service at fault the same, as it is called in the table of services.
    pub(in crate::engine) fn found_at(&self) -> BTreeMap<Arc<str>, (u64, FindingSeverity)> {
        let mut found = BTreeMap::new();
        for (finding, _) in self.findings.all() {
            let Some(service) = &finding.service else { continue };
            let (count, worst) = found.entry(self.edges.row(service)).or_insert((0, FindingSeverity::Info));
            (*count, *worst) = (*count + 1, finding.kind.severity().min(*worst));
        }
        found
    }

    fn finding_line(&self, finding: &Finding, latest: &[FlowId]) -> FindingLine {
        FindingLine {
            id: finding.id,
            kind: finding.kind,
            service: finding.service.clone(),
            count: finding.count,
            title: finding.title.clone(),
            evidence: finding.evidence.clone(),
            advice: finding.advice.clone(),
            time: finding.time,
            proof: occurrences(finding, latest).iter().find_map(|flows| self.spot(*flows.last()?)),
        }
    }

    /// Whether a finding is about this; a flow shows what its mark says also where it is none of the occurrences that are kept.
    fn is_about(&self, finding: &Finding, latest: &[FlowId], about: &About, parties: Option<&[Arc<str>; 2]>) -> bool {
        match about {
            About::All => true,
            About::Service(name) => finding.service.as_ref().is_some_and(|service| self.edges.row(service) == *name),
            About::Flow(flow) => {
                let theirs = || finding.service.as_ref().is_some_and(|at| parties.is_some_and(|parties| parties.contains(at)));
                finding.flows.iter().flatten().chain(latest).any(|other| other == flow)
                    || (self.findings.mark_of(*flow) == Some(finding.kind) && theirs())
            }
        }
    }

    /// An occurrence, as far as it can be seen: at its last flow.
    fn example(&mut self, flows: &[FlowId]) -> Option<Example> {
        let spot = self.spot(*flows.last()?)?;
        Some(Example { spot, flows: flows.iter().filter_map(|&flow| self.flow(flow, false)).collect() })
    }
}

/// The flows of each occurrence that is kept, in order, what proves it first; the last one is always among them.
fn occurrences(finding: &Finding, latest: &[FlowId]) -> Vec<Vec<FlowId>> {
    let last = Some(latest.to_vec()).filter(|latest| !finding.flows.contains(latest));
    finding.flows.iter().cloned().chain(last).filter(|flows| !flows.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::mesh::play;
    use super::super::super::view::{Query, Spot, View, Window};
    use super::super::super::{Engine, EngineOptions};
    use super::*;
    use crate::model::FindingKind;

    fn view(engine: &mut Engine, shown: Shown) -> Arc<View> {
        engine.query(Query { generation: 1, filter: None, window: Window::Follow, height: 9, inspect: None, shown });
        engine.view()
    }

    #[test]
    fn the_worst_comes_first_with_its_proof_and_its_service_is_marked() {
        let lines = [
            "web>gate 1-90 id=t span=1 sampled=1",
            "gate>orders 10-80 id=t span=2 sampled=0",
            "web>gate 101-190 id=u span=1 sampled=1",
            "gate>orders 110-180 id=u span=2 sampled=0",
            "web>gate 201-290 id=v span=1 sampled=1",
            "gate>orders 210-280",
        ];
        let (mut engine, _) = play(&lines, EngineOptions::default());
        let flows = view(&mut engine, Shown::Flows);
        assert!(flows.findings.is_none(), "nobody looks");
        assert_eq!(flows.status.found, Some((2, FindingSeverity::Error)), "but all are told how many");

        let all = || Shown::Findings { about: About::All, chosen: None };
        let shown = view(&mut engine, all()).findings.clone().unwrap();
        let told: Vec<_> = shown.list.iter().map(|line| (line.kind, line.service.as_deref(), line.count, line.id)).collect();
        let gate = Some("gate");
        assert_eq!(told, [(FindingKind::TraceLost, gate, 1, 2), (FindingKind::TraceUnsampled, gate, 2, 1)]);
        assert!(shown.sought.len() > 1 && shown.sought.iter().all(|what| !what.is_empty()), "{:?}", shown.sought);

        // the proof is in its trace, and marked there
        for (line, first) in shown.list.iter().zip([6, 2]) {
            let Some(Spot::Hop(trace, flow)) = line.proof else { panic!("{line:?}") };
            assert_eq!(flow, FlowId(first));
            let waterfall = view(&mut engine, Shown::Trace(trace)).trace.clone().unwrap();
            let marks: Vec<_> = waterfall.hops.iter().map(|hop| (hop.node.flow, hop.found)).collect();
            assert_eq!(marks, [(FlowId(first - 1), None), (flow, Some(line.kind))]);
        }
        let traces = view(&mut engine, Shown::Traces).traces.clone().unwrap();
        let found: Vec<_> = traces.list.iter().map(|line| line.found).collect();
        let (lost, unsampled) = (Some(FindingKind::TraceLost), Some(FindingKind::TraceUnsampled));
        assert_eq!(found, [unsampled, unsampled, lost]);
        let services = view(&mut engine, Shown::Services).services.clone().unwrap();
        assert_eq!(services.found.iter().collect::<Vec<_>>(), [(&"gate".into(), &(2, FindingSeverity::Error))]);
        assert!(!engine.renew_tables(), "nothing has changed");

        engine.clear();
        let forgotten = view(&mut engine, all());
        assert!(forgotten.findings.as_ref().unwrap().list.is_empty() && forgotten.status.found.is_none());
    }

    #[test]
    fn a_client_without_a_name_is_marked_at_its_host() {
        let lines = [
            "rabbit=127.0.0.1:5672>-127.0.0.1:46414 1-5 mid=a queue=q status=nack conn=1",
            "rabbit=127.0.0.1:5672>-127.0.0.1:46414 6-9 mid=a queue=q again=yes status=ack conn=1",
        ];
        let (mut engine, _) = play(&lines, EngineOptions::default());
        let services = view(&mut engine, Shown::Services).services.clone().unwrap();
        let marked: Vec<_> = services.list.iter().filter_map(|service| services.found.get_key_value(&service.name)).collect();
        assert_eq!(marked, [(&"127.0.0.1".into(), &(1, FindingSeverity::Warning))]);
        let of = |engine: &mut Engine, name: &str| {
            view(engine, Shown::Findings { about: About::Service(name.into()), chosen: None }).findings.clone().unwrap()
        };
        assert_eq!((of(&mut engine, "127.0.0.1").list.len(), of(&mut engine, "rabbit").list.len()), (1, 0));
    }

    #[test]
    fn those_of_a_service_or_a_flow_and_what_shows_the_chosen_one() {
        let lines = [
            "web>gate 1-90 id=t span=1 sampled=1",
            "gate>orders 10-80 id=t span=2 sampled=0",
            "web>gate 101-190 id=u span=1 sampled=1",
            "gate>orders 110-180 id=u span=2 sampled=0",
            "web>gate 201-290 id=v span=1 sampled=1",
            "gate>orders 210-280",
            "web>shop 301-390 id=w span=1 sampled=1",
            "shop>orders 310-380",
        ];
        let (mut engine, _) = play(&lines, EngineOptions::default());
        let mut found = |about, chosen| view(&mut engine, Shown::Findings { about, chosen }).findings.clone().unwrap();
        let ids = |found: &Findings| found.list.iter().map(|line| line.id).collect::<Vec<_>>();
        let gate = found(About::Service("gate".into()), None);
        assert_eq!((ids(&gate), gate.total, gate.chosen), (vec![2, 1], 3, Some(2)));
        // a flow shows what begins or ends with it
        for flow in [3, 4] {
            let one = found(About::Flow(FlowId(flow)), None);
            assert_eq!((ids(&one), one.chosen), (vec![1], Some(1)), "{flow}");
        }
        assert!(found(About::Service("web".into()), None).list.is_empty());
        let chosen = found(About::All, Some(1));
        let flows: Vec<Vec<u64>> =
            chosen.examples.iter().map(|example| example.flows.iter().map(|flow| flow.row.id.0).collect()).collect();
        assert_eq!((chosen.chosen, flows), (Some(1), vec![vec![1, 2], vec![3, 4]]));
        let Some(Spot::Hop(_, FlowId(2))) = chosen.examples.first().map(|example| example.spot) else { panic!("{chosen:?}") };
    }
}
