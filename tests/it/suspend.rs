//! To the shell and back, also where somebody else waits for the program, as `make` does.

use super::program::{PATIENCE, root};
use super::terminal::Terminal;
use portable_pty::CommandBuilder;
use std::process::Command;
use std::time::{Duration, Instant};

/// Whether a process is stopped.
fn is_stopped(pid: u32) -> bool {
    let output = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().unwrap();
    output.stdout.starts_with(b"T")
}

#[test]
fn ctrl_z_stops_all_of_the_job_and_the_shell_goes_on_with_it() {
    let mut command = CommandBuilder::new("sh");
    command.args(["-c", "\"$0\" -r assets/demo.pcapng; exit $?", env!("CARGO_BIN_EXE_meshtop")]);
    command.cwd(root(""));
    let mut terminal = Terminal::run(command, 80, 24, &[]);
    terminal.shows("ENDED");
    for _ in 0..2 {
        terminal.press("\x1a");
        terminal.until("the shell's screen", |screen| !screen.alternate_screen());
        let enough = Instant::now() + PATIENCE;
        while !is_stopped(terminal.pid()) {
            assert!(Instant::now() < enough, "who waits for the program goes on");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(Command::new("kill").args(["-CONT", "--", &format!("-{}", terminal.pid())]).status().unwrap().success());
        terminal.until("its own screen", |screen| screen.alternate_screen());
        terminal.shows("ENDED");
    }
    terminal.press("q");
    assert_eq!(terminal.ends().0, 0);
}
