//! Command lines, and what they come to: options, or one line and an exit code.

use super::*;
use crate::model::Scope;
use crate::output::Kind;

fn env() -> Env {
    Env { terminal: true, protocols: vec!["http", "lines"], ..Env::default() }
}

fn run(line: &[&str], env: &Env) -> Result<Command, Error> {
    parse(std::iter::once("meshtop").chain(line.iter().copied()), env)
}

#[track_caller]
fn options(line: &[&str], env: &Env) -> Options {
    match run(line, env) {
        Ok(Command::Watch(options)) => *options,
        other => panic!("{line:?}: {other:?}"),
    }
}

#[track_caller]
fn printed(line: &[&str], env: &Env) -> String {
    match run(line, env) {
        Ok(Command::Print(text)) => text,
        other => panic!("{line:?}: {other:?}"),
    }
}

#[test]
fn defaults() {
    let o = options(&[], &env());
    assert_eq!(o.input, Input::Live { interfaces: vec![], namespaces: Wanted::default(), filter: None });
    assert_eq!((o.body_limit, o.max_memory, o.secrets, o.mouse, o.headless), (64 << 10, 256 << 20, Secrets::Mask, true, false));
    assert!(options(&[], &Env { terminal: false, ..env() }).headless);
}

#[test]
fn options_in_all_forms() {
    let o = options(
        &[
            "-ilo",
            "-i",
            "any",
            "--interface=br-1",
            "-f",
            "tcp port 80",
            "-w",
            "x.pcapng",
            "-Y",
            "not ok",
            "-d",
            "8080=http",
            "-d8080=LINES",
            "-c5",
            "--duration=2m",
            "--json",
            "--body-limit",
            "0",
            "--max-memory",
            "1GiB",
            "--show-secrets",
            "--theme",
            "light",
            "--color=never",
            "--no-mouse",
        ],
        &env(),
    );
    let interfaces = ["lo", "any", "br-1"].map(String::from).to_vec();
    assert_eq!(o.input, Input::Live { interfaces, namespaces: Wanted::default(), filter: Some("tcp port 80".into()) });
    assert_eq!(o.write, Some("x.pcapng".into()));
    assert_eq!(o.filter.unwrap().to_string(), "not ok");
    assert_eq!(o.decode_as, [(8080, "lines")]);
    assert_eq!((o.count, o.duration), (NonZeroU64::new(5), Some(Span::from_secs(120))));
    assert_eq!((o.headless, o.body_limit, o.max_memory, o.secrets, o.mouse), (true, 0, 1 << 30, Secrets::Show, false));
    assert_eq!((o.theme, o.color), (Theme::Light, Color::Never));
    assert_eq!(
        options(&["-r", "a", "--read", "-"], &env()).input,
        Input::Files { paths: vec!["a".into(), "-".into()], filter: None }
    );
}

#[test]
fn records_are_chosen_and_choosing_them_means_ndjson() {
    let o = options(&["--emit", "flow,connection"], &env());
    assert!(
        o.headless
            && o.emit.has(Kind::Connection)
            && o.emit.has(Kind::Flow)
            && !o.emit.has(Kind::Meta)
            && !o.emit.has(Kind::Stats)
    );
}

#[test]
fn names() {
    let o = options(
        &[
            "--name",
            "10.0.0.7=a",
            "--name=10.0.0.7:80=b",
            "--name",
            "[::1]:80=c",
            "--name",
            ":8081=d",
            "--name",
            "::1=e",
            "--name=10.0.0.7=z=1",
            "--name=10.1.0.0/16=cluster",
            "--name=/--port=80/=eighty",
        ],
        &env(),
    );
    let got: Vec<_> = o.names.iter().map(|(scope, service)| (scope.clone(), &**service)).collect();
    assert_eq!(
        got,
        [
            (Scope::Socket("10.0.0.7:80".parse().unwrap()), "b"),
            (Scope::Socket("[::1]:80".parse().unwrap()), "c"),
            (Scope::Port(8081), "d"),
            (Scope::Ip("::1".parse().unwrap()), "e"),
            (Scope::Ip("10.0.0.7".parse().unwrap()), "z=1"),
            (Scope::Net("10.1.0.0".parse().unwrap(), 16), "cluster"),
            (Scope::Pattern("--port=80".into()), "eighty"),
        ]
    );
}

#[test]
fn subcommands() {
    assert!(matches!(run(&["interfaces"], &env()), Ok(Command::Interfaces)));
    assert!(matches!(run(&["doctor"], &env()), Ok(Command::Doctor)));
    assert!(matches!(run(&["demo"], &env()), Ok(Command::Demo { recorded: false, .. })));
    match run(&["demo", "--recorded", "--json", "-Y", "ok"], &env()) {
        Ok(Command::Demo { recorded, options }) => assert!(recorded && options.headless && options.filter.is_some()),
        other => panic!("{other:?}"),
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(printed(&["completions", shell], &env()).contains("capture-filter"), "{shell}");
    }
    assert!(printed(&["man"], &env()).contains(".TH meshtop 1"));
    assert_eq!(printed(&["--version"], &env()), "meshtop 0.1.0\n");
    assert_eq!(printed(&["-V"], &env()), "meshtop 0.1.0\n");
}

#[test]
fn help_lists_what_works_and_nothing_else() {
    for help in [printed(&["--help"], &env()), printed(&["-h"], &env())] {
        for name in [
            "--interface",
            "--read",
            "--capture-filter",
            "--write",
            "--filter",
            "--decode-as",
            "--count",
            "--duration",
            "--json",
            "--emit",
        ] {
            assert!(help.contains(name), "{name}");
        }
        for name in [
            "--proto",
            "--proto-path",
            "--reflect",
            "--tap",
            "--body-limit",
            "--max-memory",
            "--name",
            "--show-secrets",
            "--config",
            "--print-config",
            "--expect",
            "demo",
            "run",
            "diff",
            "interfaces",
            "completions",
            "man",
        ] {
            assert!(help.contains(name), "{name}");
        }
        for name in NOT_YET {
            assert!(!help.split_whitespace().any(|word| word.trim_end_matches(',') == *name), "{name}");
        }
    }
}

#[test]
fn an_expectation_has_no_screen_and_a_command_its_own_output() {
    let o = options(&["-r", "x", "--expect", "count(ok) > 0", "--expect=traces() > 0"], &env());
    assert_eq!(o.expect.iter().map(ToString::to_string).collect::<Vec<_>>(), ["count(ok) > 0", "traces() > 0"]);
    assert_eq!((o.headless, o.records, o.json), (true, false, false), "on a terminal");
    assert!(options(&["-r", "x", "--expect", "count() > 0"], &Env { terminal: false, ..env() }).records);
    let run = |line: &[&str], env: &Env| match run(line, env) {
        Ok(Command::Run { command, options }) => (command, *options),
        other => panic!("{line:?}: {other:?}"),
    };
    for env in [env(), Env { terminal: false, ..env() }] {
        let (command, o) = run(&["run", "-i", "lo", "-Y", "ok", "--", "make", "-j2", "--json"], &env);
        assert_eq!(command, ["make", "-j2", "--json"]);
        assert_eq!((o.headless, o.records), (true, false));
        assert_eq!(o.filter.unwrap().to_string(), "ok");
        assert!(run(&["run", "--json", "--", "make"], &env).1.records);
    }
}

#[test]
fn two_captures_are_read_alike() {
    let line = ["diff", "a", "b", "--trace", "1", "2", "--name", ":1=x", "-Y", "ok", "--json"];
    let Ok(Command::Diff { both, traces }) = run(&line, &env()) else { panic!("{line:?}") };
    assert_eq!(traces, Some(["1".to_owned(), "2".to_owned()]));
    for (options, path) in both.iter().zip(["a", "b"]) {
        assert_eq!(options.input, Input::Files { paths: vec![path.into()], filter: None });
        assert_eq!((options.names.len(), options.json), (1, true));
        assert_eq!(options.filter.as_ref().unwrap().to_string(), "ok");
    }
}

#[test]
fn what_is_refused_is_one_line_and_exit_code_2() {
    let long = "a\nb\x1b";
    for (line, message) in [
        (&["--tap", "kafka://u:p@x"][..], "--tap: kafka:// is not in this version: amqp:// and amqps:// are"),
        (&["--tap=amqp://x?rate=0"], "--tap: rate is a number of messages a second"),
        (&["--tap", "amqp://x", "-f", "tcp"], "-f: with --tap and no -i nothing is captured"),
        (&["--reflect", "localhost"], "--reflect: 'localhost' is not HOST:PORT, as in localhost:8081"),
        (&["--reflect", "http://localhost:80"], "--reflect: 'http://localhost:80' is not HOST:PORT"),
        (&["--reflect", ":80"], "--reflect: ':80' is not HOST:PORT"),
        (&["--keylog", "x"], "--keylog is not in this version"),
        (&["--export", "har=x"], "--export is not in this version"),
        (
            &["-r", "x", "--expect", "count(ok) = 0"],
            "invalid value 'count(ok) = 0' for '--expect <EXPR>': at 11: expected '==', found '='",
        ),
        (
            &["--expect", "findings(lost) == 0"],
            "invalid value 'findings(lost) == 0' for '--expect <EXPR>': at 10: unknown kind of",
        ),
        (&["diff", "a"], "the following required arguments were not provided: <B>"),
        (&["diff", "a", "b", "--trace", "1"], "2 values required for '--trace <ID> <ID>' but 1 was provided"),
        (&["diff", "-", "-"], "-: standard input can be read only once"),
        (&["run"], "the following required arguments were not provided: <CMD>"),
        (&["run", "make"], "unexpected argument 'make' found"),
        (&["run", "-r", "x", "--", "make"], "-r: run captures what its command does"),
        (&["--jsn"], "unexpected argument '--jsn' found; tip: a similar argument exists: '--json'; see 'meshtop --help'"),
        (&["file.pcap"], "unrecognized subcommand 'file.pcap'"),
        (
            &["--emit", "x"],
            "invalid value 'x' for '--emit <KINDS>': 'x' is no kind of record: meta,flow,trace,finding,connection,edge,stats",
        ),
        (&["-c", "0"], "invalid value '0' for '--count <N>'"),
        (&["-c", "-1"], "invalid value '-1' for '--count <N>'"),
        (&["--duration", "10"], "invalid value '10' for '--duration <TIME>': '10' is no time"),
        (&["--body-limit", "x"], "invalid value 'x' for '--body-limit <SIZE>': 'x' is no size"),
        (&["--max-memory", "1kB"], "--max-memory: less than 1MiB"),
        (&["-Y", "dur > banana"], "invalid value 'dur > banana' for '--filter <EXPR>': at 7: 'banana' is no time"),
        (&["-Y", ""], "invalid value '' for '--filter <EXPR>': at 1: expected a field or text"),
        (&["-Y", long], "invalid value 'a"),
        (&["-d", "80"], "--decode-as: '80' is not PORT=PROTO"),
        (&["-d", "0=http"], "--decode-as: '0' is no port"),
        (&["-d", "80=gopher"], "--decode-as: 'gopher' is no protocol of this version: http lines"),
        (&["--name", "orders"], "--name: 'orders' is not ADDR=SERVICE"),
        (&["--name", "host=orders"], "--name: 'host' is no address"),
        (&["--name", ":0=orders"], "--name: ':0' is no address"),
        (&["-r", "a", "-i", "lo"], "the argument '--read <FILE>' cannot be used with '--interface <NAME>'"),
        (&["-r", "a", "-w", "a"], "a: cannot be read and written at once"),
        (&["-r", "-", "-r", "-"], "-r -: standard input can be read only once"),
        (&["--json", "demo"], "the subcommand 'demo' cannot be used with '--json'"),
        (&["--theme", "pink"], "invalid value 'pink' for '--theme <THEME>' [possible values: auto, dark, light]"),
        (&["completions"], "the following required arguments were not provided: <SHELL>"),
        (&["--config", "/no/such"], "/no/such: cannot read the configuration: No such file"),
        (&["-i"], "a value is required for '--interface <NAME>' but none was supplied"),
    ] {
        let error = run(line, &env()).expect_err(&format!("{line:?}"));
        let text = error.to_string();
        assert_eq!(error.exit_code(), 2, "{line:?}");
        assert!(text.starts_with(message), "{line:?}: {text}");
        assert!(!text.chars().any(char::is_control), "{line:?}: {text}");
    }
}

/// A configuration file, and the arguments that name it.
fn file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
    let text = "interface = [\"eth0\"]\nnetns = [\"blue\"]\nall-netns = true\ncapture-filter = \"tcp\"\nfilter = \"not ok\"\ndecode-as = [\"1=http\", \"2=http\"]\nbody-limit = \"1KiB\"\n\
                color = \"always\"\ntheme = \"dark\"\n[services]\n\":1\" = \"a\"\n\":2\" = \"b\"\n[keys]\npause = \"x\"\n";
    let (_folder, path) = file(text);
    let o =
        options(&["--config", &path, "--netns=7", "--netns=red", "-d", "2=lines", "--name", ":2=c", "--body-limit=5"], &env());
    let namespaces = Wanted { named: vec!["7".into(), "red".into()], all: true };
    assert_eq!(o.input, Input::Live { interfaces: vec!["eth0".into()], namespaces, filter: Some("tcp".into()) });
    assert_eq!(o.filter.unwrap().to_string(), "not ok");
    assert_eq!(o.decode_as, [(1, "http"), (2, "lines")]);
    assert_eq!(o.names.iter().map(|f| &*f.1).collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!((o.body_limit, o.color, o.theme), (5, Color::Always, Theme::Dark));
    assert_eq!(o.keys, [("pause".to_owned(), vec!["x".to_owned()])]);
    let no_color = Env { no_color: true, ..env() };
    assert_eq!(options(&["--config", &path], &no_color).color, Color::Never);
    assert_eq!(options(&["--config", &path, "--color", "always"], &no_color).color, Color::Always);
    // what the file says of capturing does not matter for a file
    assert_eq!(options(&["--config", &path, "-r", "a"], &env()).input, Input::Files { paths: vec!["a".into()], filter: None });
}

#[test]
fn the_user_s_file_is_found_at_home() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(home.path().join(".config/meshtop")).unwrap();
    std::fs::write(home.path().join(".config/meshtop/config.toml"), "json = true").unwrap();
    assert!(options(&[], &Env { home: Some(home.path().to_owned()), ..env() }).headless);
}

#[test]
fn what_is_wrong_in_the_file_names_file_and_place() {
    for (text, end) in [
        ("\nfliter = 1", ":2: unknown field `fliter`"),
        ("filter = \"dur > x\"", ": filter: at 7: 'x' is no time"),
        ("emit = \"x\"", ": emit: 'x' is no kind"),
        ("decode-as = [\"x\"]", ": decode-as: 'x' is not PORT=PROTO"),
        ("[services]\nx = \"y\"", ": services: 'x' is no address"),
    ] {
        let (_folder, path) = file(text);
        let error = run(&["--config", &path], &env()).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().starts_with(&format!("{path}{end}")), "{error}");
    }
}

#[test]
fn the_configuration_in_force_reads_back_the_same() {
    let line = [
        "-i",
        "lo",
        "-Y",
        "op ~ \"a\\\\b\" or 'x'",
        "-d",
        "80=http",
        "--name",
        ":1=a \"b\"",
        "--emit",
        "flow",
        "--no-mouse",
        "--proto",
        "protos",
        "-Ithird",
        "--reflect",
        "[::1]:80",
        "--print-config",
    ];
    for line in [&["--print-config"][..], &line] {
        let first = printed(line, &env());
        let (_folder, path) = file(&first);
        // a terminal or not: what is printed into a file is what was asked for
        assert_eq!(printed(&["--config", &path, "--print-config"], &Env { terminal: false, ..env() }), first);
    }
    assert!(printed(&["--print-config"], &env()).contains("max-memory = \"256MiB\"\n"));
}

#[test]
#[cfg(feature = "taps")]
fn a_tap_stands_alone_unless_interfaces_are_named_and_its_login_is_printed_nowhere() {
    let url = "amqp://ann:hidden@localhost/%2f?exchange=shop&key=order.%23";
    let printed = printed(&["--tap", url, "--print-config"], &env());
    assert!(printed.contains("tap = [\"amqp://localhost/%2f?exchange=shop&key=order.%23\"]\n"), "{printed}");
    assert!(!printed.contains("ann") && !printed.contains("hidden"), "{printed}");
    let input = |line: &[&str]| options(line, &env()).input;
    assert_eq!(input(&["--tap", url]), Input::Nothing);
    assert!(matches!(input(&["--tap", url, "-i", "lo"]), Input::Live { interfaces, .. } if interfaces == ["lo"]));
    let (_folder, path) = file("interface = [\"lo\"]\n");
    assert_eq!(input(&["--config", &path, "--tap", url]), Input::Nothing);
    let (_folder, path) = file(&format!("interface = [\"lo\"]\ntap = [\"{url}\"]\n"));
    assert!(matches!(input(&["--config", &path]), Input::Live { .. }));
}
