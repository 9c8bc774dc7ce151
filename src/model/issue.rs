//! What was odd about a flow or a connection: a small `Copy` value, not an error, since decoding never fails.

/// How much an issue matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// Worth telling, nothing is wrong (`100 Continue`).
    Remark,
    /// Something could not be seen (a gap, a cut, a late join).
    Unseen,
    /// The framing is broken; counts as a decode error.
    Broken,
}

/// One oddity. Protocols make their own: `const X: Issue = Issue::broken("…")`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Issue {
    /// How much it matters.
    pub severity: Severity,
    /// What is shown, in `notes` too: lower case, names the thing.
    pub text: &'static str,
}

impl Issue {
    /// The first message of a connection that was joined late.
    pub const JOINED: Self = Self::unseen("joined mid-connection");
    /// The shape of a call is what was seen of it. Where a descriptor tells it, this is not said.
    pub const SHAPE_GUESSED: Self = Self::remark("pattern guessed");
    /// A call whose method was not captured may have been one of those that its messages read as.
    pub const METHOD_GUESSED: Self = Self::remark("method guessed from its messages");
    /// Which response is whose is not shown by what was captured.
    pub const PAIR_GUESSED: Self = Self::remark("response guessed: others may be under way since before the capture");
    /// A response without its request.
    pub const NO_REQUEST: Self = Self::unseen("request not captured");
    /// A request whose response was lost with bytes that were not captured.
    pub const NO_RESPONSE: Self = Self::unseen("response not captured");
    /// Bytes in the middle of a message are missing.
    pub const GAP: Self = Self::unseen("bytes lost in a gap");
    /// The connection ended in the middle of a message.
    pub const CUT: Self = Self::unseen("ended mid-message");
    /// An analyzer panicked: its connection is given up.
    pub const PANIC: Self = Self::broken("decoder failed");
    /// More bytes wait than the named limit allows.
    pub const TOO_LONG: Self = Self::broken("message longer than the limit");

    /// A remark.
    pub const fn remark(text: &'static str) -> Self {
        Self { severity: Severity::Remark, text }
    }

    /// Something that could not be seen.
    pub const fn unseen(text: &'static str) -> Self {
        Self { severity: Severity::Unseen, text }
    }

    /// Broken framing.
    pub const fn broken(text: &'static str) -> Self {
        Self { severity: Severity::Broken, text }
    }
}
