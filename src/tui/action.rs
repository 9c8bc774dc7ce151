//! What a key can mean. Which key means it is `keymap`'s; what happens then is `app`'s.

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// One thing that a person can do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Action { $($(#[$doc])* $name),* }

        impl Action {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

actions! {
    /// One down.
    Down,
    /// One up.
    Up,
    /// Half a page down.
    HalfDown,
    /// Half a page up.
    HalfUp,
    /// A page down.
    PageDown,
    /// A page up.
    PageUp,
    /// To the start.
    Top,
    /// To the end, where the list follows again.
    Bottom,
    /// Follow what arrives.
    Follow,
    /// Pause, or follow again.
    Pause,
    /// Edit the filter.
    Filter,
    /// Show the flows.
    Flows,
    /// Show the traces.
    Traces,
    /// Show the trace of the selected flow.
    Trace,
    /// Show the findings of what is selected.
    Found,
    /// Show what may have caused the selected flow.
    Maybe,
    /// Show who talks to whom.
    Services,
    /// Show what lies between services.
    Brokers,
    /// Show what is wrong.
    Findings,
    /// Show the counters.
    Stats,
    /// Forget all flows, once confirmed.
    Clear,
    /// Write the packets of just now to a file.
    Save,
    /// Read the descriptors that were found.
    Accept,
    /// Mouse on or off.
    Mouse,
    /// Show the help.
    Help,
    /// Paint the screen again.
    Redraw,
    /// To the shell.
    Suspend,
    /// Close what is open; clear the filter.
    Escape,
    /// One view up, then quit.
    Back,
    /// Quit at once.
    Quit,
    /// Open the selected flow.
    Open,
    /// The next tab of the open flow.
    NextTab,
    /// The tab before.
    PrevTab,
    /// Open the next flow.
    NextFlow,
    /// Open the flow before.
    PrevFlow,
    /// Read the chosen message alone; where there is none, as below.
    Read,
    /// The next place of what is looked for.
    NextFound,
    /// The place before.
    PrevFound,
    /// The open flow on the whole screen, or beside the list.
    Zoom,
    /// Copy the response's body.
    CopyResponse,
    /// Copy the request's body.
    CopyRequest,
    /// Copy a command that makes the call again.
    CopyCommand,
    /// Show the flows of the selected service or edge.
    Narrow,
    /// Another order.
    Sort,
    /// Show the flows of the selected exchange, queue or topic.
    NarrowTopic,
    /// Show where the selected finding can be seen.
    Prove,
    /// Copy the selected finding.
    CopyFinding,
    /// Show the selected trace.
    OpenTrace,
    /// Another order of traces.
    SortTraces,
    /// Show the selected flow of a trace.
    OpenHop,
    /// To the call that the failure began with.
    Cause,
    /// The next of what the trace was opened to show.
    NextSpot,
    /// The one before.
    PrevSpot,
    /// Half as much time around the selected flow.
    ZoomIn,
    /// Twice as much.
    ZoomOut,
    /// The whole trace.
    ZoomAll,
    /// Use the filter that was typed.
    Apply,
    /// Leave the filter as it was.
    Cancel,
    /// Complete a word.
    Complete,
    /// An older filter.
    Older,
    /// A newer filter.
    Newer,
    /// The cursor left.
    Left,
    /// The cursor right.
    Right,
    /// The cursor a word left.
    WordLeft,
    /// The cursor a word right.
    WordRight,
    /// The cursor to the start.
    Start,
    /// The cursor to the end.
    End,
    /// Delete to the left.
    Backspace,
    /// Delete to the right.
    Delete,
    /// Delete the word to the left.
    DeleteWord,
    /// Delete everything.
    DeleteLine,
    /// Yes.
    Yes,
    /// No.
    No,
}
