//! What arguments, environment and configuration come to.

use super::args::{Args, Capture, Compare, Sub, Watch};
use super::{Color, Command, Env, Input, Options};
use crate::config::{Config, Keys, Size, default_file};
use crate::error::Error;
use crate::filter::Filter;
use crate::mask::Secrets;
use crate::model::Scope;
use crate::output::Emit;
use crate::schema::{Rule, Sources};
use crate::source::netns::Wanted;
use crate::source::tap::Url;
use crate::trace::Named;
use clap::CommandFactory as _;
use regex::Regex;
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes kept of each body, unless said otherwise.
const BODY_LIMIT: u64 = 64 << 10;

/// Bytes that recorder and store may hold, unless said otherwise.
const MAX_MEMORY: u64 = 256 << 20;

/// Less than this holds no useful run: the packets of one busy second are more.
const LEAST_MEMORY: u64 = 1 << 20;

/// Decides.
pub fn resolve(args: Args, env: &Env) -> Result<Command, Error> {
    match args.command {
        None => watch(args.capture, args.watch, env, |options| Command::Watch(Box::new(options))),
        Some(Sub::Demo { recorded, watch: w }) => {
            watch(args.capture, *w, env, |options| Command::Demo { recorded, options: Box::new(options) })
        }
        Some(Sub::Run { capture, watch, command }) => run(*capture, *watch, command, env),
        Some(Sub::Diff { a, b, trace, how }) => diff([a, b], trace, *how, env),
        Some(Sub::Interfaces) => Ok(Command::Interfaces),
        Some(Sub::Doctor) => Ok(Command::Doctor),
        Some(Sub::Completions { shell }) => {
            let mut out = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "meshtop", &mut out);
            Ok(Command::Print(String::from_utf8_lossy(&out).into_owned()))
        }
        Some(Sub::Man) => {
            let mut out = Vec::new();
            let man = clap_mangen::Man::new(Args::command());
            man.render(&mut out).map_err(|e| Error::failed(format!("cannot make the man page: {e}")))?;
            Ok(Command::Print(String::from_utf8_lossy(&out).into_owned()))
        }
    }
}

fn watch(capture: Capture, watch: Watch, env: &Env, make: impl FnOnce(Options) -> Command) -> Result<Command, Error> {
    let file = watch.config.clone().or_else(|| default_file(env.home.as_deref(), env.config_home.as_deref()));
    let config = file.as_deref().map(Config::read).transpose()?.unwrap_or_default();
    let print = watch.print_config;
    let options = options(capture, watch, config, file.as_deref(), env)?;
    if print { in_force(&options).print().map(Command::Print) } else { Ok(make(options)) }
}

fn run(capture: Capture, w: Watch, command: Vec<OsString>, env: &Env) -> Result<Command, Error> {
    if !capture.read.is_empty() {
        return Err(Error::unusable("-r: run captures what its command does; without a command: meshtop -r FILE"));
    }
    // standard output is the command's, unless records were asked for there and then
    let records = w.json || w.emit.is_some();
    watch(capture, w, env, |options| Command::Run { command, options: Box::new(Options { headless: true, records, ..options }) })
}

fn diff(files: [PathBuf; 2], traces: Vec<String>, how: Compare, env: &Env) -> Result<Command, Error> {
    let read = |file: PathBuf| {
        let how = &how;
        let capture = Capture {
            read: vec![file],
            capture_filter: how.capture_filter.clone(),
            decode_as: how.decode_as.clone(),
            name: how.name.clone(),
            ..Capture::default()
        };
        let (filter, config) = (how.filter.clone(), how.config.clone());
        let watch = Watch { filter, config, json: how.json, color: how.color, ..Watch::default() };
        let file = watch.config.clone().or_else(|| default_file(env.home.as_deref(), env.config_home.as_deref()));
        let config = file.as_deref().map(Config::read).transpose()?.unwrap_or_default();
        let options = options(capture, watch, config, file.as_deref(), env)?;
        Ok(Options { headless: true, json: how.json, ..options })
    };
    let [a, b] = files;
    if [&a, &b].iter().all(|file| **file == Path::new("-")) {
        return Err(Error::unusable("-: standard input can be read only once"));
    }
    Ok(Command::Diff { both: Box::new([read(a)?, read(b)?]), traces: traces.try_into().ok() })
}

fn options(mut capture: Capture, watch: Watch, mut config: Config, file: Option<&Path>, env: &Env) -> Result<Options, Error> {
    // a value of the configuration that cannot be used names its file and key
    let told = |key: &str, what: String| Error::unusable(format!("{}: {key}: {what}", file.unwrap_or(Path::new("")).display()));
    let schema = sources(&mut capture, &mut config, told)?;
    let body_limit = watch.body_limit.or(config.body_limit.map(|s| s.0)).unwrap_or(BODY_LIMIT);
    let body_limit = usize::try_from(body_limit).unwrap_or(usize::MAX);
    let max_memory = watch.max_memory.or(config.max_memory.map(|s| s.0)).unwrap_or(MAX_MEMORY);
    if max_memory < LEAST_MEMORY {
        return Err(Error::unusable("--max-memory: less than 1MiB holds nothing; the default is 256MiB"));
    }
    let secrets = if watch.show_secrets || config.show_secrets == Some(true) { Secrets::Show } else { Secrets::Mask };
    let filter = match (watch.filter, config.filter) {
        (Some(filter), _) => Some(filter),
        (None, Some(text)) => Some(Filter::parse(&text).map_err(|e| told("filter", e.to_string()))?),
        (None, None) => None,
    };
    let emit = match (watch.emit, config.emit) {
        (Some(emit), _) => Some(emit),
        (None, Some(text)) => Some(Emit::parse(&text).map_err(|e| told("emit", e))?),
        (None, None) => None,
    };
    // who chooses records wants them
    let json = watch.json || watch.emit.is_some() || config.json == Some(true);
    let mut decode_as = Vec::new();
    for text in &config.decode_as {
        replace(&mut decode_as, port_protocol(text, &env.protocols).map_err(|e| told("decode-as", e))?, |d| d.0);
    }
    for text in &capture.decode_as {
        let pair = port_protocol(text, &env.protocols).map_err(|e| Error::unusable(format!("--decode-as: {e}")))?;
        replace(&mut decode_as, pair, |d| d.0);
    }
    let named = |(name, like): (&String, &String)| Named::new(name, like).map_err(|e| told("trace-headers", e));
    let trace_headers = config.trace_headers.iter().map(named).collect::<Result<Vec<_>, _>>()?;
    let mut names = Vec::new();
    for (addr, service) in &config.services {
        replace(&mut names, name(addr, service).map_err(|e| told("services", e))?, |n| n.0.clone());
    }
    for text in &capture.name {
        // a pattern may hold an equals sign
        let at = if text.starts_with('/') { text.rfind("/=").map(|at| at + 1) } else { text.find('=') };
        let pair = at.map(|at| (&text[..at], &text[at + 1..]));
        let pair = pair.ok_or_else(|| Error::unusable(format!("--name: '{text}' is not ADDR=SERVICE, as in :8081=orders")));
        let (addr, service) = pair?;
        replace(&mut names, name(addr, service).map_err(|e| Error::unusable(format!("--name: {e}")))?, |n| n.0.clone());
    }
    let taps = if capture.tap.is_empty() {
        config.tap.iter().map(|text| Url::parse(text)).collect::<Result<_, _>>().map_err(|e| told("tap", e))?
    } else {
        let read = capture.tap.iter().map(|text| Url::parse(text)).collect::<Result<Vec<_>, _>>();
        read.map_err(|e| Error::unusable(format!("--tap: {e}")))?
    };
    if !taps.is_empty() && cfg!(not(feature = "taps")) {
        return Err(Error::unusable("--tap: built without taps of brokers"));
    }
    // a tap of the command line beside interfaces of the configuration stands alone
    let asked = !capture.interface.is_empty() || !capture.netns.is_empty() || capture.all_netns;
    let configured =
        capture.tap.is_empty() && (config.interface.is_some() || !config.netns.is_empty() || config.all_netns == Some(true));
    let input = if !taps.is_empty() && capture.read.is_empty() && !asked && !configured {
        if capture.capture_filter.is_some() {
            return Err(Error::unusable("-f: with --tap and no -i nothing is captured; add -i"));
        }
        Input::Nothing
    } else if capture.read.is_empty() {
        let interfaces = if capture.interface.is_empty() { config.interface.unwrap_or_default() } else { capture.interface };
        let named = if capture.netns.is_empty() { config.netns } else { capture.netns };
        let namespaces = Wanted { named, all: capture.all_netns || config.all_netns == Some(true) };
        Input::Live { interfaces, namespaces, filter: capture.capture_filter.or(config.capture_filter) }
    } else {
        files(&capture.read, capture.write.as_deref(), capture.capture_filter)?
    };
    Ok(Options {
        input,
        // what is past has nothing to do with what goes through a broker now
        taps: if capture.read.is_empty() { taps } else { Vec::new() },
        write: capture.write,
        filter: filter.map(|f| f.looking(secrets, body_limit)),
        decode_as,
        count: watch.count,
        duration: watch.duration,
        json,
        headless: json || !env.terminal || !watch.expect.is_empty(),
        records: json || !env.terminal,
        expect: watch.expect.into_iter().map(|expectation| expectation.seeing(|f| f.looking(secrets, body_limit))).collect(),
        emit: emit.unwrap_or_default(),
        body_limit,
        max_memory,
        names,
        trace_headers,
        schema,
        secrets,
        color: watch.color.or(env.no_color.then_some(Color::Never)).or(config.color).unwrap_or_default(),
        theme: watch.theme.or(config.theme).unwrap_or_default(),
        mouse: !(watch.no_mouse || config.no_mouse == Some(true)),
        keys: config.keys.into_iter().map(|(action, keys)| (action, keys.into_list())).collect(),
    })
}

/// Where descriptors come from: the command line's before the configuration's, since the first that knows a name wins.
fn sources(capture: &mut Capture, config: &mut Config, told: impl Fn(&str, String) -> Error) -> Result<Sources, Error> {
    let mut sources = Sources {
        protos: std::mem::take(&mut capture.proto),
        includes: std::mem::take(&mut capture.proto_path),
        reflect: std::mem::take(&mut capture.reflect),
        rules: std::mem::take(&mut config.body),
        demo: false,
    };
    for server in &sources.reflect {
        host_port(server).map_err(|e| Error::unusable(format!("--reflect: {e}")))?;
    }
    for server in &config.reflect {
        host_port(server).map_err(|e| told("reflect", e))?;
    }
    if let Some(fault) = sources.rules.iter().find_map(Rule::fault) {
        return Err(told("body", fault.to_owned()));
    }
    sources.protos.append(&mut config.proto);
    sources.includes.append(&mut config.proto_path);
    sources.reflect.append(&mut config.reflect);
    Ok(sources)
}

/// `localhost:8081`, `[::1]:8081`.
fn host_port(text: &str) -> Result<(), String> {
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty() && !host.contains('/'));
    let port = port.and_then(|(_, port)| port.parse::<u16>().ok()).filter(|port| *port > 0);
    port.map(drop).ok_or_else(|| format!("'{text}' is not HOST:PORT, as in localhost:8081"))
}

/// The files to read; what would destroy one, or wait twice for the same stream, is refused.
fn files(read: &[PathBuf], write: Option<&Path>, filter: Option<String>) -> Result<Input, Error> {
    if let Some(same) = write.filter(|w| read.iter().any(|r| r == w && *r != Path::new("-"))) {
        return Err(Error::unusable(format!("{}: cannot be read and written at once; give -w another name", same.display())));
    }
    if read.iter().filter(|r| *r == Path::new("-")).count() > 1 {
        return Err(Error::unusable("-r -: standard input can be read only once"));
    }
    Ok(Input::Files { paths: read.to_vec(), filter })
}

/// `8080=http`.
fn port_protocol(text: &str, known: &[&'static str]) -> Result<(u16, &'static str), String> {
    let (port, protocol) = text.split_once('=').ok_or_else(|| format!("'{text}' is not PORT=PROTO, as in 8080=http"))?;
    let port = port.parse().ok().filter(|&p| p > 0).ok_or_else(|| format!("'{port}' is no port: 1 to 65535"))?;
    let found = known.iter().find(|name| name.eq_ignore_ascii_case(protocol));
    found.map(|name| (port, *name)).ok_or_else(|| format!("'{protocol}' is no protocol of this version: {}", known.join(" ")))
}

/// A name for an address, an address with a port, a port, a network, or what a pattern finds.
fn name(addr: &str, service: &str) -> Result<(Scope, Arc<str>), String> {
    if addr.is_empty() || service.trim().is_empty() {
        return Err(format!("'{addr}={service}' is not ADDR=SERVICE, as in 10.0.0.7=orders or :8081=orders"));
    }
    let bare = addr.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(addr);
    let pattern = addr.strip_prefix('/').and_then(|a| a.strip_suffix('/')).filter(|p| !p.is_empty());
    let port = addr.strip_prefix(':').filter(|rest| !rest.contains(':'));
    let scope = match (pattern, port) {
        (Some(pattern), _) => {
            let wrong = |e: regex::Error| format!("'{addr}': {}", e.to_string().lines().last().unwrap_or_default());
            Regex::new(pattern).map_err(wrong)?;
            Some(Scope::Pattern(pattern.into()))
        }
        (_, Some(port)) => port.parse().ok().filter(|&p: &u16| p > 0).map(Scope::Port),
        _ => None
            .or_else(|| bare.parse().ok().map(Scope::Ip))
            .or_else(|| addr.parse().ok().map(Scope::Socket))
            .or_else(|| network(addr)),
    };
    let scope = scope
        .ok_or_else(|| format!("'{addr}' is no address: 10.0.0.7, 10.0.0.7:80, [::1]:80, :8081, 10.0.0.0/8, or /a pattern/"))?;
    Ok((scope, service.trim().into()))
}

/// `10.0.0.0/8` (RFC 4632 §3.1).
fn network(text: &str) -> Option<Scope> {
    let (ip, bits) = text.split_once('/')?;
    let ip: IpAddr = ip.parse().ok()?;
    let bits = bits.parse().ok().filter(|&bits: &u8| bits <= if ip.is_ipv4() { 32 } else { 128 })?;
    Some(Scope::Net(ip, bits))
}

/// Adds to a list what takes the place of an earlier one with the same key.
fn replace<T, K: PartialEq>(list: &mut Vec<T>, item: T, key: impl Fn(&T) -> K) {
    list.retain(|old| key(old) != key(&item));
    list.push(item);
}

/// The options as the file that gives the same ones.
fn in_force(options: &Options) -> Config {
    let (interface, namespaces, capture_filter) = match &options.input {
        Input::Live { interfaces, namespaces, filter } => {
            (Some(interfaces.clone()).filter(|i| !i.is_empty()), namespaces.clone(), filter.clone())
        }
        Input::Nothing => (None, Wanted::default(), None),
        Input::Files { filter, .. } => (None, Wanted::default(), filter.clone()),
    };
    let scope = |scope: &Scope| match scope {
        Scope::Socket(addr) => addr.to_string(),
        Scope::Ip(addr) => addr.to_string(),
        Scope::Port(port) => format!(":{port}"),
        Scope::Net(addr, bits) => format!("{addr}/{bits}"),
        Scope::Pattern(pattern) => format!("/{pattern}/"),
    };
    // wherever the file will lie
    let paths = |paths: &[PathBuf]| paths.iter().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone())).collect();
    Config {
        interface,
        netns: namespaces.named,
        all_netns: namespaces.all.then_some(true),
        capture_filter,
        tap: options.taps.iter().map(Url::to_string).collect(),
        filter: options.filter.as_ref().map(Filter::to_string),
        decode_as: options.decode_as.iter().map(|(port, protocol)| format!("{port}={protocol}")).collect(),
        proto: paths(&options.schema.protos),
        proto_path: paths(&options.schema.includes),
        reflect: options.schema.reflect.clone(),
        body: options.schema.rules.clone(),
        json: Some(options.json),
        emit: Some(options.emit.names().join(",")),
        body_limit: Some(Size(options.body_limit as u64)),
        max_memory: Some(Size(options.max_memory)),
        show_secrets: Some(options.secrets == Secrets::Show),
        color: Some(options.color),
        theme: Some(options.theme),
        no_mouse: Some(!options.mouse),
        trace_headers: options.trace_headers.iter().map(|h| (h.name().to_owned(), h.like().to_owned())).collect(),
        services: options.names.iter().map(|(whom, service)| (scope(whom), service.to_string())).collect(),
        keys: options.keys.iter().map(|(action, keys)| (action.clone(), Keys::Several(keys.clone()))).collect(),
    }
}
