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
        list.split(',')
            .find_map(|pair| pair.trim().strip_prefix("service.name=").filter(|name| !name.is_empty()).map(str::to_owned))
    };
    info.var("OTEL_SERVICE_NAME").map(str::to_owned).or_else(|| info.var("OTEL_RESOURCE_ATTRIBUTES").and_then(attribute)).or_else(
        || {
            let more = ["DD_SERVICE", "ELASTIC_APM_SERVICE_NAME", "NEW_RELIC_APP_NAME", "K_SERVICE", "AWS_LAMBDA_FUNCTION_NAME"];
            more.into_iter().find_map(|name| info.var(name)).map(str::to_owned)
        },
    )
}

/// The systemd unit of a control group, where it is a service's own: not a person's session, nor what a desktop started.
fn unit(cgroup: &str) -> Option<String> {
    let name = cgroup.lines().find_map(|line| line.trim().rsplit('/').find_map(|part| part.strip_suffix(".service")))?;
    // the innermost unit counts: user@1000.service holds all that a person runs
    let own = !name.starts_with("user@") && !name.starts_with("session-") && !name.contains("app-") && !name.starts_with("init");
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
        Family::Interpreter => {
            let file = args.iter().find(|arg| !arg.starts_with('-'))?;
            // deno run x.ts, bun run x.ts, dotnet exec x.dll, php artisan …
            let file = if matches!(file.as_str(), "run" | "exec" | "serve" | "task") {
                args.iter().filter(|a| !a.starts_with('-')).nth(1)?
            } else {
                file
            };
            Some(by_file(info, file))
        }
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

fn family(program: &str) -> Family {
    match program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-') {
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

/// The program's file name, as it was called where the file is another's (busybox, version managers).
fn program_name(info: &Info) -> String {
    let exe = info.exe.as_deref().map(|exe| base(exe.strip_suffix(" (deleted)").unwrap_or(exe)));
    let called = info.args.first().map(|arg| base(arg.split([' ', ':']).next().unwrap_or(arg)).trim_start_matches('-'));
    match (exe, called) {
        (Some("busybox" | "coreutils"), Some(called)) => called.to_owned(),
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
