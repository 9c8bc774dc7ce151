//! meshtop shows a developer what their services say to each other, live, on their own machine: packets from interfaces or capture
//! files become messages, messages become flows, flows become rows on a screen or lines of NDJSON. It is a library and one program.
//!
//! # Bird's eye view
//!
//! ```text
//!  interfaces ─┐  reader thread (pipeline): numbers packets, keeps them (recorder), writes them (-w), slices link..TCP once
//!  file, stdin ┴─> Batch of Segments and Ticks ── 64 shards, by connection ──> workers 0..N (worker; 0: inline in the reader)
//!  broker taps ─ Tapped: whole flows, behind those of the packets of a batch; a message that the wire tells too is one (engine's twins);
//!                      how each tap stands and what its broker holds, as news of a source
//!                      ConnTable ─> Reassembler ─> data, hole, end ─> Driver ─> Analyzer ─> inner Driver, or events
//!                                                                                        │ a Turn a batch, the same for any N
//!      engine thread (one owner, no locks): facts ─> pairing by (connection, key) ─> settling ─> stitching ─> edges, traces ─> findings
//!                                                                                        └─> store (byte budget)
//!          ^ Query, Clear, Fact, Stop           │ Record: flows, connections, traces, findings │ Arc<View>, looker thread
//!          │ Ask: a new connection ─> resolver thread (identity), which the scout tells of SYNs ─> Fact
//!          │ Naming, back to the reader: names for the files that it writes
//!          └──────── tui: Event ─> App::update ─> Effect; draw(&App)          session::headless: NDJSON
//! ```
//!
//! # Map
//!
//! | room | what is in it | may know |
//! | --- | --- | --- |
//! | [`model`] | plain data that crosses the walls | [`time`] |
//! | [`net`] | packets to ordered streams: link types, tunnels, fragments, connection table, reassembly | model |
//! | [`decode`] | sans-IO analyzers, a folder a protocol, and the driver that runs them | model, trace |
//! | [`trace`] | trace context from headers, a file a propagator | model |
//! | [`body`], [`mask`], [`text`] | bytes to readable documents, on demand; secrets; escaping | model, schema's lookups |
//! | [`schema`] | descriptors of messages: from `.proto` files, sets, servers; read again when they change | model |
//! | [`source`] | bytes in: files, standard input, interfaces, also in other network namespaces; brokers' taps; the recorder; pcapng out | model, decode's functions for taps, libpcap, broker clients |
//! | [`worker`], [`pipeline`] | the path from a source to turns | net, decode, source |
//! | [`identity`] | who owns a socket: process, container, name; gives facts | model, privileges |
//! | [`engine`] | flows from events, their life, the store, the views | model, body, filter |
//! | [`filter`] | the display filter | model, body, mask |
//! | [`story`], [`expect`] | what a run did, briefly; what was expected of it | engine's records, filter |
//! | [`report`], [`diff`] | that as text for people; two runs, hop by hop | story, expect |
//! | [`output`] | records as text for other programs, a file a format | model, body, mask |
//! | [`tui`] | the screen; alone names ratatui and crossterm | engine's views, filter |
//! | [`demo`] | the bundled recording, played over real sockets | source, net |
//! | [`session`] | one run of the program: what is opened, in which order rights are given up, which threads there are | all |
//! | [`doctor`] | what this machine lets us see, and how to mend what it does not | source, identity |
//! | [`cli`], [`config`], [`error`], [`units`], [`privileges`], [`priority`] | the program's boundary | |
//!
//! A detector of findings is a file and a line in `engine::findings`. A protocol is a folder in [`decode`] and its lines in
//! [`decode::PROTOCOLS`]; a body format, a coding, a propagator, a kind of output: the same in its own room. Nothing else has to change:
//! flows have one shape, and a protocol's own data are fields with dotted names, which filters, columns and NDJSON handle without knowing
//! them.
//!
//! # Order and time
//!
//! Order is the number that the one reader gave a packet. Nothing is sorted by time: the clocks of real captures step back. A worker's
//! events carry their place (item of the batch, shard); turns are merged by it, so that the output is the same for any number of workers.
//! Every 10 ms of packet time all shards get a tick; timers know no other clock. A live reader without packets makes ticks from the wall
//! clock, and only it does. A flow's number is given when its head is complete, in the order of events.
//!
//! # Speed
//!
//! A batch (64 KiB) stays in a core's cache from the reader to the engine, and its memory is used again. Of a file's three stages the
//! engine takes longest, so that on two cores reading and decoding are one thread; a live reader never decodes. What nobody reads
//! (`--emit`) is not made into records, nor looked for. Texts of up to 24 bytes, as most operations, statuses and values are, lie where
//! they are used (`compact_str`) rather than in memory of their own. `make bench` prints how far reading is from its floor, and what each
//! stage takes: the rest is copying, allocation, and hops that traces and stitching each build for themselves.
//!
//! Live, what is watched comes first: all threads that decode or answer step back, and beyond a sixteenth of a core each work only while
//! nobody else wants to ([`priority`]); the reader alone, which is cheap, does not. Where they are behind by more than there is room for,
//! or with a screen by more than half a second, the reader drops all that comes, counted, until they have caught up by half: stretches of
//! time are missing, and others whole ([`pipeline`]).
//!
//! # Who is who
//!
//! Names are facts beside the flows, never in them. A row knows its connection, a connection its two ends, an end its address and, once
//! the resolver has said so, the process that held the socket *for that connection*: a port that is used again swaps no names, and a
//! name that comes late reaches every row. What the user says comes first, then what the process is called, then what its address is
//! called (a container engine, DNS answers, the capture file). Without a live watch nobody is asked: a file holds its own names, in
//! comments on its packets, or none.
//!
//! # What belongs together
//!
//! A trace is a number in the engine's table of traces, found by the ID that a flow carries. It holds a hop for each of its flows, so that
//! it outlives their rows; who caused whom is computed from the hops when somebody looks or the trace is told ([`engine`]'s `traces`).
//!
//! A flow without an ID of its own, or the first of an ID, is placed once, when it settles (`stitch`): all that its sender was at work on
//! when it sent it is known by then. The strongest evidence that holds ties it: the same message behind a broker, a request ID, a value
//! that both carry, the only request in flight at its sender, nesting in time. Of several requests in flight those drop out that by what
//! was learned of their kinds cannot be it (`stitch`'s `once`, `traces`' `outlives`). Where two are as likely none is claimed, and the flow
//! names both; beside what cannot be read (TLS, an unknown protocol, a WebSocket, a connection joined with an answer due) nothing is the
//! only one, so that the first flows of a capture that begins midway, and those beside a connection that began as nothing known, settle a
//! little later; what a service also sends by itself is tied by no circumstance. Two traces that such a tie joins are one, known by both
//! IDs. What a kernel's address translation shows twice is found by sequence numbers as soon
//! as it begins (`stitch`'s `nat`): its second leg is because of the first, causes what its receiver does, and alone is judged.
//!
//! Findings are made from settled flows and from quiet traces, by detectors, a file each (`findings`). One that rests on circumstances
//! waits until it has repeated or nothing more comes. What was not seen is neither absent nor present: it makes none.
//!
//! # Invariants, as absences
//!
//! 1. `model net decode body trace` do no IO, start no thread, take no lock, read no clock or environment (a test looks).
//! 2. Capture does not wait for the screen, nor the screen for capture. Only packets are dropped, only live, and counted.
//! 3. No discard is silent: each has a counter, shown on the status line, the stats page and in `stats`, where every
//!    byte of a capture is in one sum ([`model::Totals`]).
//! 4. No output depends on the number of workers or the sizes of packets: properties in `decode` and `pipeline` show it.
//! 5. No damage fails a run: it becomes an issue on a flow; a panic in an analyzer costs one stream.
//! 6. Nothing grows without a named limit: `decode::limits`, `net::limits`, and constants beside what they bound.
//! 7. No value is invented: what lies in a hole, behind TLS or before the capture is neither there nor missing. See
//!    `decode::http1`'s exchanges for what that means for pairing.
//! 8. No wire byte reaches a terminal or a line of output unescaped; no secret unmasked without `--show-secrets`.
//! 9. `draw` changes nothing; `update` does no IO; neither touches the store.
//! 10. `unsafe` is in one module, `sys`, with a reason each.
//!
//! # Where this differs from the first sketch
//!
//! - The grace for a hole that the peer has acknowledged (16 packets or 100 ms) is not in the sketch: two capture queues may show an
//!   acknowledgement before its data ([`net::tcp`]).
//! - `lo` is captured with `PACKET_IGNORE_OUTGOING` rather than an `inbound` filter, which libpcap applies in user space to what is in
//!   the ring already, where it cannot tell the direction ([`source::live`]).
//! - A flow waits for names by connection, not by address, and a resolver's answer is about one end of one connection: the sketch's keys
//!   by address would have named old rows after whoever has the port now.
//! - Interfaces are read in blocks of 50 ms rather than 10: each wakes all threads, which took half the time at a steady pace. SYNs have a
//!   capture of their own ([`source::scout`]): that is right for packets and too late for the process of a `curl`.
//! - `gap` and `end` are shown the bytes that were not consumed, so that a message cut in its head still tells what it told.
//! - There is no `Skip`: a body is consumed as it comes, and what passes the limit is only counted.

pub mod body;
mod chunked;
pub mod cli;
pub mod config;
pub mod decode;
pub mod demo;
pub mod diff;
pub mod doctor;
pub mod engine;
pub mod error;
pub mod expect;
pub mod filter;
pub mod identity;
pub mod mask;
pub mod model;
pub mod net;
pub mod output;
pub mod pipeline;
pub mod priority;
pub mod privileges;
pub mod report;
pub mod schema;
pub mod session;
pub mod source;
pub mod story;
mod sys;
pub mod text;
pub mod time;
pub mod trace;
#[cfg(feature = "tui")]
pub mod tui;
pub mod units;
pub mod worker;
