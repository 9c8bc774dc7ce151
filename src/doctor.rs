//! `meshtop doctor`: what this machine lets meshtop see, and how to mend what it does not. It looks, prints, and changes nothing.

use std::fmt;

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

/// Looks at everything.
pub fn examine() -> Report {
    let sections = [Some(capture()), names()];
    Report(sections.into_iter().flatten().chain(system()).collect())
}

#[cfg(feature = "live")]
fn capture() -> Section {
    use crate::privileges::how_to_capture;
    use crate::source::interfaces;
    let findings = match interfaces::list() {
        Err(e) => vec![bad(e.to_string(), "without a list of interfaces there is no capture; -r reads files")],
        Ok(list) => list
            .into_iter()
            .map(|info| {
                let what = if info.default { "captured by default" } else { "captured with -i" };
                match info.refused {
                    None => good(format!("{} ({}): {what}", info.name, info.kind)),
                    Some(why) if why.starts_with("no right") => {
                        bad(format!("{} ({}): no right to capture", info.name, info.kind), how_to_capture())
                    }
                    Some(why) if !info.up => {
                        Finding { state: State::Limited, text: format!("{} ({}): {why}", info.name, info.kind), mend: None }
                    }
                    Some(why) => bad(format!("{} ({}): {why}", info.name, info.kind), "captured once that is mended"),
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
fn names() -> Option<Section> {
    let sight = crate::identity::sight();
    let all = sight.open + sight.closed;
    let text = format!("{} of {all} processes can be looked into", sight.open);
    let finding = match sight.closed {
        0 => good(text),
        _ => limited(format!("{text}: sockets of the others have no name"), crate::privileges::how_to_name()),
    };
    Some(Section { title: "Processes", findings: vec![finding] })
}

#[cfg(not(target_os = "linux"))]
fn names() -> Option<Section> {
    None
}

#[cfg(target_os = "linux")]
fn system() -> Vec<Section> {
    vec![containers(), namespaces()]
}

#[cfg(target_os = "macos")]
fn system() -> Vec<Section> {
    vec![containers()]
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn system() -> Vec<Section> {
    Vec::new()
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
fn containers() -> Section {
    use crate::identity::containers;
    use std::io::ErrorKind;
    let look = |socket: &std::path::PathBuf| {
        let path = socket.display();
        match containers::list(socket) {
            Ok(list) => Some(good(format!("{path}: {} containers running", list.len()))),
            Err(e) if e.kind() == ErrorKind::NotFound => None,
            Err(e) if e.kind() == ErrorKind::PermissionDenied => Some(limited(
                format!("{path}: not for this user: containers are not called by their names"),
                "join the group that owns it (for Docker `sudo usermod -aG docker $USER`, then log in again)",
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
        findings.push(good("neither Docker nor Podman is here; $DOCKER_HOST (unix://…) names another socket"));
    }
    Section { title: "Containers", findings }
}

#[cfg(target_os = "linux")]
fn namespaces() -> Section {
    let others = crate::identity::other_namespaces();
    let named = |n: &crate::identity::Namespace| format!("{} ({} processes, one is {})", n.inode, n.processes, n.example);
    let finding = match others.len() {
        0 => good("all processes that we see are in our own"),
        n => limited(
            format!(
                "{n} beside our own, whose loopback is not seen: {}",
                others.iter().map(named).collect::<Vec<_>>().join(", ")
            ),
            format!("--netns PID captures in the one of a process, --all-netns in all; {}", crate::privileges::how_to_enter()),
        ),
    };
    Section { title: "Network namespaces", findings: vec![finding] }
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
    fn this_machine_can_be_examined() {
        let Report(sections) = examine();
        assert!(sections.iter().all(|section| !section.findings.is_empty()), "{sections:?}");
        let mends = sections.iter().flat_map(|s| &s.findings).filter(|f| f.state == State::Bad);
        assert!(mends.into_iter().all(|finding| finding.mend.is_some()), "what does not work can be mended: {sections:?}");
    }
}
