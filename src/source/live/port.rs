//! The reader's end of what opens interfaces in other network namespaces.

use super::open::MAX_OPEN;
use super::spaces::{Fresh, News, Spaces};
use super::{DOWN, Live, LiveError, MADE_ANEW};
use crate::model::{Packets, Zone};
use crate::privileges;
use crossbeam_channel::{Receiver, Sender, bounded};

/// Why the interfaces of a namespace are closed.
const GONE: &str = "its network namespace went away";

/// Keeps the right to enter network namespaces: to be run on a thread of its own while the capture runs, and ends with it.
pub type Keeper = Box<dyn FnOnce() + Send>;

/// The reader's end of what opens interfaces in other network namespaces.
pub(super) struct Port {
    news: Receiver<News>,
    /// Interfaces that brought no more packets: they are opened again once they are there.
    closed: Sender<(Zone, u32)>,
}

impl Port {
    /// An interface brought no more packets; whether it was one of another namespace, which then is opened again once it is there.
    pub(super) fn lost(&self, zone: Zone, index: u32) -> bool {
        zone != Zone::default() && self.closed.try_send((zone, index)).is_ok()
    }
}

impl Live {
    /// What is to run beside it where other network namespaces are captured in, with the right to enter them; given out once.
    pub fn keeper(&mut self) -> Option<Keeper> {
        self.keeper.take()
    }

    /// Opens what is there now in other network namespaces. What was named must not be refused.
    pub(super) fn open_spaces(&mut self) -> Result<(), LiveError> {
        let wanted = self.options.namespaces.clone();
        let all = wanted.all;
        let mut spaces = Spaces::new(wanted, self.opener.clone(), self.options.tell.clone())?;
        for news in spaces.look() {
            match news {
                News::Refused(_, e) if !all && !matches!(e, LiveError::Full { .. }) => return Err(e),
                News::Opened(fresh) => self.take(fresh)?,
                other => self.hear(other, &mut Packets::default()),
            }
        }
        let (to_us, news) = bounded(MAX_OPEN);
        let (closed, to_keeper) = bounded(MAX_OPEN);
        self.spaces = Some(Port { news, closed });
        self.keeper = Some(Box::new(move || {
            // without the right it can open nothing more, and what is open stays so
            if privileges::keep_for_namespaces().is_ok() {
                spaces.run(&to_us, &to_keeper);
            }
        }));
        Ok(())
    }

    /// Takes in what has happened in other network namespaces.
    pub(super) fn hear_all(&mut self, out: &mut Packets) {
        while let Some(news) = self.spaces.as_ref().and_then(|spaces| spaces.news.try_recv().ok()) {
            self.hear(news, out);
        }
    }

    /// What was opened, refused or lost in another network namespace.
    fn hear(&mut self, news: News, out: &mut Packets) {
        match news {
            News::Opened(fresh) => {
                let name = fresh.name.clone();
                if let Err(e) = self.take(fresh) {
                    self.refuse(&name, e.to_string());
                }
            }
            News::Down(name) => self.refuse(&name, DOWN.into()),
            News::Refused(name, e) => self.refuse(&name, e.to_string()),
            News::Gone(zone) => {
                let gone: Vec<_> = self.open.iter().filter(|h| h.zone == zone).map(|h| h.id).collect();
                gone.into_iter().for_each(|id| self.close(id, GONE.into(), out));
            }
        }
    }

    /// Reads from now on what was opened in another network namespace.
    fn take(&mut self, fresh: Fresh) -> Result<(), LiveError> {
        let Fresh { zone, name, link, opened } = fresh;
        if let Some(old) = self.open.iter().find(|h| *h.name == *name).map(|h| h.id) {
            self.close(old, MADE_ANEW.into(), &mut Packets::default());
        }
        self.add(&name, zone, &link, opened)
    }
}
