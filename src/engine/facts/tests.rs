use super::*;
use crate::model::Process;

fn owner(service: &str, origin: Origin, command: &str) -> Arc<Owner> {
    let process = Process { command: command.into(), cwd: None, started: None, uid: 0, opener: None };
    Arc::new(Owner { service: service.into(), origin, pid: Some(1), container: None, process: Some(process) })
}

#[test]
fn rank_first_then_the_narrower_scope() {
    let addr: SocketAddr = "10.0.0.7:80".parse().unwrap();
    let mut facts = Facts::default();
    let script = owner("app", Origin::Script, "python app.py");
    let (bare, new) = facts.hold(addr, None);
    let (owned, also_new) = facts.hold(addr, Some(&script));
    assert!(new && also_new && bare != owned);
    let mut labels = |scope, rank, service: &str| {
        assert!(facts.learn(scope, rank, service.into()));
        let (bare, owned) = facts.parties(bare, owned);
        (bare.label().to_owned(), owned.label().to_owned())
    };
    let both = |name: &str| (name.to_owned(), name.to_owned());
    let apart = |bare: &str, owned: &str| (bare.to_owned(), owned.to_owned());
    assert_eq!(labels(Scope::Ip(addr.ip()), Rank::Capture, "by ip"), apart("by ip", "app"));
    assert_eq!(labels(Scope::Ip(addr.ip()), Rank::System, "system ip"), apart("system ip", "app"));
    assert_eq!(labels(Scope::Socket(addr), Rank::Capture, "socket, but capture"), apart("system ip", "app"));
    assert_eq!(labels(Scope::Net("10.0.0.0".parse().unwrap(), 8), Rank::User, "wide"), both("wide"));
    assert_eq!(labels(Scope::Net("10.0.0.0".parse().unwrap(), 24), Rank::User, "narrow"), both("narrow"));
    assert_eq!(labels(Scope::Net("10.0.0.0".parse().unwrap(), 16), Rank::User, "between"), both("narrow"));
    assert_eq!(labels(Scope::Ip(addr.ip()), Rank::User, "user ip"), both("user ip"));
    assert_eq!(labels(Scope::Pattern("app\\.py$".into()), Rank::User, "by command"), apart("user ip", "by command"));
    assert_eq!(labels(Scope::Pattern("^10\\.0\\.".into()), Rank::User, "by address"), apart("by address", "by command"));
    assert_eq!(labels(Scope::Port(80), Rank::User, "user port"), both("user port"));
    assert_eq!(labels(Scope::Socket(addr), Rank::User, "user socket"), both("user socket"));
    assert_eq!(labels(Scope::Socket(addr), Rank::User, "renamed"), both("renamed"));
}

#[test]
fn that_somebody_is_gone_is_said_where_nothing_better_is_known() {
    let addr: SocketAddr = "10.0.0.7:80".parse().unwrap();
    let mut facts = Facts::default();
    let gone = owner("uid 1000, exited", Origin::Exited, "");
    let (at, _) = facts.hold(addr, Some(&gone));
    assert_eq!(facts.parties(at, at).0.label(), "uid 1000, exited");
    assert!(facts.learn(Scope::Ip(addr.ip()), Rank::Capture, "db.example".into()));
    assert_eq!(facts.parties(at, at).0.label(), "db.example");
    assert_eq!(facts.parties(at, at).0.rank, Some(Rank::Capture), "not its owner's");
}

#[test]
fn whoever_listens_at_an_address_accepted_all_its_connections() {
    let addr: SocketAddr = "127.0.0.1:80".parse().unwrap();
    let mut facts = Facts::default();
    let ends = [facts.hold(addr, None).0, facts.hold(addr, Some(&Arc::new(Owner::gone(0, true)))).0];
    let labels = |facts: &mut Facts| ends.map(|end| facts.parties(end, end).0.label().to_owned());
    facts.listens(addr, Some(&Owner::gone(0, false)));
    assert_eq!(labels(&mut facts), ["127.0.0.1:80", "uid 0, exited"], "that somebody is gone is no name");
    facts.listens(addr, Some(&owner("shop", Origin::Script, "")));
    facts.listens(addr, Some(&owner("shop", Origin::Script, "")));
    assert_eq!(labels(&mut facts), ["shop", "shop"]);
    assert_eq!(facts.parties(ends[0], ends[0]).0.named_by(), Some("who listens at its address, by other connections"));
    assert_eq!(facts.called("127.0.0.1:80").as_deref(), Some("shop"));
    assert!(facts.learn(Scope::Port(80), Rank::User, "mine".into()));
    assert_eq!(labels(&mut facts), ["mine", "mine"], "the user knows better");
    // another one there: which of the two it was cannot be told
    let mut facts = Facts::default();
    let ends = [facts.hold(addr, None).0];
    for service in ["shop", "another", "shop"] {
        facts.listens(addr, Some(&owner(service, Origin::Script, "")));
    }
    assert_eq!(facts.parties(ends[0], ends[0]).0.label(), "127.0.0.1:80");
    assert!(facts.any_listens());
}

#[test]
fn networks_of_either_family() {
    for (ip, net, bits, inside) in [
        ("10.1.2.3", "10.0.0.0", 8, true),
        ("11.1.2.3", "10.0.0.0", 8, false),
        ("1.2.3.4", "0.0.0.0", 0, true),
        ("10.0.0.7", "10.0.0.7", 32, true),
        ("10.0.0.6", "10.0.0.7", 32, false),
        ("fd00::1", "fd00::", 8, true),
        ("fe80::1", "fd00::", 8, false),
        ("::1", "::", 0, true),
        ("::1", "0.0.0.0", 0, false),
    ] {
        assert_eq!(within(ip.parse().unwrap(), net.parse().unwrap(), bits), inside, "{ip} in {net}/{bits}");
    }
}

#[test]
fn a_number_lives_as_long_as_its_users() {
    let addr: SocketAddr = "[::1]:80".parse().unwrap();
    let other: SocketAddr = "127.0.0.1:80".parse().unwrap();
    let mut facts = Facts::default();
    let (at, _) = facts.hold(addr, None);
    assert_eq!(facts.hold(addr, None), (at, false));
    assert_eq!(facts.release(at), 0);
    assert_eq!(facts.release(at), ENDPOINT_COST);
    assert_eq!(facts.release(at), 0, "gone already");
    assert_eq!(facts.hold(other, None), (at, true), "the number is free again");
    assert_eq!(&*facts.parties(at, at).0.addr, "127.0.0.1:80");
    assert_ne!(facts.hold(addr, None).0, at);
}

#[test]
fn facts_from_the_wire_are_bounded_what_the_user_says_is_not_refused() {
    let mut facts = Facts::default();
    for n in 0..MAX_FACTS as u32 {
        assert!(facts.learn(Scope::Ip(std::net::Ipv4Addr::from(n).into()), Rank::Capture, "x".into()));
    }
    assert!(facts.learn(Scope::Port(1), Rank::Capture, "the oldest makes room".into()));
    assert!(facts.learn(Scope::Port(1), Rank::Capture, "and no other for its second name".into()));
    let known = |facts: &Facts, n: u32| facts.known(Scope::Ip(std::net::Ipv4Addr::from(n).into()), Rank::Capture).is_some();
    assert_eq!([0, 1, 2, MAX_FACTS as u32 - 1].map(|n| known(&facts, n)), [false, true, true, true]);
    assert_eq!(facts.names.len(), MAX_FACTS);
    assert!(facts.learn(Scope::Port(1), Rank::System, "more than the wire's".into()));
    assert_eq!([1, 2].map(|n| known(&facts, n)), [false, true]);
    assert!(facts.learn(Scope::Port(1), Rank::User, "mine".into()));
    assert!(!facts.learn(Scope::Pattern("(".into()), Rank::User, "no expression".into()));
}

#[test]
fn a_pattern_names_the_workers_of_a_server_that_it_names() {
    let addr: SocketAddr = "10.0.0.7:80".parse().unwrap();
    let mut worker = (*owner("shop", Origin::Script, "python -c spawn_main()")).clone();
    worker.process = worker.process.map(|process| Process { opener: Some("uvicorn shop:app".into()), ..process });
    let mut facts = Facts::default();
    assert!(facts.learn(Scope::Pattern("^uvicorn shop".into()), Rank::User, "by command".into()));
    let (at, _) = facts.hold(addr, Some(&Arc::new(worker)));
    assert_eq!(facts.parties(at, at).0.label(), "by command");
}
