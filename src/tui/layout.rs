//! Where the parts of the screen are: one function of its size and of what is open, so that drawing, paging and the mouse agree.
//!
//! ```text
//! header          sources, tabs, live or how far a file is read
//! filter          the filter, how many match
//! list            headings, rows                 } beside each other from 140 columns on,
//! detail          title with tabs, text          } else one below the other
//! status          the truth line
//! ```

use ratatui::layout::Rect;

/// From this many columns on the detail is beside the list.
const BESIDE: u16 = 140;
/// Below this nothing can be read.
const FLOOR: (u16, u16) = (40, 8);

/// How a flow is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// No flow is.
    No,
    /// Below or beside the list.
    Shared,
    /// On the whole screen.
    Whole,
}

/// The parts. A part that is not there has no cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The first line.
    pub header: Rect,
    /// The filter line.
    pub filter: Rect,
    /// Everything between the filter line and the status bar.
    pub main: Rect,
    /// The list with its headings.
    pub list: Rect,
    /// The rule between list and detail, where they are beside each other.
    pub rule: Rect,
    /// The open flow with its title line.
    pub detail: Rect,
    /// The last line.
    pub status: Rect,
}

impl Layout {
    /// For a screen of this size; none where it is too small for anything.
    pub fn of(width: u16, height: u16, open: Open) -> Option<Self> {
        if width < FLOOR.0 || height < FLOOR.1 {
            return None;
        }
        let line = |y| Rect::new(0, y, width, 1);
        let main = Rect::new(0, 2, width, height - 3);
        let base = Self { header: line(0), filter: line(1), main, status: line(height - 1), ..Self::default() };
        Some(match open {
            Open::No => Self { list: main, ..base },
            Open::Whole => Self { detail: main, ..base },
            Open::Shared if width >= BESIDE => {
                let left = width / 2;
                let list = Rect { width: left, ..main };
                let rule = Rect { x: left, width: 1, ..main };
                Self { list, rule, detail: Rect { x: left + 1, width: width - left - 1, ..main }, ..base }
            }
            Open::Shared => {
                let above = (main.height * 2 / 5).max(3);
                let list = Rect { height: above, ..main };
                Self { list, detail: Rect { y: main.y + above, height: main.height - above, ..main }, ..base }
            }
        })
    }

    /// How many rows of the list fit.
    pub fn rows(&self) -> usize {
        usize::from(self.list.height.saturating_sub(1))
    }

    /// The text of the open flow: what is below its title line.
    pub fn text(&self) -> Rect {
        below(self.detail)
    }
}

/// A part without its first line.
pub fn below(area: Rect) -> Rect {
    Rect { y: area.y + area.height.min(1), height: area.height.saturating_sub(1), ..area }
}
