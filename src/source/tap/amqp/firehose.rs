//! Whether a virtual host is traced: switched on where it is not, and off again at the end where it was one of ours that did it. Several
//! may watch at once, and the last of them to go switches it off: each one's queue bears a mark, a binding that no message comes by, for
//! as long as it is there.

use super::{TRACE, Tap, Trouble, message};
use crate::model::{Binding, SourceNews};
use crate::source::tap::binding;
use crate::source::tap::management::Api;
use lapin::Connection;

/// What tracing means for a broker: said before it is switched on.
const COST: &str = "has the virtual host traced until the end, which changes its state and costs the broker throughput; kill -9 leaves that on \
                    (rabbitmqctl trace_off)";
/// The key of the mark that it was one of ours: those of traces begin with `publish.` and `deliver.`.
const OURS: &str = "meshtop.switched-on";

impl Tap {
    /// Has everything traced.
    pub(super) async fn trace(&mut self, connection: &Connection) -> Result<(), Trouble> {
        binding::bind(connection, &self.queue, TRACE, "#").await?;
        match self.api.is_traced() {
            Ok(true) => (self.traced, self.traces) = (true, self.traces || self.others_mark()),
            Ok(false) => {
                self.tell(COST);
                match self.api.trace(true) {
                    Ok(()) => (self.traced, self.traces) = (true, true),
                    Err(e) => self.tell(&format!("tracing cannot be switched on: {e}; rabbitmqctl trace_on does")),
                }
            }
            Err(e) => self.tell(&format!(
                "whether it is traced is not known: {} (management=http[s]://HOST:PORT); rabbitmqctl trace_on switches it on, trace_off off",
                self.api.is_silent(&e)
            )),
        }
        if self.traces {
            binding::bind(connection, &self.queue, TRACE, OURS).await?;
        }
        Ok(())
    }

    /// Says where somebody has switched it off.
    pub(super) fn trace_goes_on(&mut self) {
        if let Some(Ok(false)) = self.ask(Api::is_traced) {
            self.tell("somebody has switched tracing off: nothing is seen until rabbitmqctl trace_on");
        }
    }

    /// The end: as it was found, unless others of ours go on.
    pub(super) fn untrace(&mut self) {
        if std::mem::take(&mut self.traces)
            && !self.others_mark()
            && let Err(e) = self.api.trace(false)
        {
            let why = format!("{}: tracing is still on ({e}): rabbitmqctl trace_off switches it off", self.state.name);
            self.say(SourceNews::Warned(why.into()));
        }
    }

    /// Whether another tap's queue bears the mark.
    fn others_mark(&self) -> bool {
        let is = |b: &Binding| b.source == TRACE && b.key == OURS && b.destination.starts_with(message::QUEUE);
        self.api.bindings().is_ok_and(|all| all.iter().any(|b| is(b) && b.destination != self.queue))
    }
}
