//! The loop: waits for the terminal, a signal or a new view; draws only when something happened. At rest it sleeps.

use super::app::{App, Options};
use super::effect::Effect;
use super::event::Event;
use super::port::Port;
use super::terminal::Guard;
use super::view;
use crossbeam_channel::{Receiver, Sender, bounded, select};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use signal_hook::iterator::{Handle, Signals};
use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::thread;

/// Events that wait while a frame is drawn; then the terminal waits.
const QUEUE: usize = 256;

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The user quit.
    Quit,
    /// This signal asked for it.
    Signal(i32),
}

/// What the loop waits for beside views.
enum Heard {
    Terminal(crossterm::event::Event),
    /// The terminal cannot be read any more.
    Lost(io::Error),
    Signal(i32),
}

/// Shows the screen until the user or a signal ends it. `wake` tells that the port has a new view; when it closes, the engine is gone.
/// The terminal is given back on every way out, a panic too.
pub fn run(port: &dyn Port, wake: &Receiver<()>, options: Options) -> io::Result<Exit> {
    let (heard, inbox) = bounded(QUEUE);
    // before the terminal is taken: a signal in between must not leave it raw
    let signals = listen_signals(&heard)?;
    let ended = show(port, wake, options, heard, &inbox);
    signals.close();
    ended
}

fn show(
    port: &dyn Port,
    wake: &Receiver<()>,
    options: Options,
    heard: Sender<Heard>,
    inbox: &Receiver<Heard>,
) -> io::Result<Exit> {
    let mut guard = Guard::take(options.mouse)?;
    let size = guard.terminal.size()?;
    let mut app = App::new(options, (size.width, size.height));
    let effects = app.start();
    guard.terminal.draw(|frame| view::draw(&app, frame))?;
    if let ControlFlow::Break(exit) = perform(effects, port, &mut guard, &mut app)? {
        return Ok(exit);
    }
    thread::Builder::new().name("keys".to_owned()).spawn(move || listen_terminal(&heard))?;
    loop {
        let mut events = Vec::new();
        let mut effects = Vec::new();
        select! {
            recv(inbox) -> first => for heard in first.into_iter().chain(inbox.try_iter()) {
                match heard {
                    Heard::Terminal(event) => events.extend(Event::of(event)),
                    Heard::Lost(error) => return Err(error),
                    Heard::Signal(SIGTSTP) => effects.push(Effect::Suspend),
                    Heard::Signal(SIGCONT) => effects.push(Effect::Resume),
                    Heard::Signal(signal) => return Ok(Exit::Signal(signal)),
                }
            },
            recv(wake) -> woken => if woken.is_err() {
                return Err(io::Error::other("the engine stopped unexpectedly"));
            },
        }
        events.extend(port.latest().map(Event::View));
        let changed = !events.is_empty() || !effects.is_empty();
        for event in events {
            effects.extend(app.update(event));
        }
        if let ControlFlow::Break(exit) = perform(effects, port, &mut guard, &mut app)? {
            return Ok(exit);
        }
        if changed {
            // the terminal may have another size before it says so, after a suspension without a word
            let size = guard.terminal.size()?;
            if (size.width, size.height) != app.size {
                let effects = app.update(Event::Resize(size.width, size.height));
                if let ControlFlow::Break(exit) = perform(effects, port, &mut guard, &mut app)? {
                    return Ok(exit);
                }
            }
            guard.terminal.draw(|frame| view::draw(&app, frame))?;
        }
    }
}

fn perform(effects: Vec<Effect>, port: &dyn Port, guard: &mut Guard, app: &mut App) -> io::Result<ControlFlow<Exit>> {
    let mut left = VecDeque::from(effects);
    while let Some(effect) = left.pop_front() {
        match effect {
            Effect::Send(command) => port.send(command),
            Effect::Copy(what, text) => {
                guard.copy(&text)?;
                // the terminal does not answer: whether it took it cannot be known
                left.extend(app.update(Event::Told(format!("sent {what} to the clipboard"))));
            }
            Effect::Mouse(on) => guard.set_mouse(on)?,
            Effect::Redraw => guard.repaint()?,
            Effect::Suspend => guard.suspend()?,
            Effect::Resume => guard.resume()?,
            Effect::Quit => return Ok(ControlFlow::Break(Exit::Quit)),
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Reads the terminal until nobody listens. It is not joined: it sits in a read that ends with the process.
fn listen_terminal(heard: &Sender<Heard>) {
    loop {
        let (event, last) = match crossterm::event::read() {
            Ok(event) => (Heard::Terminal(event), false),
            Err(error) => (Heard::Lost(error), true),
        };
        if heard.send(event).is_err() || last {
            return;
        }
    }
}

fn listen_signals(heard: &Sender<Heard>) -> io::Result<Handle> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGCONT])?;
    let (handle, heard) = (signals.handle(), heard.clone());
    let listen = move || {
        for signal in &mut signals {
            if heard.send(Heard::Signal(signal)).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(listen)?;
    Ok(handle)
}
