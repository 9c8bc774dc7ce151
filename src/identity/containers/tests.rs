//! Against engines that answer as the API does, badly, or not at all.

use super::*;
use std::net::IpAddr;
use std::os::unix::net::UnixListener;

pub const LIST: &str = r#"[
 {"Id":"aaaa","Names":["/shop-orders-1"],"Labels":{"com.docker.compose.service":"orders","com.docker.compose.project":"shop"},
  "NetworkSettings":{"Networks":{"shop_default":{"IPAddress":"172.18.0.3","GlobalIPv6Address":"fd00::3"}}}},
 {"Id":"bbbb","Names":["/lone"],"Labels":{},"NetworkSettings":{"Networks":{"host":{"IPAddress":"","GlobalIPv6Address":""}}}},
 {"Names":["/without an id"]}
]"#;

/// An engine that gives each caller the next of `answers`.
pub fn engine(folder: &Path, answers: Vec<String>) -> PathBuf {
    let path = folder.join("docker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for (answer, caller) in answers.into_iter().zip(listener.incoming()) {
            let mut caller = caller.unwrap();
            let mut asked = BufReader::new(caller.try_clone().unwrap());
            let mut line = String::new();
            while asked.read_line(&mut line).unwrap() > 2 {
                line.clear();
            }
            _ = caller.write_all(answer.as_bytes());
        }
    });
    path
}

pub fn whole(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn chunked(body: &str) -> String {
    let (a, b) = body.split_at(body.len() / 3);
    let chunks = format!("{:x}\r\n{a}\r\n{:X};x=y\r\n{b}\r\n0\r\n\r\n", a.len(), b.len());
    format!("HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")
}

#[test]
fn containers_are_listed_with_their_names_and_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let socket = engine(folder.path(), vec![whole(LIST), chunked(LIST)]);
    for _ in 0..2 {
        let all = list(&socket).unwrap();
        let [orders, lone] = &all[..] else { panic!("{all:?}") };
        assert_eq!((orders.id.as_str(), orders.container.name.as_str()), ("aaaa", "shop-orders-1"));
        assert_eq!(orders.container.service.as_deref(), Some("orders"));
        assert_eq!(orders.container.addresses, ["172.18.0.3".parse::<IpAddr>().unwrap(), "fd00::3".parse().unwrap()]);
        assert_eq!(
            (lone.container.name.as_str(), lone.container.service.as_deref(), lone.container.addresses.len()),
            ("lone", None, 0)
        );
    }
}

/// As `podman system service` answers (Podman 4 and 5, the API that is Docker's): a container of `podman-compose`, and one of a pod.
const PODMAN: &str = r#"[
 {"Id":"cccc","Names":["/shop_orders_1"],"Image":"localhost/orders:latest","State":"running","HostConfig":{"NetworkMode":"bridge"},
  "Labels":{"io.podman.compose.project":"shop","io.podman.compose.service":"orders"},"Mounts":[],"Ports":null,
  "NetworkSettings":{"Networks":{"shop_default":{"IPAddress":"10.89.0.3","GlobalIPv6Address":"","MacAddress":"02:00:00:00:00:03"}}}},
 {"Id":"dddd","Names":["/web-infra"],"Labels":null,"NetworkSettings":{"Networks":null}}
]"#;

#[test]
fn podman_answers_too() {
    let folder = tempfile::tempdir().unwrap();
    let all = list(&engine(folder.path(), vec![chunked(PODMAN)])).unwrap();
    let told = |one: &Listed| (one.id.clone(), one.container.name.clone(), one.container.service.clone());
    let expected = [("cccc", "shop_orders_1", Some("orders")), ("dddd", "web-infra", None)];
    assert_eq!(
        all.iter().map(told).collect::<Vec<_>>(),
        expected.map(|(id, name, service)| (id.to_owned(), name.to_owned(), service.map(str::to_owned)))
    );
    assert_eq!(all[0].container.addresses, ["10.89.0.3".parse::<IpAddr>().unwrap()]);
    assert_eq!(all[1].container.addresses.len(), 0);
}

#[test]
fn what_goes_wrong_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let bad = [
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n[{\"Id",
        "HTTP/1.1 200 OK\r\n\r\n{}",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "",
    ];
    let socket = engine(folder.path(), bad.map(str::to_owned).to_vec());
    for answer in bad {
        assert!(list(&socket).is_err(), "{answer}");
    }
    assert_eq!(list(&folder.path().join("none.sock")).unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_list_comes_at_once_and_again_when_it_is_asked_for_and_outlives_an_engine_that_fails() {
    let folder = tempfile::tempdir().unwrap();
    let socket = engine(folder.path(), vec![whole("[]"), whole(LIST)]);
    let engines = Engines::start(vec![socket, folder.path().join("none.sock")]).unwrap();
    // the last answer is none: what was said before it stays
    let lengths = [0, 2, 2].map(|_| {
        engines.ask_again();
        engines.lists.recv().unwrap().len()
    });
    assert_eq!(lengths, [0, 2, 2]);
}

#[cfg(target_os = "linux")]
#[test]
fn engines_without_root_are_found_under_sudo_too() {
    let at = |runtime: Option<&str>| {
        let all = sockets(Some("unix:///mine.sock"), runtime.map(PathBuf::from), 1000, Some("/root".into()));
        all.into_iter().map(|path| path.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let hidden = at(None);
    assert_eq!(hidden[..3], ["/mine.sock", "/var/run/docker.sock", "/run/podman/podman.sock"]);
    assert!(hidden.contains(&"/run/user/1000/podman/podman.sock".to_owned()), "{hidden:?}");
    assert!(at(Some("/tmp/run")).contains(&"/tmp/run/podman/podman.sock".to_owned()));
    assert!(!sockets(Some("tcp://10.0.0.1:2375"), None, 1, None).iter().any(|path| path.ends_with("2375")));
}
