//! Whether a virtual host is traced: switched on where it is not, and off again at the end where it was us.

use super::Tap;
use crate::model::SourceNews;

/// What tracing means for a broker: said before it is switched on.
const COST: &str = "has the broker trace its virtual host, which changes its state and costs it throughput; it is switched off again at the \
                    end, but not where meshtop is killed with -9 (rabbitmqctl trace_off)";

impl Tap {
    /// Has everything traced.
    pub(super) fn trace(&mut self) {
        match self.api.is_traced() {
            Ok(true) => {}
            Ok(false) => {
                self.tell(COST);
                match self.api.trace(true) {
                    Ok(()) => self.traces = true,
                    Err(e) => self.tell(&format!("tracing cannot be switched on: {e}; rabbitmqctl trace_on does")),
                }
            }
            Err(e) => self.tell(&format!(
                "whether it is traced is not known, as its management API does not answer ({e}; management=http://HOST:PORT): \
                 rabbitmqctl trace_on switches it on, trace_off off"
            )),
        }
    }

    /// The end: as it was found.
    pub(super) fn untrace(&mut self) {
        if std::mem::take(&mut self.traces)
            && let Err(e) = self.api.trace(false)
        {
            let why = format!("{}: tracing is still on ({e}): rabbitmqctl trace_off switches it off", self.name);
            self.say(SourceNews::Warned(why.into()));
        }
    }
}
