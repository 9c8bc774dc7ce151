//! Descriptors that change, or are found, while somebody looks.

use super::*;

#[test]
fn other_schemas_have_everything_looked_at_again() {
    use crate::schema::{Loader, Schemas, Sources};
    let mut engine = engine(exchanges(20));
    engine.query(Query { inspect: Some(FlowId(1)), ..query(2, Some("header.host == a"), Window::Follow, 5) });
    look_at_all(&mut engine);
    assert!(!engine.renew_schemas() && look_at_all(&mut engine) == 0, "they are the same");
    let rule = crate::schema::Rule { topic: Some("x".into()), message: "shop.Gone".into(), ..crate::schema::Rule::default() };
    let load = |rules| -> Schemas { Loader::new(Sources { rules, ..Sources::default() }).load().unwrap() };
    engine.options.schemas.set(load(vec![rule]));
    assert!(engine.renew_schemas());
    assert_eq!(look_at_all(&mut engine), 2, "the flow that is open, and the list");
    let status = engine.view().status.clone();
    assert!(matches!(&*status.problems, [problem] if problem.contains("shop.Gone")), "{:?}", status.problems);
    assert!(status.notice.is_some_and(|(n, text)| n == 1 && text.contains("shop.Gone")));
    assert!(!engine.renew_schemas(), "told once");
}
