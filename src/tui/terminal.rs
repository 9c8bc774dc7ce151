//! The terminal: taken, given back on every way out, lent to the shell while suspended. No application state.

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Position, Rect};
use std::io::{self, Stdout, Write};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::thread::{self, ThreadId};

/// Whether the terminal is ours now.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// The thread that draws: only its panic ends the program.
static SCREEN: Mutex<Option<ThreadId>> = Mutex::new(None);
/// What other threads said when they panicked while the terminal was ours; printed once it is given back.
static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// Panics of other threads that are kept: a decoder that fails all the time fails in few ways.
const SAID_MAX: usize = 8;

/// The terminal while it is ours; dropping it gives it back.
pub struct Guard {
    /// Where frames go.
    pub terminal: Terminal<CrosstermBackend<Stdout>>,
    mouse: bool,
}

impl Guard {
    /// Takes the terminal.
    pub fn take(mouse: bool) -> io::Result<Self> {
        hook_panics();
        *SCREEN.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current().id());
        enter(mouse)?;
        match Terminal::new(CrosstermBackend::new(io::stdout())) {
            Ok(terminal) => Ok(Self { terminal, mouse }),
            Err(error) => {
                leave();
                Err(error)
            }
        }
    }

    /// Takes the mouse, or leaves it to the terminal.
    pub fn set_mouse(&mut self, on: bool) -> io::Result<()> {
        self.mouse = on;
        if on { execute!(io::stdout(), EnableMouseCapture) } else { execute!(io::stdout(), DisableMouseCapture) }
    }

    /// Hands text to the terminal's clipboard (OSC 52, base64: nothing of it acts on the terminal).
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(io::stdout(), CopyToClipboard::to_clipboard_from(text))
    }

    /// Gives the terminal to the shell and stops; goes on, on a clean screen, when the shell says so. All of the job stops, as it does by
    /// the terminal's own key: a shell waits for whoever waits for the program (`make`, `sudo`).
    pub fn suspend(&mut self) -> io::Result<()> {
        leave();
        rustix::process::kill_current_process_group(rustix::process::Signal::STOP)?;
        self.resume()
    }

    /// Takes the terminal again, whatever a shell made of it meanwhile.
    pub fn resume(&mut self) -> io::Result<()> {
        enter(self.mouse)?;
        self.repaint()
    }

    /// Paints every cell with the next frame. Not by `Terminal::clear`: that asks the terminal where its cursor is, and the answer goes to
    /// the thread that reads keys.
    pub fn repaint(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::from((Position::ORIGIN, size)))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        leave();
        for said in SAID.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            eprintln!("{said}");
        }
    }
}

fn enter(mouse: bool) -> io::Result<()> {
    TAKEN.store(true, Ordering::SeqCst);
    let taken = enable_raw_mode().and_then(|()| {
        execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
        if mouse { execute!(io::stdout(), EnableMouseCapture) } else { Ok(()) }
    });
    if taken.is_err() {
        leave();
    }
    taken
}

/// Gives the terminal back, once. Nothing can be done where that fails: the terminal is gone.
fn leave() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = execute!(io::stdout(), DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
        let _ = disable_raw_mode();
        let _ = io::stdout().flush();
    }
}

/// A panic of the drawing thread gives the terminal back before it is told. Other threads' panics are caught where they work (a
/// decoder's costs one connection), so that they only may not write over the screen.
fn hook_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let ours = TAKEN.load(Ordering::SeqCst);
            let screen = *SCREEN.lock().unwrap_or_else(PoisonError::into_inner) == Some(thread::current().id());
            if ours && !screen {
                let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
                if said.len() < SAID_MAX {
                    said.push(crate::text::escape(&info.to_string()));
                }
                return;
            }
            leave();
            before(info);
        }));
    });
}
