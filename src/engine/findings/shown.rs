//! Findings as the screen shows them: each with the place of its proof, as far as that is still there. Built for who looks, and no sooner.

use super::super::Engine;
use super::super::view::{FindingLine, Findings, Proof, Shown};
use crate::model::{Finding, FindingSeverity, FlowId};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Engine {
    /// The list of findings, where it is shown: the worst first, of equal ones the one that was seen most.
    pub(in crate::engine) fn findings(&mut self) -> Option<Arc<Findings>> {
        self.screen.query().filter(|query| query.shown == Shown::Findings)?;
        if let Some((list, _)) = &self.screen.findings {
            return Some(Arc::clone(list));
        }
        let mut list: Vec<_> = self.findings.all().map(|(finding, latest)| self.finding_line(finding, latest)).collect();
        list.sort_by_key(|line| (line.kind.severity(), Reverse(line.count), line.id));
        let list = Arc::new(Findings { list, sought: self.findings.sought() });
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

    /// For each service at fault the same.
    pub(in crate::engine) fn found_at(&self) -> BTreeMap<Arc<str>, (u64, FindingSeverity)> {
        let mut found = BTreeMap::new();
        for (finding, _) in self.findings.all() {
            let Some(service) = &finding.service else { continue };
            let (count, worst) = found.entry(Arc::clone(service)).or_insert((0, FindingSeverity::Info));
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
            proof: self.proof(finding, latest),
        }
    }

    /// The last flow of the last occurrence that is still there: in its trace, else by itself.
    fn proof(&self, finding: &Finding, latest: &[FlowId]) -> Proof {
        let flows = || [latest].into_iter().chain(finding.flows.iter().rev().map(Vec::as_slice)).filter_map(|flows| flows.last());
        let hop = flows().find_map(|&flow| Some(Proof::Hop(self.traces.of(flow)?, flow)));
        let there = |flow: &&FlowId| !self.screen.hides(**flow) && self.store.get(**flow).is_some();
        hop.or_else(|| flows().find(there).map(|&flow| Proof::Flow(flow))).unwrap_or(Proof::Gone)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::mesh::play;
    use super::super::super::view::{Query, View, Window};
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

        let shown = view(&mut engine, Shown::Findings).findings.clone().unwrap();
        let told: Vec<_> = shown.list.iter().map(|line| (line.kind, line.service.as_deref(), line.count, line.id)).collect();
        let gate = Some("gate");
        assert_eq!(told, [(FindingKind::TraceLost, gate, 1, 2), (FindingKind::TraceUnsampled, gate, 2, 1)]);
        assert!(shown.sought.len() > 1 && shown.sought.iter().all(|what| !what.is_empty()), "{:?}", shown.sought);

        // the proof is in its trace, and marked there
        for (line, last) in shown.list.iter().zip([6, 4]) {
            let Proof::Hop(trace, flow) = line.proof else { panic!("{line:?}") };
            assert_eq!(flow, FlowId(last));
            let waterfall = view(&mut engine, Shown::Trace(trace)).trace.clone().unwrap();
            let marks: Vec<_> = waterfall.hops.iter().map(|hop| (hop.node.flow, hop.found)).collect();
            assert_eq!(marks, [(FlowId(last - 1), None), (flow, Some(line.kind))]);
        }
        let services = view(&mut engine, Shown::Services).services.clone().unwrap();
        assert_eq!(services.found.iter().collect::<Vec<_>>(), [(&"gate".into(), &(2, FindingSeverity::Error))]);
        assert!(!engine.renew_tables(), "nothing has changed");

        engine.clear();
        let forgotten = view(&mut engine, Shown::Findings);
        assert!(forgotten.findings.as_ref().unwrap().list.is_empty() && forgotten.status.found.is_none());
    }
}
