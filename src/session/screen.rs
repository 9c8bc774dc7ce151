//! A run with a screen: the engine's views on the terminal.

use super::Run;
use crate::cli::{Color, Input, Theme};
use crate::engine::owner::{self, Handle, ScreenPort, Slot};
use crate::engine::view::View;
use crate::error::Error;
use crate::filter::{self, Filter};
use crate::time::Span;
use crate::tui::{self, Command, Completion, Exit, Grammar, Palette, Port, keymap::Keymap};
use crossbeam_channel::{Sender, bounded};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// From this duration on a flow is marked as slow: what a person notices.
const SLOW: Span = Span::from_millis(250);

/// Shows the run until the user quits.
pub fn show(run: Run) -> Result<(), Error> {
    let Run { options, engine, mailbox, taken, reading, stop, live, save, accept, .. } = run;
    let keymap = Keymap::new(&options.keys).map_err(|e| Error::unusable(e.to_string()))?;
    let (wake, woken) = bounded(1);
    let slot = Arc::new(Slot::default());
    // a wake that was not heard yet is as good as two
    let wake = Box::new(move || {
        let _ = wake.try_send(());
    });
    let screen = ScreenPort { slot: Arc::clone(&slot), wake };
    let schemas = engine.schemas.clone();
    let engine = owner::spawn(engine, mailbox, taken, None, Some(screen))
        .map_err(|e| Error::failed(format!("cannot start a thread: {e}")))?;
    let (secrets, body_limit) = (options.secrets, options.body_limit);
    let grammar = Grammar {
        parse: Box::new(move |text| Filter::parse(text).map(|filter| filter.looking(secrets, body_limit).knowing(&schemas))),
        complete: Box::new(|text, cursor, values| {
            let filter::Completion { from, words } = filter::complete(text, cursor, values);
            Completion { from, words }
        }),
    };
    let settings = tui::Options {
        palette: palette(options.color, options.theme),
        keymap,
        mouse: options.mouse,
        // what is still being written is followed, as an interface is
        follow: live || matches!(&options.input, Input::Files { paths, .. } if paths.iter().any(|p| p.as_os_str() == "-")),
        slow: SLOW,
        filter: options.filter.map(|filter| (filter.to_string(), filter)),
        grammar,
    };
    let shown = tui::run(&Engine { handle: &engine, slot, save, accept }, &woken, settings);
    let cut_short = !reading.is_finished();
    stop.now();
    engine.send(owner::Command::Stop);
    engine.join();
    let read = Run::ended(reading);
    match shown {
        Ok(Exit::Quit) => read,
        Ok(Exit::Signal(signal)) => {
            stop.signal.store(if cut_short { signal } else { 0 }, Ordering::Relaxed);
            read.and_then(|()| stop.verdict(live))
        }
        Err(e) => Err(Error::failed(format!("the terminal: {e}"))),
    }
}

/// The engine's thread as the screen knows it.
struct Engine<'a> {
    handle: &'a Handle,
    slot: Arc<Slot>,
    save: Sender<()>,
    accept: Sender<()>,
}

impl Port for Engine<'_> {
    fn send(&self, command: Command) {
        // an engine that is gone closes the wake channel: the screen notices there
        match command {
            Command::Query(query) => drop(self.handle.send(owner::Command::Query(query))),
            Command::Clear => drop(self.handle.send(owner::Command::Clear)),
            // the reader that is saving already, or is gone, needs no second word
            Command::Save => drop(self.save.try_send(())),
            Command::Accept => drop(self.accept.try_send(())),
        }
    }

    fn latest(&self) -> Option<Arc<View>> {
        let view = self.slot.take();
        // how the tests see what a panic of the drawing thread leaves behind; not in a release
        if cfg!(debug_assertions) && view.is_some() && std::env::var_os("MESHTOP_PANIC").is_some() {
            panic!("MESHTOP_PANIC is set");
        }
        view
    }
}

fn palette(color: Color, theme: Theme) -> Palette {
    match (color, theme) {
        (Color::Never, _) => Palette::Mono,
        (_, Theme::Light) => Palette::Light,
        (_, Theme::Dark | Theme::Auto) => Palette::Dark,
    }
}
