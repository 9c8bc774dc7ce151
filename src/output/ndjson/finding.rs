//! A finding as a line.

use super::{Object, write_list, write_number};
use crate::model::{Finding, FlowId};

/// Appends a finding.
pub fn write_finding(finding: &Finding, out: &mut Vec<u8>) {
    let mut o = Object::record("finding", out);
    o.number("id", finding.id);
    o.text("kind", finding.kind.word());
    o.text("severity", finding.kind.severity().word());
    o.text("title", &finding.title);
    o.opt(finding.service.as_deref(), |o, service| o.text("service", service));
    write_list(&finding.flows, o.key("flows"), |flows: &Vec<FlowId>, out| {
        write_list(flows, out, |flow, out| write_number(flow.0, out));
    });
    o.number("count", finding.count);
    o.text("evidence", &finding.evidence);
    o.text("advice", &finding.advice);
    o.time("time", finding.time);
    o.end_line();
}
