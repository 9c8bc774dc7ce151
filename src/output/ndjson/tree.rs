//! A trace as a line: its flows as a nested tree. The tree comes flat, and is nested without recursion.

use super::{Object, write_json_string};
use crate::model::{Node, TraceRecord};

/// Appends a trace.
pub fn write_trace(trace: &TraceRecord, out: &mut Vec<u8>) {
    let mut o = Object::record("trace", out);
    o.text("trace_id", &trace.trace_id);
    if trace.trace_ids.len() > 1 {
        o.list("trace_ids", trace.trace_ids.iter().map(|id| &**id), true);
    }
    super::write_list(&trace.tree, o.key("flows"), |node, out| super::write_number(node.flow.0, out));
    write_tree(&trace.tree, o.key("tree"));
    o.list("services", trace.services.iter().map(|service| &**service), true);
    o.time("time", trace.time);
    o.number("duration_us", trace.duration.micros_up());
    o.number("errors", trace.errors);
    o.flag("complete", trace.complete);
    o.opt(trace.why.cause, |o, flow| o.number("cause", flow.0));
    if !trace.why.path.is_empty() {
        super::write_list(&trace.why.path, o.key("critical_path"), |step, out| {
            let mut s = Object::open(out);
            s.number("flow", step.flow.0);
            s.text("service", &step.service);
            s.text("kind", step.kind.word());
            s.number("own_us", step.own.micros_up());
            s.end();
        });
    }
    o.end_line();
}

/// Nodes in their order, each within its parent's list.
fn write_tree(tree: &[Node], out: &mut Vec<u8>) {
    out.push(b'[');
    let mut depth = None;
    for node in tree {
        match depth {
            Some(before) if before >= node.depth => {
                (node.depth..=before).for_each(|_| out.extend_from_slice(b"]}"));
                out.push(b',');
            }
            _ => {}
        }
        out.extend_from_slice(b"{\"flow\":");
        super::write_number(node.flow.0, out);
        if let Some(link) = node.link {
            out.extend_from_slice(b",\"link\":");
            write_json_string(link.word(), out);
        }
        if node.leg {
            out.extend_from_slice(b",\"leg\":true");
        }
        out.extend_from_slice(b",\"children\":[");
        depth = Some(node.depth);
    }
    (0..depth.map_or(0, |depth| depth + 1)).for_each(|_| out.extend_from_slice(b"]}"));
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FlowId, Link};

    #[test]
    fn a_flat_tree_is_nested() {
        let node = |flow, depth| Node { flow: FlowId(flow), depth, link: (depth > 0).then_some(Link::TraceId), leg: flow == 4 };
        let text = |tree: &[Node]| {
            let mut out = Vec::new();
            write_tree(tree, &mut out);
            String::from_utf8(out)
                .unwrap()
                .replace(",\"link\":\"trace_id\"", "")
                .replace("\"children\":", "")
                .replace("\"leg\":true", "leg")
        };
        assert_eq!(text(&[]), "[]");
        assert_eq!(text(&[node(1, 0)]), r#"[{"flow":1,[]}]"#);
        let tree = [node(1, 0), node(2, 1), node(3, 2), node(4, 2), node(5, 1), node(6, 0)];
        let wanted = r#"[{"flow":1,[{"flow":2,[{"flow":3,[]},{"flow":4,leg,[]}]},{"flow":5,[]}]},{"flow":6,[]}]"#;
        assert_eq!(text(&tree), wanted);
        let deep: Vec<_> = (0..4).map(|at| node(at, at as usize)).collect();
        let out = text(&deep);
        assert_eq!((out.matches('[').count(), out.matches(']').count()), (5, 5), "{out}");
    }
}
