//! The table of services: built for whoever looks, renewed when its numbers move.

use super::*;

#[test]
fn the_table_of_services_is_there_when_it_is_shown_and_renewed_when_its_numbers_move() {
    let mut engine = engine(exchanges(3));
    assert!(engine.view().services.is_none(), "nobody looks");
    let shown = |generation, shown| Query { shown, ..query(generation, None, Window::Follow, 100) };
    engine.query(shown(2, Shown::Services));
    let table = |engine: &mut Engine| engine.view().services.clone().unwrap();
    let count = |engine: &mut Engine| table(engine).list.iter().map(|s| s.serves.count).sum::<u64>();
    let first = table(&mut engine);
    assert_eq!(count(&mut engine), 3);
    assert!(!engine.renew_services() && Arc::ptr_eq(&first, &table(&mut engine)), "nothing has moved");
    take(&mut engine, Log::default().skip(40).began(2).exchange(2, 1, "200").exchange(2, 2, "500"));
    assert_eq!(count(&mut engine), 3, "the owner says when");
    assert!(engine.renew_services());
    assert_eq!(count(&mut engine), 5);
    let rate = |engine: &mut Engine| table(engine).list.iter().map(|s| s.serves.rate).sum::<f64>();
    assert!(rate(&mut engine) > 0.0);
    take(&mut engine, Log::default().skip(30_000));
    assert!(engine.renew_services(), "time alone sinks the rate");
    assert_eq!(rate(&mut engine), 0.0);
    engine.query(shown(3, Shown::Flows));
    assert!(engine.view().services.is_none() && !engine.renew_services());
    engine.query(shown(4, Shown::Services));
    engine.clear();
    assert_eq!(table(&mut engine).list, [], "forgotten with the flows");
}

#[test]
fn the_last_turn_renews_the_table_of_services() {
    let mut engine = engine(exchanges(1));
    engine.query(Query { shown: Shown::Services, ..query(2, None, Window::Top, 5) });
    assert_eq!(engine.view().services.as_ref().unwrap().list.len(), 2);
    engine.take(Log::default().skip(20).began(2).exchange(2, 1, "200").last(), &mut |_| {});
    let calls: u64 = engine.view().services.as_ref().unwrap().list.iter().flat_map(|s| &s.calls).map(|e| e.load.count).sum();
    assert_eq!(calls, 2);
}
