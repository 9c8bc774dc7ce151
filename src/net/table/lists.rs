//! Entries of the table by class, each list in the order of the last packet: linked through an array of their own. It owns nothing.

use super::Class;
use crate::chunked::Chunked;

/// No entry.
const NONE: u32 = u32::MAX;

/// A list a class.
#[derive(Debug)]
pub(super) struct Lists {
    links: Chunked<Link>,
    ends: [Ends; Class::ALL.len()],
}

#[derive(Clone, Copy, Debug)]
struct Link {
    class: Option<Class>,
    before: u32,
    after: u32,
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    front: u32,
    back: u32,
    len: usize,
}

impl Default for Lists {
    fn default() -> Self {
        Self { links: Chunked::default(), ends: [Ends { front: NONE, back: NONE, len: 0 }; Class::ALL.len()] }
    }
}

impl Lists {
    /// Puts an entry at the back of a list, out of the one it is in.
    pub(super) fn push(&mut self, class: Class, index: u32) {
        self.remove(index);
        while index as usize >= self.links.len() {
            self.links.push(Link { class: None, before: NONE, after: NONE });
        }
        let ends = &mut self.ends[class as usize];
        self.links[index] = Link { class: Some(class), before: ends.back, after: NONE };
        match ends.back {
            NONE => ends.front = index,
            back => self.links[back].after = index,
        }
        ends.back = index;
        ends.len += 1;
    }

    /// Takes an entry out of the list it is in.
    pub(super) fn remove(&mut self, index: u32) {
        let Some(link) = self.links.get_mut(index) else { return };
        let Some(class) = link.class.take() else { return };
        let (before, after) = (link.before, link.after);
        let ends = &mut self.ends[class as usize];
        match before {
            NONE => ends.front = after,
            before => self.links[before].after = after,
        }
        match after {
            NONE => ends.back = before,
            after => self.links[after].before = before,
        }
        ends.len -= 1;
    }

    /// The entry whose last packet is the longest ago.
    pub(super) fn front(&self, class: Class) -> Option<u32> {
        Some(self.ends[class as usize].front).filter(|&i| i != NONE)
    }

    /// How many entries a list has.
    pub(super) fn len(&self, class: Class) -> usize {
        self.ends[class as usize].len
    }
}
