//! What `/proc` tells of one process (proc_pid_cmdline(5) and its kin), read once and kept small. What it is called is [`super::name`]'s.

use crate::time::Time;
use std::fs;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

/// The most that is read of a file: a command line or an environment may be up to 2 MiB (execve(2)).
const MOST: u64 = 64 << 10;
/// The variables that are looked at; the rest of an environment is nobody's business.
const VARIABLES: &[&str] = &[
    "OTEL_SERVICE_NAME",
    "OTEL_RESOURCE_ATTRIBUTES",
    "DD_SERVICE",
    "ELASTIC_APM_SERVICE_NAME",
    "NEW_RELIC_APP_NAME",
    "K_SERVICE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "KUBERNETES_SERVICE_HOST",
    "HOSTNAME",
];

/// A process as it was when it was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Its number.
    pub pid: u32,
    /// When it began, in clock ticks since the machine did: with the number it names the process for good.
    pub ticks: u64,
    /// Whose it is.
    pub uid: u32,
    /// The file that it runs; none where we may not know.
    pub exe: Option<String>,
    /// Its arguments, the program's name first.
    pub args: Vec<String>,
    /// Its working folder.
    pub cwd: Option<String>,
    /// The few variables of its environment that name a service.
    pub env: Vec<(&'static str, String)>,
    /// Its control group (cgroups(7)): the path of version 2, else all of them.
    pub cgroup: String,
    /// The Kubernetes container that its mounts tell of.
    pub pod_container: Option<String>,
}

impl Info {
    /// Looks a process up; none where it is gone.
    pub fn read(pid: u32) -> Option<Self> {
        let folder = format!("/proc/{pid}");
        let link = |name: &str| fs::read_link(format!("{folder}/{name}")).ok().map(|path| path.to_string_lossy().into_owned());
        let text = |name: &str| read(format!("{folder}/{name}"));
        let ticks = ticks(pid)?;
        let status = text("status").unwrap_or_default();
        let (exe, args) = (link("exe"), text("cmdline").map(|line| arguments(&line)).unwrap_or_default());
        // one that has ended and waits for its parent to notice has neither
        if exe.is_none() && args.is_empty() {
            return None;
        }
        let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().next()?.parse().ok());
        let env = text("environ").unwrap_or_default();
        let env: Vec<_> = env.split('\0').filter_map(variable).collect();
        let in_pod = env.iter().any(|(name, _)| *name == "KUBERNETES_SERVICE_HOST");
        let mounts = if in_pod { text("mountinfo").unwrap_or_default() } else { String::new() };
        Some(Self {
            pid,
            ticks,
            uid: uid.unwrap_or_default(),
            exe,
            args,
            cwd: link("cwd"),
            env,
            cgroup: text("cgroup").unwrap_or_default(),
            pod_container: pod_container(&mounts),
        })
    }

    /// A variable of its environment.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.env.iter().find(|(n, value)| *n == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// When it began, to a hundredth of a second.
    pub fn started(&self) -> Option<Time> {
        // proc_stat(5) tells it in whole seconds only
        static BOOT: LazyLock<Option<Duration>> = LazyLock::new(|| UNIX_EPOCH.elapsed().ok()?.checked_sub(uptime()));
        let began = (*BOOT)?.checked_add(since_boot(self.ticks))?;
        Some(Time::from_nanos(i64::try_from(began.as_nanos()).ok()?))
    }

    /// Its command line, as a shell would take it.
    pub fn command(&self) -> String {
        shell(&self.args)
    }

    /// The address that it stands for, where it is the proxy of a port that Docker published
    /// (`docker-proxy -proto tcp -host-port 80 -container-ip 172.18.0.3 …`).
    pub fn proxied(&self) -> Option<IpAddr> {
        if !self.args.first()?.ends_with("docker-proxy") {
            return None;
        }
        let at = self.args.iter().position(|arg| arg == "-container-ip")?;
        self.args.get(at + 1)?.parse().ok()
    }
}

/// The command line of a process, as a shell would take it; none where it is gone.
pub fn command(pid: u32) -> Option<String> {
    read(format!("/proc/{pid}/cmdline")).map(|line| shell(&arguments(&line)))
}

fn shell(args: &[String]) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+@%:,=~^".contains(c);
    let quote = |arg: &String| match !arg.is_empty() && arg.chars().all(plain) {
        true => arg.clone(),
        false => format!("'{}'", arg.replace('\'', r"'\''")),
    };
    args.iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// The numbers of all processes.
pub fn all() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// How long the machine runs (proc_uptime(5)).
pub fn uptime() -> Duration {
    let seconds = read("/proc/uptime").and_then(|text| text.split(' ').next()?.parse().ok());
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or_default()
}

/// How long after the machine began so many clock ticks were.
pub fn since_boot(ticks: u64) -> Duration {
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_nanos(ticks.saturating_mul(1_000_000_000 / per_second))
}

/// When a process began (proc_pid_stat(5), the 22nd field); none where it is gone.
pub fn ticks(pid: u32) -> Option<u64> {
    let stat = read(format!("/proc/{pid}/stat"))?;
    // the second field is a name in parentheses, which may hold anything
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// The first part of a file.
fn read(path: impl AsRef<Path>) -> Option<String> {
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(MOST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Arguments end in NUL each. A process that writes its own title there has spaces and one end.
fn arguments(line: &str) -> Vec<String> {
    let line = line.strip_suffix('\0').unwrap_or(line).trim_end_matches('\0');
    if line.is_empty() { Vec::new() } else { line.split('\0').map(str::to_owned).collect() }
}

fn variable(entry: &str) -> Option<(&'static str, String)> {
    let (name, value) = entry.split_once('=')?;
    VARIABLES.iter().find(|known| **known == name).map(|known| (*known, value.to_owned()))
}

/// The kubelet mounts a file of each container's own: `…/pods/UID/containers/NAME/HASH … /dev/termination-log` (mount by default).
fn pod_container(mounts: &str) -> Option<String> {
    mounts.lines().find_map(|line| {
        let (_, rest) = line.split_once("/pods/")?;
        let (_, rest) = rest.split_once("/containers/")?;
        rest.split('/').next().filter(|name| !name.is_empty()).map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_are_found() {
        let info = Info::read(std::process::id()).unwrap();
        assert_eq!(info.pid, std::process::id());
        assert!(info.exe.as_deref().is_some_and(|exe| exe.contains("meshtop")), "{info:?}");
        assert_eq!(info.args, std::env::args().collect::<Vec<_>>());
        assert_eq!(info.cwd.as_deref(), std::env::current_dir().unwrap().to_str());
        assert_eq!(Info::read(u32::MAX), None);
        let now = i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_nanos()).unwrap();
        let started = info.started().unwrap().nanos();
        assert!(started <= now && started > 0, "{started} {now}");
    }

    #[test]
    fn a_command_line_can_be_pasted() {
        let args = ["python", "-c", "print('a b')", ""].map(str::to_owned).to_vec();
        assert_eq!(Info { args, ..Info::default() }.command(), r"python -c 'print('\''a b'\'')' ''");
        assert_eq!(arguments("node\0server.js\0"), ["node", "server.js"]);
        assert_eq!(arguments("nginx: worker process\0\0\0"), ["nginx: worker process"]);
        assert!(arguments("").is_empty());
    }

    #[test]
    fn a_pods_container_is_in_its_mounts() {
        let line = "812 790 8:1 /var/lib/kubelet/pods/6fd1-9c/containers/orders/4f2a11 /dev/termination-log rw,relatime - ext4 /dev/sda1 rw";
        assert_eq!(pod_container(&format!("1 2 0:1 / / rw - overlay overlay rw\n{line}\n")).as_deref(), Some("orders"));
        assert_eq!(pod_container("1 2 0:1 / / rw - overlay overlay rw\n"), None);
    }
}
