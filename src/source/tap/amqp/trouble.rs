//! Why a tap is not attached, or not any more: in words for people.

use lapin::ErrorKind;
use std::fmt;

/// What RabbitMQ says of a login; of all else that may not be done it says what that is.
const LOGIN: &str = "Login was refused";

/// Why a tap is not attached, or not any more.
pub enum Trouble {
    /// It may pass.
    Passing(String),
    /// The broker will not have us.
    Refused(String),
}

/// In words that a user can do something with: the broker's own, but for the name of the user.
impl From<lapin::Error> for Trouble {
    fn from(error: lapin::Error) -> Self {
        match error.kind() {
            ErrorKind::ProtocolError(e) if e.get_id() == 403 && e.get_message().as_str().contains(LOGIN) => Self::Refused(
                "the broker refuses this login: give USER:PASSWORD@ in the URL, or MESHTOP_AMQP_USER and MESHTOP_AMQP_PASSWORD"
                    .into(),
            ),
            ErrorKind::ProtocolError(e) if e.get_id() == 403 => {
                Self::Refused(format!("the broker says {}", nameless(e.get_message().as_str())))
            }
            ErrorKind::ProtocolError(e) if e.get_id() == 530 => {
                Self::Refused("the broker refuses this virtual host: is it there, and may this user use it?".into())
            }
            ErrorKind::ProtocolError(e) => Self::Passing(format!("the broker says {}", nameless(e.get_message().as_str()))),
            // rustls' own words, behind which nothing else tells it apart
            ErrorKind::IOError(e) if e.to_string().contains("invalid peer certificate") => Self::Refused(
                "the broker's certificate is not trusted: SSL_CERT_FILE names a file with the authority that it is by".into(),
            ),
            ErrorKind::IOError(e) => Self::Passing(e.to_string()),
            _ => Self::Passing("the connection is lost".into()),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Passing(why) | Self::Refused(why)) = self;
        f.write_str(why)
    }
}

/// A broker's text without the user that it names.
fn nameless(text: &str) -> &str {
    text.split_once(" for user '").map_or(text, |(before, _)| before)
}
