//! What a process is called: by what its people named it, else by what it runs in, else by what it runs. Pure rules, no looking up.

use super::process::Info;
use crate::model::Origin;
use regex::Regex;
use std::net::IpAddr;
use std::sync::LazyLock;

/// The longest name: what is longer is cut.
const LONGEST: usize = 64;
/// Names that say nothing: then the folder does.
const GENERIC: &[&str] =
    &["app", "main", "__main__", "server", "index", "run", "start", "manage", "cli", "program", "wsgi", "asgi", "worker"];
/// Folders that say nothing: then their own folder does.
const GENERIC_FOLDERS: &[&str] = &["src", "dist", "build", "out", "bin", "lib", "app", "target", "debug", "release", "current"];
/// Endings of what an interpreter runs.
const SCRIPTS: &[&str] = &[
    "py", "pyc", "pyz", "js", "mjs", "cjs", "ts", "mts", "cts", "tsx", "jsx", "rb", "pl", "php", "lua", "sh", "bash", "exs",
    "groovy", "jar", "war", "dll", "java", "kts",
];

/// What a container engine knows of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// The compose service that it is one of.
    pub service: Option<String>,
    /// Its addresses in the engine's networks; none where it uses the host's.
    pub addresses: Vec<IpAddr>,
}

/// The service's name, where it is from, and the container's name.
pub fn of(info: &Info, container: Option<&Container>) -> (String, Origin, Option<String>) {
    let pod = info.pod_container.as_ref().map(|name| match info.var("HOSTNAME") {
        Some(pod) => format!("{pod}/{name}"),
        None => name.clone(),
    });
    let held = container.map(|c| c.name.clone()).or(pod);
    let found = environment(info)
        .map(|name| (name, Origin::Environment))
        .or_else(|| container.map(|c| (c.service.clone().unwrap_or_else(|| c.name.clone()), Origin::Container)))
        .or_else(|| info.pod_container.clone().map(|name| (name, Origin::Pod)))
        .or_else(|| unit(&info.cgroup).map(|name| (name, Origin::Unit)))
        .or_else(|| script(info).map(|name| (name, Origin::Script)));
    let (name, origin) = found.unwrap_or_else(|| (program(info), Origin::Program));
    (cut(name), origin, held.map(cut))
}

/// The container that a process is in, by its control group: Docker, Podman, containerd, CRI-O.
pub fn container_id(cgroup: &str) -> Option<&str> {
    static ID: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?:docker[-/]|cri-containerd[-:]|crio-|libpod-|kubepods\S*/)([0-9a-f]{64})").ok());
    Some(ID.as_ref()?.captures(cgroup)?.get(1)?.as_str())
}

/// The variables by which tracers are told the service's name, the general ones first.
fn environment(info: &Info) -> Option<String> {
    let attribute = |list: &str| {
        list.split(',').find_map(|pair| pair.trim().strip_prefix("service.name=").filter(|name| !name.is_empty()).map(decoded))
    };
    info.var("OTEL_SERVICE_NAME").map(str::to_owned).or_else(|| info.var("OTEL_RESOURCE_ATTRIBUTES").and_then(attribute)).or_else(
        || {
            let more = ["DD_SERVICE", "ELASTIC_APM_SERVICE_NAME", "NEW_RELIC_APP_NAME", "K_SERVICE", "AWS_LAMBDA_FUNCTION_NAME"];
            more.into_iter().find_map(|name| info.var(name)).map(str::to_owned)
        },
    )
}

/// A value of `OTEL_RESOURCE_ATTRIBUTES` (OpenTelemetry's resource SDK: percent-encoded as in W3C Baggage); as it is where it is not UTF-8.
fn decoded(value: &str) -> String {
    let hex = |at: usize| u8::from_str_radix(value.get(at + 1..at + 3)?, 16).ok();
    let (mut bytes, mut at) = (Vec::new(), 0);
    while let Some(&byte) = value.as_bytes().get(at) {
        let code = if byte == b'%' { hex(at) } else { None };
        at += if code.is_some() { 3 } else { 1 };
        bytes.push(code.unwrap_or(byte));
    }
    String::from_utf8(bytes).unwrap_or_else(|_| value.to_owned())
}

/// The systemd unit of a control group, where it is a service's own: neither a person's manager, nor what a desktop started there
/// (`app-gnome-….service`, by systemd's rules for desktop environments).
fn unit(cgroup: &str) -> Option<String> {
    let name = cgroup.lines().find_map(|line| line.trim().rsplit('/').find_map(|part| part.strip_suffix(".service")))?;
    // the innermost unit counts: user@1000.service holds all that a person runs
    let desktop = cgroup.contains("/user@") && name.starts_with("app-");
    let own = !name.starts_with("user@") && !desktop;
    // of a template the instance tells which one (systemd.unit(5))
    let name = match name.split_once('@') {
        Some((template, "")) => template.to_owned(),
        Some((template, instance)) => format!("{template}@{}", instance.replace("\\x2d", "-")),
        None => name.replace("\\x2d", "-"),
    };
    own.then_some(name)
}

/// What an interpreter or a launcher runs.
fn script(info: &Info) -> Option<String> {
    let program = program_name(info);
    let args = info.args.get(1..).unwrap_or_default();
    match family(&program) {
        Family::Python => python(info, args),
        Family::Java => java(info, args),
        Family::Launcher => launched(info, &program, args),
        Family::Interpreter => interpreted(info, &program, args),
        Family::Shell => args
            .iter()
            .find(|arg| !arg.starts_with('-'))
            .filter(|_| !args.iter().any(|a| a == "-c"))
            .map(|file| by_file(info, file)),
        Family::Erlang => args.iter().any(|arg| arg.contains("rabbit")).then(|| "rabbitmq".to_owned()),
        Family::None => None,
    }
}

enum Family {
    Python,
    Java,
    Interpreter,
    Launcher,
    Shell,
    Erlang,
    None,
}

/// A program without its version: `python3.11`.
fn plain(program: &str) -> &str {
    program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-')
}

fn family(program: &str) -> Family {
    match plain(program) {
        "python" | "pypy" | "pythonw" => Family::Python,
        "java" => Family::Java,
        "node" | "nodejs" | "deno" | "bun" | "ruby" | "perl" | "php" | "php-fpm" | "lua" | "luajit" | "dotnet" | "mono"
        | "Rscript" | "elixir" | "tsx" | "ts-node" => Family::Interpreter,
        "uvicorn" | "gunicorn" | "hypercorn" | "daphne" | "celery" | "flask" | "uwsgi" | "puma" | "unicorn" | "nodemon"
        | "pm" => Family::Launcher,
        "sh" | "bash" | "dash" | "zsh" | "ksh" | "ash" => Family::Shell,
        "beam.smp" | "beam" => Family::Erlang,
        _ => Family::None,
    }
}

/// `deno run x.ts`, `tsx watch x.ts`, `dotnet exec x.dll`, or a file. Options with a value of their own are stepped over: `--require
/// ./tracing.js cart.js` runs the cart. Code on the command line has no name, nor has a server of files.
fn interpreted(info: &Info, program: &str, args: &[String]) -> Option<String> {
    let (with_value, code) = options(program);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let is_code = |option: &&str| arg == option || (option.starts_with("--") && arg.starts_with(&format!("{option}=")));
        match arg.as_str() {
            "--" => return args.next().map(|file| by_file(info, file)),
            "run" | "exec" | "serve" | "task" | "watch" => {}
            option if with_value.contains(&option) => _ = args.next(),
            _ if code.iter().any(is_code) => return folder(info),
            option if option.starts_with('-') => {}
            file => return Some(by_file(info, file)),
        }
    }
    None
}

/// The options of an interpreter that take the next argument, and those after which there is no file. From node(1) and `node --help`,
/// ruby(1), perlrun(1), php(1), lua(1), `deno run --help` and `bun --help`.
fn options(program: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match plain(program) {
        "node" | "nodejs" | "tsx" | "ts-node" | "bun" => (
            &[
                "-r",
                "--require",
                "--preload",
                "--import",
                "--loader",
                "--experimental-loader",
                "-C",
                "--conditions",
                "--title",
                "--env-file",
                "--env-file-if-exists",
                "--input-type",
                "--icu-data-dir",
                "--openssl-config",
                "--tls-keylog",
                "--dns-result-order",
                "--unhandled-rejections",
                "--stack-trace-limit",
                "--max-http-header-size",
                "--cwd",
                "--inspect-port",
                "--diagnostic-dir",
                "--redirect-warnings",
                "--disable-warning",
                "--watch-path",
                "--tsconfig",
                "-O",
                "--compiler-options",
                "-P",
                "--project",
                "--config",
                "-c",
            ],
            &["-e", "--eval", "-p", "--print", "-pe", "-i", "--interactive"],
        ),
        "deno" => {
            (&["-c", "--config", "--import-map", "--lock", "--location", "--seed", "--cert", "--env-file"], &["eval", "repl"])
        }
        "ruby" => (&["-I", "-r", "-C", "-E", "-K", "--encoding"], &["-e"]),
        "perl" => (&["-I"], &["-e", "-E"]),
        "php" => (&["-c", "-d", "-z", "-t"], &["-r", "-S", "-a"]),
        "lua" | "luajit" => (&["-l"], &["-e"]),
        "elixir" => (&["-r", "-pa", "-pz", "--name", "--sname", "--cookie", "--erl", "-S"], &["-e", "--eval"]),
        "Rscript" => (&[], &["-e"]),
        "dotnet" => (&["--depsfile", "--runtimeconfig", "--additionalprobingpath", "--fx-version", "--roll-forward"], &[]),
        _ => (&[], &[]),
    }
}

/// `-m module`, `-c code`, or a file; options with a value of their own are stepped over (python's -W and -X).
fn python(info: &Info, args: &[String]) -> Option<String> {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-m" => {
                let module = args.next()?;
                let rest: Vec<String> = args.cloned().collect();
                let launcher = matches!(family(module), Family::Launcher);
                return if launcher { launched(info, module, &rest) } else { Some(specific(info, module)) };
            }
            "-c" | "-" => return folder(info),
            "-W" | "-X" => _ = args.next(),
            option if option.starts_with('-') => {}
            file => {
                // an entry script is a launcher's own: …/bin/gunicorn
                let name = base(file);
                let rest: Vec<String> = args.cloned().collect();
                return if matches!(family(name), Family::Launcher) {
                    launched(info, name, &rest)
                } else {
                    Some(by_file(info, file))
                };
            }
        }
    }
    folder(info)
}

/// `-jar app.jar`, or a main class.
fn java(info: &Info, args: &[String]) -> Option<String> {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-jar" => return args.next().map(|jar| by_file(info, jar)),
            "-cp" | "-classpath" | "--class-path" | "-p" | "--module-path" | "--add-opens" | "--add-modules" => _ = args.next(),
            "-m" | "--module" => {
                return args.next().and_then(|module| module.rsplit(['/', '.']).next()).map(|class| by_class(info, class));
            }
            option if option.starts_with('-') || option.starts_with('@') => {}
            file if file.ends_with(".java") => return Some(by_file(info, file)),
            class => return class.rsplit('.').next().map(|class| by_class(info, class)),
        }
    }
    None
}

fn by_class(info: &Info, class: &str) -> String {
    // main classes are often called so
    let plain = class.strip_suffix("Application").or(class.strip_suffix("Kt")).unwrap_or(class);
    let plain = if plain.is_empty() { class } else { plain };
    specific(info, plain)
}

/// `uvicorn pkg.app:app`, `celery -A proj worker`, `flask --app shop run`: the module that it is told to run.
fn launched(info: &Info, launcher: &str, args: &[String]) -> Option<String> {
    let after = |names: &[&str]| {
        args.iter().enumerate().find_map(|(n, arg)| match arg.split_once('=') {
            Some((name, value)) if names.contains(&name) => Some(value),
            None if names.contains(&arg.as_str()) => args.get(n + 1).map(String::as_str),
            _ => None,
        })
    };
    let told = after(&["-A", "--app", "--module", "-w", "--wsgi-file"]).or_else(|| {
        let is_module =
            |arg: &&str| arg.contains(':') && !arg.contains('/') && !arg.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        args.iter().map(String::as_str).find(is_module).or_else(|| args.iter().map(String::as_str).find(|arg| is_script(arg)))
    });
    match told {
        Some(file) if is_script(file) => Some(by_file(info, file)),
        Some(module) => Some(specific(info, module.split(':').next().unwrap_or(module))),
        None => folder(info).or_else(|| Some(launcher.to_owned())),
    }
}

/// A file without its folders, its ending, and a version (`shop-1.2.0.jar`).
fn by_file(info: &Info, path: &str) -> String {
    let name = base(path);
    let stem = match name.rsplit_once('.') {
        Some((stem, ending)) if SCRIPTS.contains(&ending) => stem,
        _ => name,
    };
    let stem = version(stem);
    if !GENERIC.contains(&stem) {
        return stem.to_owned();
    }
    // of a path with folders the folder is the script's own, else it is where the process was started
    let own = path
        .rsplit('/')
        .skip(1)
        .find(|part| !part.is_empty() && *part != "." && *part != ".." && !GENERIC_FOLDERS.contains(part));
    own.map(str::to_owned).or_else(|| folder(info)).unwrap_or_else(|| stem.to_owned())
}

/// A module or class as it is (`pkg.app`); one that says nothing, by its folder.
fn specific(info: &Info, name: &str) -> String {
    let generic = GENERIC.contains(&name.to_ascii_lowercase().as_str());
    if generic { folder(info).unwrap_or_else(|| name.to_owned()) } else { name.to_owned() }
}

/// The working folder's name; of folders that say nothing, their own folder's.
fn folder(info: &Info) -> Option<String> {
    let cwd = info.cwd.as_deref()?;
    cwd.rsplit('/').find(|part| !part.is_empty() && !GENERIC_FOLDERS.contains(part)).map(str::to_owned)
}

/// `shop-1.2.0-SNAPSHOT` → `shop`
fn version(stem: &str) -> &str {
    static VERSION: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[-_]v?[0-9]+(\.[0-9]+)*([-.+][0-9A-Za-z.]+)?$").ok());
    let found = VERSION.as_ref().and_then(|version| version.find(stem)).map_or(stem.len(), |found| found.start());
    stem.get(..found).filter(|name| !name.is_empty()).unwrap_or(stem)
}

fn is_script(arg: &str) -> bool {
    arg.rsplit_once('.').is_some_and(|(stem, ending)| !stem.is_empty() && SCRIPTS.contains(&ending))
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The program's file name, as it was called where the file is another's (busybox; Debian's redis-server is a link).
fn program_name(info: &Info) -> String {
    let exe = info.exe.as_deref().map(|exe| base(exe.strip_suffix(" (deleted)").unwrap_or(exe)));
    let called = info.args.first().map(|arg| base(arg.split([' ', ':']).next().unwrap_or(arg)).trim_start_matches('-'));
    match (exe, called) {
        (Some("busybox" | "coreutils" | "redis-check-rdb" | "valkey-check-rdb"), Some(called)) => called.to_owned(),
        (Some(exe), _) => exe.to_owned(),
        (None, Some(called)) => called.to_owned(),
        (None, None) => String::new(),
    }
}

fn program(info: &Info) -> String {
    let name = program_name(info);
    if name.is_empty() { format!("pid {}", info.pid) } else { name }
}

fn cut(name: String) -> String {
    if name.chars().count() <= LONGEST { name } else { name.chars().take(LONGEST - 1).chain(['…']).collect() }
}

#[cfg(test)]
mod tests;
