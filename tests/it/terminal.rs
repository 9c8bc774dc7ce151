//! The screen, in a real terminal: a pty with the program on one side, and a test that reads the screen and types on the other.

use super::program::{PATIENCE, can_capture, records, root, run, settings, signal};
use crossbeam_channel::{Receiver, RecvTimeoutError, unbounded};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::time::{Duration, Instant};
use vt100::{Parser, Screen};

/// The program in a terminal.
pub struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    parser: Parser,
    /// All that was written, to look for what the screen no longer shows.
    written: Vec<u8>,
    child: Box<dyn Child + Send + Sync>,
    /// The terminal's modes before the program ran.
    modes: String,
}

impl Terminal {
    /// The program in a terminal of this size.
    pub fn open(args: &[&str], columns: u16, rows: u16) -> Self {
        Self::open_with(args, columns, rows, &[])
    }

    pub fn open_with(args: &[&str], columns: u16, rows: u16, env: &[(&str, &str)]) -> Self {
        Self::open_in(&root(""), args, columns, rows, env)
    }

    pub fn open_in(folder: &Path, args: &[&str], columns: u16, rows: u16, env: &[(&str, &str)]) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_meshtop"));
        command.args(args);
        command.cwd(folder);
        Self::run(command, columns, rows, env)
    }

    /// Whatever runs the program.
    pub fn run(mut command: CommandBuilder, columns: u16, rows: u16, env: &[(&str, &str)]) -> Self {
        let pty = native_pty_system().openpty(size(columns, rows)).unwrap();
        let modes = modes(&*pty.master);
        for (name, value) in settings() {
            command.env(name, value);
        }
        command.env("TERM", "xterm-256color");
        command.env("RUST_BACKTRACE", "0"); // one that scrolls would take the panic off the screen
        command.env_remove("NO_COLOR");
        for (name, value) in env {
            command.env(name, value);
        }
        let child = pty.slave.spawn_command(command).unwrap();
        let (send, output) = unbounded();
        let mut reader = pty.master.try_clone_reader().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 65536];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                if send.send(buffer[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        let keys = pty.master.take_writer().unwrap();
        let parser = Parser::new(NonZeroU16::new(rows).unwrap(), NonZeroU16::new(columns).unwrap(), 0);
        Self { master: pty.master, keys, output, parser, written: Vec::new(), child, modes }
    }

    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    fn resize(&mut self, columns: u16, rows: u16) {
        self.parser.set_size(NonZeroU16::new(rows).unwrap(), NonZeroU16::new(columns).unwrap());
        self.master.resize(size(columns, rows)).unwrap();
    }

    fn take(&mut self, bytes: &[u8]) {
        self.written.extend_from_slice(bytes);
        self.parser.process(bytes);
    }

    /// Reads on until the screen is as wanted.
    pub fn until(&mut self, wanted: &str, is: impl Fn(&Screen) -> bool) {
        let enough = Instant::now() + PATIENCE;
        while !is(self.parser.screen()) {
            match self.output.recv_deadline(enough) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Timeout) => panic!("waited for {wanted}, saw:\n{}", self.parser.screen().contents()),
                Err(RecvTimeoutError::Disconnected) => panic!("ended before {wanted}:\n{}", self.parser.screen().contents()),
            }
        }
    }

    /// Reads on until this text is on the screen.
    pub fn shows(&mut self, text: &str) {
        self.until(text, |screen| screen.contents().contains(text));
    }

    /// Reads on until this text is not on the screen.
    pub fn hides(&mut self, text: &str) {
        self.until(&format!("no {text}"), |screen| !screen.contents().contains(text));
    }

    /// Its process, which leads a group of its own.
    pub fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// What is on the screen.
    pub fn screen(&self) -> String {
        self.parser.screen().contents()
    }

    /// Reads to the end; the exit code, with the terminal found as it was.
    pub fn ends(mut self) -> (u32, String) {
        let code = self.child.wait().unwrap().exit_code();
        let after = modes(&*self.master);
        // the last it wrote is in the pty still
        while let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(500)) {
            self.take(&bytes);
        }
        let screen = self.parser.screen();
        assert!(String::from_utf8_lossy(&self.written).contains("\x1b[?1049h"), "it never was on the alternate screen");
        assert!(!screen.alternate_screen(), "still on the alternate screen:\n{}", screen.contents());
        assert!(!screen.hide_cursor(), "the cursor is hidden");
        assert!(!screen.bracketed_paste(), "bracketed paste is on");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        assert_eq!(after, self.modes, "the modes of the terminal");
        (code, screen.contents())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may be gone, and mostly is
    }
}

fn size(cols: u16, rows: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

fn modes(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios())
}

#[test]
fn opens_filters_and_shows_a_body_at_any_size() {
    let mut terminal = Terminal::open(&["-r", "assets/demo.pcapng"], 120, 40);
    terminal.until("the alternate screen", Screen::alternate_screen);
    terminal.shows("ENDED");
    terminal.shows("POST /login");
    terminal.press("G");
    terminal.shows("GET /favicon.ico");
    // errors only
    terminal.press("/status >= 500\r");
    terminal.hides("GET /favicon.ico");
    terminal.shows("POST /charges");
    terminal.shows("503");
    terminal.press("\x1b");
    terminal.shows("GET /favicon.ico");
    // one flow, its body
    terminal.press("/op == \"POST /api/checkout\" and status == 201\r");
    terminal.hides("GET /favicon.ico");
    terminal.press("\r");
    terminal.shows("Overview");
    terminal.shows("carrier");
    terminal.press("\t\t");
    terminal.shows("\"note\": \"Bitte klingeln");
    terminal.resize(80, 24);
    terminal.until("a body on 80x24", |screen| {
        let text = screen.contents();
        text.contains("\"customer\"") && text.lines().count() == 24 && text.lines().last().is_some_and(|l| l.contains("ENDED"))
    });
    terminal.press("Q");
    assert_eq!(terminal.ends().0, 0);
}

#[test]
fn services_narrow_the_flows_and_come_back() {
    let mut terminal = Terminal::open(&["-r", "assets/demo.pcapng"], 80, 24);
    terminal.shows("ENDED");
    terminal.press("3");
    terminal.shows("─http→ gateway");
    terminal.press("G");
    terminal.shows("─http→ courier");
    terminal.press("k\r");
    terminal.shows("client == \"shipping\" and server == \"courier\"");
    terminal.shows("6 of 272 match");
    terminal.press("\x1b");
    terminal.shows("─http→ courier");
    terminal.hides("server ==");
    terminal.press("Q");
    assert_eq!(terminal.ends().0, 0);
}

#[test]
fn one_checkout_is_one_waterfall() {
    let mut terminal = Terminal::open(&["-r", "assets/demo.pcapng"], 100, 30);
    terminal.shows("ended");
    terminal.press("2");
    terminal.shows("POST /api/checkout");
    terminal.press("sss");
    terminal.shows("▾hops");
    terminal.press("\r");
    for hop in ["12 hops · 10 services", "Inventory/Reserve", "503 ✗", "publish shop order", "queue ", "nack ✗", "POST /parcels"]
    {
        terminal.shows(hop);
    }
    terminal.press("G\r");
    terminal.shows("POST /parcels · shipping → courier");
    terminal.shows("12 of 272 match");
    terminal.press("\x1b");
    terminal.hides("POST /parcels · shipping");
    terminal.press("\x1b");
    terminal.shows("tied by the trace ID");
    terminal.press("\x1b");
    terminal.shows("▾hops");
    terminal.press("Q");
    assert_eq!(terminal.ends().0, 0);
}

#[test]
fn the_lost_trace_of_the_demo_is_found_and_proved() {
    let mut terminal = Terminal::open(&["-r", "assets/demo.pcapng"], 80, 24);
    terminal.shows("5 Findings 2");
    terminal.press("3");
    terminal.shows("payments  ✗ 1 finding");
    terminal.press("5");
    terminal.shows("trace_lost");
    terminal.shows("sent it on 0 of");
    terminal.shows("the first of 8 examples");
    terminal.press("y");
    terminal.shows("the finding");
    terminal.press("\r");
    terminal.shows("✗ trace lost");
    terminal.shows("time   payments 60 ms · orders 43 ms · courier 38 ms");
    terminal.press("n");
    terminal.shows("one of 2 that failed");
    terminal.press("N");
    terminal.shows("example 1 of 8");
    terminal.shows("=fraud");
    // what is wrong with the hop, and back
    terminal.press("f");
    terminal.shows("1 of 2 findings, of the flow that was selected");
    terminal.press("\x1b");
    terminal.shows("payments → fraud · tied by a value that both carry");
    terminal.press("\r");
    terminal.shows("→ fraud");
    terminal.shows("Overview");
    terminal.press("\x1b");
    terminal.hides("▸Overview");
    terminal.press("\x1b");
    terminal.shows("tied by a value");
    terminal.press("\x1b");
    terminal.shows("sent it on 0 of");
    terminal.press("Q");
    assert_eq!(terminal.ends().0, 0);
}

#[test]
fn the_demo_follows_until_somebody_looks_back() {
    if !can_capture("the_demo_follows_until_somebody_looks_back") {
        return;
    }
    let mut terminal = Terminal::open(&["demo"], 100, 16);
    terminal.shows("FOLLOW");
    terminal.shows("POST /login");
    terminal.press("kk");
    terminal.shows("PAUSED");
    terminal.shows(" new");
    terminal.press("G");
    terminal.shows("FOLLOW");
    terminal.hides(" new");
    terminal.resize(80, 24);
    terminal.until("80x24", |screen| screen.contents().lines().last().is_some_and(|line| line.contains("FOLLOW")));
    signal(terminal.pid(), "TERM");
    assert_eq!(terminal.ends().0, 0, "a live watch that a signal ends is done");
}

#[test]
fn q_goes_up_one_view_and_then_quits() {
    let mut terminal = Terminal::open(&["-r", "assets/demo.pcapng"], 80, 24);
    terminal.shows("POST /login");
    terminal.press("?");
    terminal.shows("Everywhere");
    terminal.press("q");
    terminal.hides("Everywhere");
    terminal.press("q");
    assert_eq!(terminal.ends().0, 0);
}

#[test]
fn a_wrong_filter_says_so_where_it_is_typed() {
    let mut terminal = Terminal::open(&["-r", "assets/demo.pcapng"], 100, 30);
    terminal.shows("POST /login");
    terminal.press("/status >=");
    terminal.shows("invalid at");
    terminal.press("\x1b");
    terminal.hides("invalid at");
    terminal.press("Q");
    assert_eq!(terminal.ends().0, 0);
}

#[test]
fn sigterm_restores_the_terminal() {
    let mut terminal = Terminal::open(&["-r", "assets/demo.pcapng"], 80, 24);
    terminal.shows("ENDED");
    signal(terminal.pid(), "TERM");
    assert_eq!(terminal.ends().0, 0, "the file had been read");
}

#[test]
fn a_panic_restores_the_terminal_and_is_told() {
    let terminal = Terminal::open_with(&["-r", "assets/demo.pcapng"], 80, 24, &[("MESHTOP_PANIC", "1")]);
    let (code, screen) = terminal.ends();
    assert_ne!(code, 0);
    assert!(screen.contains("MESHTOP_PANIC"), "{screen}");
}

#[test]
fn descriptors_below_the_working_directory_are_read_at_a_key_and_again_when_they_change() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("api/shop.proto");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let proto = |id: &str| {
        format!(
            "syntax = \"proto3\"; package shop.v1; message M {{ string {id} = 1; }} service Orders {{ rpc Get(M) returns (M); }}"
        )
    };
    std::fs::write(&file, proto("order_id")).unwrap();
    let capture = root("tests/captures/grpc/input.pcap");
    let mut terminal = Terminal::open_in(folder.path(), &["-r", capture.to_str().unwrap()], 100, 30, &[]);
    terminal.shows("D reads 1 proto");
    terminal.press("\r\t\t");
    terminal.shows("a guess: no schema for /shop.v1.Orders/Get");
    terminal.press("D");
    terminal.shows("\"orderId\"");
    terminal.shows("read descriptors: 1 method");
    std::fs::write(&file, proto("renamed")).unwrap();
    terminal.shows("\"renamed\"");
    std::fs::write(&file, "syntax = \"proto3\"; messag").unwrap();
    terminal.shows("api/shop.proto:1:");
    terminal.press("k");
    terminal.shows("! api/shop.proto:1:");
    terminal.shows("\"renamed\"");
    terminal.press("Q");
    assert_eq!(terminal.ends().0, 0);
}

#[test]
fn a_stream_is_a_list_of_messages_that_is_searched_and_copied() {
    let mut terminal = Terminal::open(&["-r", "tests/captures/grpc/input.pcap"], 100, 30);
    terminal.shows("Orders/Chat");
    terminal.press("jjjj\r\t\t");
    terminal.shows("← ");
    terminal.shows("▸Messages");
    terminal.press("/BYE\r");
    terminal.shows("“BYE”: 1 of 2");
    terminal.press("n\r");
    terminal.hides("gap    size");
    terminal.shows("← response 2");
    terminal.press("c");
    terminal.shows("sent it as grpcurl, without its messages");
    terminal.press("\x1b");
    terminal.hides("sent it as");
    terminal.press("q");
    terminal.shows("gap    size");
    terminal.press("Q");
    assert_eq!(terminal.ends().0, 0);
}

#[test]
fn what_just_happened_can_be_saved() {
    if !can_capture("what_just_happened_can_be_saved") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::open_in(folder.path(), &["demo"], 120, 30, &[]);
    terminal.shows("POST /api/checkout");
    terminal.press("w");
    terminal.shows("saved ");
    terminal.press("Q");
    assert_eq!(terminal.ends().0, 0);
    let saved: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [file] = &saved[..] else { panic!("one file, not {saved:?}") };
    let flows = records(&run(&["-r", file.to_str().unwrap(), "--json", "-Y", "op contains checkout"]));
    assert!(flows.iter().any(|flow| flow["operation"] == "POST /api/checkout"), "{flows:?}");
}
