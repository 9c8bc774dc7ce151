//! What is known of one process, on any system: read once by [`super::system`] and kept small. What it is called is [`super::name`]'s.

use std::net::IpAddr;

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
    /// When it began, in the system's own count: with the number it names the process for good.
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
    /// Its control group (cgroups(7)): the path of version 2, else all of them; empty on other systems.
    pub cgroup: String,
    /// The Kubernetes container that its mounts tell of.
    pub pod_container: Option<String>,
}

impl Info {
    /// A variable of its environment.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.env.iter().find(|(n, value)| *n == name && !value.is_empty()).map(|(_, value)| value.as_str())
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

/// A command line, as a shell would take it.
pub fn shell(args: &[String]) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+@%:,=~^".contains(c);
    let quote = |arg: &String| match !arg.is_empty() && arg.chars().all(plain) {
        true => arg.clone(),
        false => format!("'{}'", arg.replace('\'', r"'\''")),
    };
    args.iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// An entry of an environment, where it is one that is looked at.
pub fn variable(entry: &str) -> Option<(&'static str, String)> {
    let (name, value) = entry.split_once('=')?;
    VARIABLES.iter().find(|known| **known == name).map(|known| (*known, value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_can_be_pasted() {
        let args = ["python", "-c", "print('a b')", ""].map(str::to_owned).to_vec();
        assert_eq!(Info { args, ..Info::default() }.command(), r"python -c 'print('\''a b'\'')' ''");
    }

    #[test]
    fn only_what_names_a_service_is_taken_from_an_environment() {
        assert_eq!(variable("DD_SERVICE=a=b"), Some(("DD_SERVICE", "a=b".to_owned())));
        assert_eq!(variable("AWS_SECRET_ACCESS_KEY=x"), None);
        assert_eq!(variable("DD_SERVICE"), None);
    }
}
