//! What the tap's queue is bound to, looked at again from time to time: exchanges come, go, and come again without their bindings.

use super::{Tap, Trouble, message};
use crate::decode::amqp::handed::Handed;
use crate::model::{Exchange, text_of};
use crate::source::tap::Url;
use crate::source::tap::binding::{self, Plan};
use lapin::Connection;
use std::collections::BTreeSet;

/// What is known of the queue's bindings in this attachment.
#[derive(Debug, Default)]
pub(super) struct Bound {
    /// Exchanges with keys that the queue is bound to.
    done: BTreeSet<(String, String)>,
    /// Those that it may not be: asking again would be one more error in the broker's log, and no more.
    refused: BTreeSet<(String, String)>,
    /// Exchanges that are bound whole.
    whole: BTreeSet<String>,
    /// Whether it is known what there is. What is asked of the broker itself it may log as errors of ours, so that once is enough.
    known: bool,
}

impl Bound {
    /// Whether a message is wanted: what comes by a binding with a key is, wherever it was published and however it got there.
    pub(super) fn wants(&self, handed: &Handed<'_>, url: &Url) -> bool {
        let exchange = text_of(handed.exchange);
        let by_key = || !self.whole.contains(&*exchange) && self.done.iter().any(|(bound, _)| *bound == exchange);
        self.whole.is_empty() || message::is_for(handed, url) || by_key()
    }
}

impl Tap {
    /// Binds the queue to what there is, and says what it is not bound to.
    pub(super) async fn bind(&mut self, connection: &Connection) -> Result<(), Trouble> {
        let Plan { bindings, whole, left_out } = match self.ask(|api| Ok((api.exchanges()?, api.bindings()))) {
            Some(Ok((exchanges, all))) => {
                let mut others = Vec::new();
                if let Ok(all) = all {
                    let own;
                    (own, others) = all.into_iter().partition::<Vec<_>, _>(|b| b.destination == self.queue);
                    // one that was deleted and declared again has lost ours
                    self.bound.done = own.into_iter().map(|b| (b.source, b.key)).collect();
                    others.retain(|b| !b.destination.starts_with(message::QUEUE));
                }
                binding::plan(&self.seat.url, &exchanges, &others)
            }
            Some(Err(e)) if !self.bound.known => {
                let exchanges = self.guess(connection, &self.api.is_silent(&e)).await?;
                binding::plan(&self.seat.url, &exchanges, &[])
            }
            _ => return Ok(()),
        };
        (self.bound.known, self.bound.whole) = (true, whole);
        // in one word, as a screen shows the last one
        if !left_out.is_empty() {
            self.tell(&left_out.into_iter().collect::<Vec<_>>().join("; "));
        }
        self.bound.refused.retain(|binding| bindings.contains(binding));
        for wanted in bindings {
            if self.bound.done.contains(&wanted) || self.bound.refused.contains(&wanted) {
                continue;
            }
            let (exchange, key) = &wanted;
            match binding::bind(connection, &self.queue, exchange, key).await {
                Ok(()) => drop(self.bound.done.insert(wanted)),
                // the connection itself may be lost
                Err(e) if connection.status().connected() => {
                    self.tell(&format!("'{exchange}' cannot be bound: {}", Trouble::from(e)));
                    self.bound.refused.insert(wanted);
                }
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// The exchanges, where the management API does not say; and what is missed for that.
    async fn guess(&mut self, connection: &Connection, silent: &str) -> Result<Vec<Exchange>, Trouble> {
        let exchanges = binding::without_management(&self.seat.url, connection).await?;
        self.tell(&if self.seat.url.exchanges.is_empty() {
            format!(
                "{silent}: only the exchanges that every virtual host has are watched; name others by \
                 exchange=, or the API by management=http[s]://HOST:PORT"
            )
        } else {
            format!("{silent}: an exchange that is declared later, or again, is not watched")
        });
        let named =
            |e: &&Exchange| e.kind == "direct" && self.seat.url.exchanges.contains(&e.name) && self.seat.url.keys.is_empty();
        let direct: Vec<_> = exchanges.iter().filter(named).map(|e| e.name.clone()).collect();
        for name in direct {
            self.tell(&format!(
                "'{name}' is a direct exchange, whose keys are not known without its management API: name them by key="
            ));
        }
        Ok(exchanges)
    }
}
