//! Few colours, each with one meaning; everything else is the terminal's own foreground. Nothing is told by colour alone.

use crate::model::FindingSeverity;
use crate::text::Token;
use ratatui::style::{Color, Modifier, Style};

/// What a theme can be asked for by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Palette {
    /// Light text on a dark ground.
    #[default]
    Dark,
    /// Dark text on a light ground.
    Light,
    /// No colour at all (`NO_COLOR`).
    Mono,
}

impl Palette {
    /// The palette of that name in the configuration.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "dark" => Some(Self::Dark),
            "light" => Some(Self::Light),
            "mono" => Some(Self::Mono),
            _ => None,
        }
    }
}

/// A style for each meaning. Only the sixteen colours that every terminal lets its owner choose.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    /// Protocols and names of members and fields.
    pub name: Style,
    /// What failed, is wrong or is not valid.
    pub error: Style,
    /// What is slow, or was lost.
    pub warn: Style,
    /// What goes well: live, valid, done.
    pub good: Style,
    /// What is not being read: dates, ports, units, hints.
    pub dim: Style,
    /// Titles, the selected row.
    pub strong: Style,
    /// What tells services apart in a picture.
    services: [Style; 4],
}

impl From<Palette> for Theme {
    fn from(palette: Palette) -> Self {
        let plain = Style::new();
        let colours = |name, error, warn, good| Self {
            name: plain.fg(name),
            error: plain.fg(error),
            warn: plain.fg(warn),
            good: plain.fg(good),
            dim: plain.add_modifier(Modifier::DIM),
            strong: plain.add_modifier(Modifier::BOLD),
            services: [plain; 4],
        };
        let told_apart = |theme| {
            let services = [Color::Cyan, Color::Blue, Color::Green, Color::Magenta].map(|colour| plain.fg(colour));
            Self { services, ..theme }
        };
        match palette {
            Palette::Dark => told_apart(colours(Color::Cyan, Color::LightRed, Color::LightYellow, Color::Green)),
            Palette::Light => told_apart(colours(Color::Blue, Color::Red, Color::Yellow, Color::Green)),
            Palette::Mono => {
                let bold = plain.add_modifier(Modifier::BOLD);
                Self { error: bold, warn: bold, ..colours(Color::Reset, Color::Reset, Color::Reset, Color::Reset) }
            }
        }
    }
}

impl Theme {
    /// The style of the `n`th service of a picture: beside each other they differ, far apart they may be alike.
    pub fn service(&self, n: usize) -> Style {
        self.services[n % self.services.len()]
    }

    /// The sign of a finding, which tells how bad it is without any colour, and its style.
    pub fn severity(&self, severity: FindingSeverity) -> (&'static str, Style) {
        match severity {
            FindingSeverity::Error => ("✗", self.error),
            FindingSeverity::Warning => ("!", self.warn),
            FindingSeverity::Info => ("i", self.name),
        }
    }

    /// The style of a run of text.
    pub fn token(&self, token: Token) -> Style {
        match token {
            Token::Plain | Token::Text | Token::Number => Style::new(),
            Token::Word => self.strong,
            Token::Key => self.name,
            Token::Punctuation | Token::Dim => self.dim,
            Token::Error => self.error,
            Token::Found => Style::new().add_modifier(Modifier::REVERSED),
        }
    }
}
