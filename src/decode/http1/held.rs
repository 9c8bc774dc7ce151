//! What the client says behind a request for another protocol: it waits for the answer. Where that is lost, what is said next tells
//! what it was; not what was said before it came.

use super::head::{self, Kind, METHODS, Parsed, Start};
use super::{Http1, State};
use crate::decode::{Cx, Input, Step};

impl Http1 {
    pub(super) fn held(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        let Some((upgrade, target)) = self.exchanges.lost_switch() else {
            self.exchanges.speak_early();
            self.states[0] = State::Held;
            return Step::Wait;
        };
        match head::start(Kind::Request, input.data) {
            Parsed::Whole(Start::Request { method, version, .. }, _) if version != "0.9" && METHODS.contains(&method) => {
                self.head(cx, input)
            }
            Parsed::Partial if head::may_be_known(input.data) => {
                self.states[0] = State::Held;
                Step::Need(input.data.len() + 1)
            }
            _ => {
                let code = if upgrade.is_some() { 101 } else { 200 };
                let asked = upgrade.clone().map(|upgrade| (upgrade, target));
                match self.switch(cx, code, upgrade.as_ref().map(|upgrade| &*upgrade.token), asked, 0) {
                    // it is no protocol that is read
                    Step::Took(0) => Step::Opaque,
                    step => step,
                }
            }
        }
    }
}
