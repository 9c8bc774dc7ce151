//! Who talks to whom: each service with what it serves, and below it what it asks of others. Which flows those are is a filter away.

pub(super) mod draw;

use super::{Panel, Wish};
use crate::engine::edges::OTHER;
use crate::engine::view::{self, About, View};
use crate::model::{Dir, Edge, Load, Service};
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::keymap::{Context, Keymap};
use crate::tui::theme::Theme;
use crate::tui::widget::cursor::Cursor;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::cmp::Ordering;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The table, and the place in it.
#[derive(Clone, Debug, Default)]
pub struct Services {
    table: Arc<view::Services>,
    sort: Sort,
    /// The lines, in their order.
    rows: Vec<Row>,
    /// The selected line: it stays selected wherever it goes.
    selected: Option<Id>,
    /// Where it is, or was.
    cursor: Cursor,
}

/// The order of services, and of the edges of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    /// By name, those without one last: no line moves while numbers do.
    #[default]
    Name,
    /// The busiest first.
    Rate,
    /// Those with the greatest share of errors first.
    Errors,
    /// The slowest first.
    P95,
}

/// A line: the place of its service in the table, and of its edge in the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    Service(usize),
    Edge(usize, usize),
}

/// What a line is about, whatever its place: a service; an edge with its receiver, topic and protocol.
type Id = (Arc<str>, Option<(Arc<str>, Option<Arc<str>>, &'static str)>);

impl Sort {
    fn next(self) -> Self {
        match self {
            Self::Name => Self::Rate,
            Self::Rate => Self::Errors,
            Self::Errors => Self::P95,
            Self::P95 => Self::Name,
        }
    }

    /// The order of two loads; equal ones stay in the order of names.
    fn order(self, a: &Load, b: &Load) -> Ordering {
        let share = |l: &Load| l.errors as f64 / l.count.max(1) as f64;
        match self {
            Self::Name => Ordering::Equal,
            Self::Rate => b.rate.total_cmp(&a.rate),
            Self::Errors => share(b).total_cmp(&share(a)),
            Self::P95 => b.p95.cmp(&a.p95),
        }
    }
}

impl Services {
    fn service(&self, row: Row) -> Option<&Service> {
        let (Row::Service(service) | Row::Edge(service, _)) = row;
        self.table.list.get(service)
    }

    fn edge(&self, row: Row) -> Option<&Edge> {
        match row {
            Row::Service(_) => None,
            Row::Edge(service, edge) => self.table.list.get(service)?.calls.get(edge),
        }
    }

    fn id(&self, row: Row) -> Option<Id> {
        let edge = self.edge(row).map(|edge| (Arc::clone(&edge.to), edge.via.clone(), edge.protocol));
        Some((Arc::clone(&self.service(row)?.name), edge))
    }

    /// Puts the lines in order, and the cursor on the line that was selected.
    fn arrange(&mut self) {
        let sort = self.sort;
        let mut services: Vec<(usize, &Service, Vec<usize>)> = (self.table.list.iter().enumerate())
            .map(|(at, service)| {
                let mut edges: Vec<_> = service.calls.iter().enumerate().collect();
                edges.sort_by(|(_, a), (_, b)| sort.order(&a.load, &b.load));
                (at, service, edges.into_iter().map(|(at, _)| at).collect())
            })
            .collect();
        // who serves nobody is as busy, as wrong or as slow as the first of what it asks
        fn load<'a>((_, service, edges): &(usize, &'a Service, Vec<usize>)) -> &'a Load {
            let first = edges.first().and_then(|edge| service.calls.get(*edge)).filter(|_| service.serves.count == 0);
            first.map_or(&service.serves, |edge| &edge.load)
        }
        match sort {
            Sort::Name => services.sort_by_key(|(_, service, _)| is_address(&service.name)),
            Sort::Rate | Sort::Errors | Sort::P95 => services.sort_by(|a, b| sort.order(load(a), load(b))),
        }
        let lines = |(at, _, edges): (usize, &Service, Vec<usize>)| {
            std::iter::once(Row::Service(at)).chain(edges.into_iter().map(move |edge| Row::Edge(at, edge)))
        };
        let rows = services.into_iter().flat_map(lines).collect();
        self.rows = rows;
        let found = self.selected.as_ref().and_then(|id| self.rows.iter().position(|row| self.id(*row).as_ref() == Some(id)));
        self.cursor.fit(self.rows.len(), self.cursor.height());
        self.cursor.to(found.unwrap_or(self.cursor.at));
    }

    /// The flows of the selected line.
    fn narrow(&self) -> Option<Wish> {
        let row = *self.rows.get(self.cursor.at)?;
        let (service, edge) = (self.service(row)?, self.edge(row));
        if *service.name == *OTHER {
            return Some(Wish::Tell("these are all the edges beyond the limit: no filter finds them"));
        }
        let name = quoted(&service.name);
        let Some(edge) = edge else {
            return Some(Wish::Narrow(match (service.name.parse::<IpAddr>(), service.name.parse::<SocketAddr>()) {
                (Ok(_), _) => client_is(&service.name),
                // without a name only a server has a port
                (_, Ok(_)) => format!("server == {name} and not server"),
                _ => format!("client == {name} or server == {name}"),
            }));
        };
        let (client, server) = match edge.dir {
            Dir::ToServer => (&edge.from, &edge.to),
            Dir::ToClient => (&edge.to, &edge.from),
        };
        let mut filter = format!("{} and server == {} and proto == {}", client_is(client), quoted(server), edge.protocol);
        // what tells it from other lines of the same two
        let edges = || self.table.list.iter().flat_map(|service| &service.calls).filter(|other| other.protocol == edge.protocol);
        match &edge.via {
            Some(via) => filter += &format!(" and via == {}", quoted(via)),
            None if edges().any(|other| (&other.from, &other.to) == (&edge.from, &edge.to) && other.via.is_some()) => {
                filter += " and not via";
            }
            None => {}
        }
        match edge.dir {
            Dir::ToClient => filter += " and direction == to_client",
            Dir::ToServer if edges().any(|back| (&back.from, &back.to) == (&edge.to, &edge.from)) => {
                filter += " and not direction == to_client";
            }
            Dir::ToServer => {}
        }
        Some(Wish::Narrow(filter))
    }
}

impl Panel for Services {
    fn context(&self) -> Context {
        Context::Services
    }

    fn cursor(&mut self) -> Option<&mut Cursor> {
        Some(&mut self.cursor)
    }

    fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn moved(&mut self, _: isize) {
        self.selected = self.rows.get(self.cursor.at).and_then(|row| self.id(*row));
    }

    fn about(&self) -> Option<About> {
        Some(About::Service(Arc::clone(&self.service(*self.rows.get(self.cursor.at)?)?.name)))
    }

    fn choose(&mut self) -> Option<Wish> {
        self.narrow()
    }

    fn fixed(&self) -> u16 {
        1
    }

    fn act(&mut self, action: Action) -> Option<Wish> {
        match action {
            Action::Narrow => self.choose(),
            Action::Sort => {
                // what was under the cursor stays under it, though nobody has moved it yet
                self.moved(0);
                self.sort = self.sort.next();
                self.arrange();
                None
            }
            _ => None,
        }
    }

    fn lay_out(&mut self, _: &Keymap, view: Option<&View>, area: Rect) {
        self.cursor.fit(self.rows.len(), self.page(area));
        if let Some(table) = view.and_then(|view| view.services.as_ref()).filter(|table| !Arc::ptr_eq(table, &self.table)) {
            self.table = Arc::clone(table);
            self.arrange();
        }
    }

    fn draw(&self, app: &App, theme: &Theme, buffer: &mut Buffer, area: Rect) {
        draw::draw(self, app, theme, buffer, area);
    }
}

/// The flows of a client. A bare address is that of clients without a name: their ports are any.
pub(super) fn client_is(name: &str) -> String {
    match name.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => format!("client ~ \"^{}:\" and not client", name.replace('.', "\\.")),
        Ok(IpAddr::V6(_)) => format!("client ~ \"^\\[{name}\\]:\" and not client"),
        Err(_) => format!("client == {}", quoted(name)),
    }
}

/// Whether it is called by its address, for want of a name.
fn is_address(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok() || name.parse::<SocketAddr>().is_ok()
}

/// A text as a value of the filter language.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::edges::{Edges, MAX_EDGES};
    use crate::filter::Filter;
    use crate::model::{Detail, Fields, Flow, Pattern};
    use crate::time::Time;
    use crate::tui::tests::sample::{party, row};

    fn between(client: (&str, Option<&str>), server: (&str, Option<&str>)) -> Flow {
        let mut flow = row(1).flow;
        (flow.client, flow.server) = (party(client.0, client.1).into(), party(server.0, server.1).into());
        flow
    }

    fn panel(flows: &[Flow]) -> Services {
        let mut edges = Edges::default();
        flows.iter().for_each(|flow| edges.add(flow.as_ref()));
        let at = Time::default();
        let table = Arc::new(view::Services { at, list: edges.table(at), ..view::Services::default() });
        let mut panel = Services { table, ..Services::default() };
        panel.arrange();
        panel
    }

    /// What is narrowed to from each line.
    fn filters(flows: &[Flow]) -> Vec<String> {
        let (mut panel, mut filters) = (panel(flows), Vec::new());
        for at in 0..panel.rows.len() {
            panel.cursor.to(at);
            panel.moved(1);
            match panel.narrow().unwrap() {
                Wish::Narrow(text) => filters.push(text),
                Wish::Tell(text) => filters.push(text.to_owned()),
                other => panic!("{other:?}"),
            }
        }
        filters
    }

    #[test]
    fn each_line_narrows_to_exactly_its_flows() {
        let mut delivered = between(("10.0.0.1:1", Some("billing")), ("10.0.0.2:5672", Some("broker")));
        (delivered.row.pattern, delivered.row.dir, delivered.row.protocol) = (Pattern::Deliver, Dir::ToClient, "amqp");
        let through = |flow: &Flow, fields: &[(&'static str, &str)]| {
            let fields = fields.iter().fold(Fields::default(), |fields, (name, value)| fields.with(name, *value));
            Flow { detail: Some(Arc::new(Detail { fields, ..Detail::default() })), ..flow.clone() }
        };
        let mut published = delivered.clone();
        (published.row.pattern, published.row.dir) = (Pattern::Publish, Dir::ToServer);
        let flows = [
            between(("127.0.0.1:50001", None), ("127.0.0.1:80", None)),
            between(("127.0.0.1:50002", Some("curl")), ("127.0.0.1:81", Some("web"))),
            between(("[fd00::7]:50001", None), ("[fd00::8]:80", None)),
            between(("10.0.0.3:5", Some("a \"b\" \\c")), ("10.0.0.4:80", Some("d"))),
            through(&delivered, &[("amqp.queue", "bills"), ("amqp.exchange", "shop")]),
            through(&published, &[("amqp.exchange", "shop")]),
            through(&published, &[("amqp.exchange", "")]),
            delivered,
        ];
        // for each flow: its sender, the edge, and its receiver find it, and nothing else does
        let filters = filters(&flows);
        assert_eq!(filters.len(), 2 * 5 + flows.len(), "{filters:#?}");
        let parsed: Vec<_> = filters.iter().map(|text| Filter::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))).collect();
        for flow in &flows {
            assert_eq!(parsed.iter().filter(|filter| filter.matches(flow.as_ref())).count(), 3, "{filters:#?}");
        }
        let edge = r#"client ~ "^127\.0\.0\.1:" and not client and server == "127.0.0.1:80" and proto == http"#;
        assert!(filters.contains(&edge.to_owned()), "{filters:#?}");
        let edge = r#"client == "billing" and server == "broker" and proto == amqp"#;
        for more in [
            r#"via == "bills" and direction == to_client"#,
            "not via and direction == to_client",
            r#"via == "shop" and not direction == to_client"#,
            "not via and not direction == to_client",
        ] {
            assert!(filters.contains(&format!("{edge} and {more}")), "{filters:#?}");
        }
    }

    #[test]
    fn the_nameless_come_last_by_name_and_a_client_is_as_slow_as_what_it_asks() {
        let mut slow = between(("10.0.0.3:1", Some("browser")), ("10.0.0.1:80", Some("web")));
        slow.row.duration = Some(crate::time::Span::from_secs(9));
        let flows = [
            between(("127.0.0.1:50001", None), ("10.0.0.1:80", Some("web"))),
            between(("10.0.0.1:1", Some("web")), ("[fd00::1]:80", None)),
            between(("10.0.0.4:1", Some("cron")), ("10.0.0.5:80", Some("api"))),
            slow,
        ];
        let mut panel = panel(&flows);
        let names = |panel: &Services| {
            let services = panel.rows.iter().filter(|row| matches!(row, Row::Service(_)));
            services.map(|row| panel.service(*row).unwrap().name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(&panel), ["api", "browser", "cron", "web", "127.0.0.1", "[fd00::1]:80"]);
        while panel.sort != Sort::P95 {
            panel.act(Action::Sort);
        }
        let mut slowest = names(&panel)[..2].to_vec();
        slowest.sort();
        assert_eq!(slowest, ["browser", "web"]);
    }

    #[test]
    fn what_is_beyond_the_limit_has_no_filter() {
        let server = |n| between(("10.0.0.1:1", Some("a")), ("10.0.0.2:80", Some(&*format!("s{n}"))));
        let flows: Vec<_> = (0..MAX_EDGES + 9).map(server).collect();
        assert_eq!(filters(&flows).iter().filter(|text| text.starts_with("these are all")).count(), 2);
    }
}
