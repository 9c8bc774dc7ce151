//! `meshtop doctor`: what this machine lets meshtop see, and how to mend what it does not. It looks, prints, and changes nothing.

use std::fmt;
use std::path::Path;

/// How a thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Good,
    /// Something stays unseen, which may be as wanted.
    Limited,
    /// It does not work.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How it stands.
    pub state: State,
    /// What was found, in one line.
    pub text: String,
    /// What to do about it.
    pub mend: Option<String>,
}

/// What was looked at, under one heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The heading.
    pub title: &'static str,
    /// In the order of looking.
    pub findings: Vec<Finding>,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report(pub Vec<Section>);

/// For people: a heading, its findings with a mark each, and below what does not work how to mend it.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, Section { title, findings }) in self.0.iter().enumerate() {
            writeln!(f, "{}{title}", if n > 0 { "\n" } else { "" })?;
            let mut told = None;
            for Finding { state, text, mend } in findings {
                let mark = match state {
                    State::Good => '✓',
                    State::Limited => '!',
                    State::Bad => '✗',
                };
                writeln!(f, "  {mark} {}", crate::text::escape(text))?;
                // what mends one mends the next
                if let Some(mend) = mend
                    && told.replace(mend) != Some(mend)
                {
                    writeln!(f, "      {}", crate::text::escape(mend))?;
                }
            }
        }
        Ok(())
    }
}

fn good(text: impl Into<String>) -> Finding {
    Finding { state: State::Good, text: text.into(), mend: None }
}

fn limited(text: impl Into<String>, mend: impl Into<String>) -> Finding {
    Finding { state: State::Limited, text: text.into(), mend: Some(mend.into()) }
}

#[cfg(feature = "live")]
fn bad(text: impl Into<String>, mend: impl Into<String>) -> Finding {
    Finding { state: State::Bad, text: text.into(), mend: Some(mend.into()) }
}

/// Servers without a name that are told one by one.
#[cfg(target_os = "linux")]
const MOST_NAMELESS: usize = 12;

/// Looks at everything: this machine, and the folder that we are in.
pub fn examine() -> Report {
    let sections = [rights(), Some(capture()), namespaces(), containers(), names(), Some(descriptors(Path::new(".")))];
    Report(sections.into_iter().flatten().collect())
}

#[cfg(all(target_os = "linux", feature = "live"))]
fn rights() -> Option<Section> {
    use crate::privileges as p;
    let capture = match p::may_capture() {
        true => good("may capture packets"),
        false => bad("may not capture packets", p::how_to_capture()),
    };
    let names = match p::sees_all_processes() {
        true => good("may look into the processes of every user"),
        false => limited(format!("may look into the processes of uid {} alone", p::own_uid()), p::how_to_name()),
    };
    let enter = match p::may_enter() {
        true => good("may enter other network namespaces"),
        false => limited("may not enter other network namespaces", p::how_to_enter()),
    };
    Some(Section { title: "Rights", findings: vec![capture, names, enter] })
}

/// Elsewhere each interface tells.
#[cfg(not(all(target_os = "linux", feature = "live")))]
fn rights() -> Option<Section> {
    None
}

#[cfg(feature = "live")]
fn capture() -> Section {
    use crate::source::interfaces::{self, Refusal};
    let findings = match interfaces::list() {
        Err(e) => vec![bad(e.to_string(), "without a list of interfaces there is no capture; -r reads files")],
        Ok(list) => list
            .into_iter()
            .map(|info| {
                let what = format!("{} ({})", info.name, info.kind);
                match info.refused {
                    None if info.default => good(format!("{what}: captured by default")),
                    None => good(format!("{what}: captured with -i")),
                    Some(Refusal::NoRight(how)) => bad(format!("{what}: no right to capture"), how),
                    Some(Refusal::Down) if cfg!(target_os = "linux") => {
                        limited(format!("{what}: it is down"), format!("`sudo ip link set {} up`", info.name))
                    }
                    Some(Refusal::Down) => limited(format!("{what}: it is down"), "captured once it is up"),
                    Some(Refusal::Other(why)) => bad(format!("{what}: {why}"), "captured once that is mended"),
                }
            })
            .collect(),
    };
    Section { title: "Interfaces", findings }
}

#[cfg(not(feature = "live"))]
fn capture() -> Section {
    let finding = limited("built without live capture", "-r reads files; build with the feature `live` to capture");
    Section { title: "Interfaces", findings: vec![finding] }
}

#[cfg(target_os = "linux")]
fn namespaces() -> Option<Section> {
    use crate::source::netns;
    let named = |found: &netns::Found| {
        let comm = std::fs::read_to_string(format!("/proc/{}/comm", found.name)).ok().filter(|_| found.is_by_process());
        comm.map_or_else(|| found.name.to_string(), |comm| format!("{} ({})", found.name, comm.trim_end()))
    };
    let others: Vec<String> = netns::all().iter().map(named).collect();
    let finding = match others.len() {
        0 => good("none that we see beside our own"),
        n => limited(
            format!("{n} beside our own, whose loopback is not seen: {}", others.join(", ")),
            "--netns NAME or --netns PID captures in one, --all-netns in all",
        ),
    };
    Some(Section { title: "Network namespaces", findings: vec![finding] })
}

#[cfg(not(target_os = "linux"))]
fn namespaces() -> Option<Section> {
    None
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
fn containers() -> Option<Section> {
    use crate::identity::containers;
    use std::io::ErrorKind;
    let look = |socket: &std::path::PathBuf| {
        let path = socket.display();
        match containers::list(socket) {
            Ok(list) => Some(good(format!("{path}: {} containers running", list.len()))),
            Err(e) if e.kind() == ErrorKind::NotFound => None,
            Err(e) if e.kind() == ErrorKind::PermissionDenied => Some(limited(
                format!("{path}: not for this user: containers are not called by their names"),
                "join the group that owns it (for Docker `sudo usermod -aG docker $USER`, then log in again); or watch as root itself, \
                 by `sudo env -u SUDO_UID` before the command",
            )),
            Err(e) if e.kind() == ErrorKind::ConnectionRefused => {
                Some(limited(format!("{path}: nobody listens there"), "start the container engine"))
            }
            Err(e) => Some(limited(format!("{path}: {e}"), "look at the container engine")),
        }
    };
    let sockets = containers::usual_sockets();
    let mut findings: Vec<_> = sockets.iter().filter_map(look).collect();
    if findings.is_empty() {
        let text = "neither Docker nor Podman is here; $DOCKER_HOST (unix://…) names another socket, with `sudo --preserve-env=DOCKER_HOST`";
        findings.push(good(text));
    }
    Some(Section { title: "Containers", findings })
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn containers() -> Option<Section> {
    None
}

#[cfg(target_os = "linux")]
fn names() -> Option<Section> {
    use crate::identity::{self, containers};
    let listed: Vec<_> =
        containers::usual_sockets().iter().filter_map(|socket| containers::list(socket).ok()).flatten().collect();
    let servers = identity::servers(&listed);
    let sight = identity::sight();
    let text = format!("{} of {} processes can be looked into", sight.open, sight.open + sight.closed);
    let processes = match sight.closed {
        0 => good(text),
        _ => limited(format!("{text}: sockets of the others have no name"), crate::privileges::how_to_name()),
    };
    let known = servers.iter().filter(|server| server.service.is_some()).count();
    let named = Finding {
        state: if known == servers.len() { State::Good } else { State::Limited },
        text: format!("{known} of {} servers in our network namespace have a name", servers.len()),
        mend: None,
    };
    let mut findings = vec![processes, named];
    findings.extend(nameless(&servers));
    Some(Section { title: "Names", findings })
}

/// Which servers have no name or not their best one, why, and what helps.
#[cfg(target_os = "linux")]
fn nameless(servers: &[crate::identity::Server]) -> Vec<Finding> {
    use crate::privileges as p;
    let why = |server: &crate::identity::Server| {
        let (at, uid) = (server.address, server.uid);
        match (&server.service, &server.container) {
            (Some(_), None) => None,
            (Some(name), Some(container)) => {
                let short = container.get(..12).unwrap_or(container);
                let text =
                    format!("{at}: {name}, in container {short}, of which no engine tells: its container's name is missing");
                Some(limited(text, format!("set $DOCKER_HOST (unix://…) to its engine's socket, or --name :{}=NAME", at.port())))
            }
            (None, _) if p::sees_all_processes() || uid == p::own_uid() => Some(limited(
                format!("{at}: no process that we see holds it: it is the kernel's, or in another PID namespace"),
                format!("in a container, run it with `--pid=host`; or --name :{}=NAME", at.port()),
            )),
            (None, _) => Some(limited(format!("{at}: a process of uid {uid}, which we may not look into"), p::how_to_name())),
        }
    };
    let mut findings: Vec<_> = servers.iter().filter_map(why).collect();
    let more = findings.len().saturating_sub(MOST_NAMELESS);
    findings.truncate(MOST_NAMELESS);
    if more > 0 {
        findings.push(Finding { state: State::Limited, text: format!("{more} more"), mend: None });
    }
    findings
}

#[cfg(not(target_os = "linux"))]
fn names() -> Option<Section> {
    None
}

/// What tells a folder's messages apart, which without it are shown by field numbers.
fn descriptors(folder: &Path) -> Section {
    let offers = crate::schema::offered(folder);
    let told = |offer: &crate::schema::Offer| {
        let path = offer.path.strip_prefix(folder).unwrap_or(&offer.path).display().to_string();
        let path = if path.is_empty() { ".".to_owned() } else { path };
        let files = if offer.files == 1 { "1 file".to_owned() } else { format!("{} files", offer.files) };
        limited(
            format!("{path}: {files}, not read unless it is named"),
            format!("--proto {path} shows protobuf messages by these"),
        )
    };
    let findings = match offers.as_slice() {
        [] => {
            vec![good("none below this folder; --proto and --reflect name them where protobuf messages have numbers for names")]
        }
        offers => offers.iter().map(told).collect(),
    };
    Section { title: "Descriptors", findings }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_well() {
        let mut trouble = limited("x\x1b[2J: odd", "mend it");
        trouble.state = State::Bad;
        let report = Report(vec![
            Section {
                title: "Interfaces",
                findings: vec![
                    good("lo (loopback): captured by default"),
                    trouble.clone(),
                    Finding { text: "y".into(), ..trouble },
                ],
            },
            Section { title: "Processes", findings: vec![limited("3 of 9", "become root")] },
        ]);
        let expected = "\
Interfaces
  ✓ lo (loopback): captured by default
  ✗ x\\x1b[2J: odd
      mend it
  ✗ y

Processes
  ! 3 of 9
      become root
";
        assert_eq!(report.to_string(), expected);
    }

    #[test]
    fn descriptors_below_the_folder_are_offered() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(descriptors(folder.path()).findings[0].state, State::Good);
        std::fs::create_dir_all(folder.path().join("api/proto/shop")).unwrap();
        for name in ["a.proto", "b.proto"] {
            std::fs::write(folder.path().join("api/proto/shop").join(name), "syntax = \"proto3\";").unwrap();
        }
        let [offer] = &descriptors(folder.path()).findings[..] else { panic!("one folder") };
        assert_eq!(offer.text, "api/proto: 2 files, not read unless it is named");
        assert_eq!(offer.mend.as_deref(), Some("--proto api/proto shows protobuf messages by these"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_has_no_name_is_told_with_what_helps() {
        use crate::identity::Server;
        let server = |port, uid, service: Option<&str>, container: Option<&str>| Server {
            address: ([127, 0, 0, 1], port).into(),
            uid,
            service: service.map(str::to_owned),
            container: container.map(str::to_owned),
        };
        let ours = crate::privileges::own_uid();
        let id = "0123456789abcdef".repeat(4);
        let all = [server(1, ours, Some("orders"), None), server(2, ours, None, None), server(3, ours, Some("nginx"), Some(&id))];
        let [unseen, contained] = &nameless(&all)[..] else { panic!("the first one has its name") };
        assert!(unseen.text.starts_with("127.0.0.1:2: no process that we see holds it"), "{unseen:?}");
        assert!(contained.text.starts_with("127.0.0.1:3: nginx, in container 0123456789ab, of which no engine tells"));
        assert!([unseen, contained].iter().all(|finding| finding.mend.as_ref().is_some_and(|mend| mend.contains("--name :"))));
        let many: Vec<_> = (0..MOST_NAMELESS as u16 + 3).map(|port| server(port, ours, None, None)).collect();
        assert_eq!(nameless(&many).last().unwrap().text, "3 more");
    }

    #[test]
    fn this_machine_can_be_examined() {
        let Report(sections) = examine();
        assert!(sections.iter().all(|section| !section.findings.is_empty()), "{sections:?}");
        let mends = sections.iter().flat_map(|s| &s.findings).filter(|f| f.state == State::Bad);
        assert!(mends.into_iter().all(|finding| finding.mend.is_some()), "what does not work can be mended: {sections:?}");
    }
}
