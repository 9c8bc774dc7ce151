//! How many channels of a connection are followed, and what is remembered of them: it counts to what all connections remember together.
//! Where that is too much, consumers are forgotten first: then the queue of a delivery is not known, nor whether its acknowledgement is due.

use super::channel::{self, Channel};
use super::conversation::{BASIC, CHANNEL, CONNECTION};
use super::{Amqp, WAITING};
use crate::decode::Cx;

/// How many channels of a connection are followed: what RabbitMQ allows unless told otherwise.
const CHANNELS: usize = 2048;
/// How many each may have whatever all of them take: most have no more.
const FEW: usize = 4;
/// The methods that change which channels and consumers there are, by class and ID.
pub(super) const CHANGES: &[(u16, u16)] =
    &[(CHANNEL, 10), (CHANNEL, 41), (CONNECTION, 51), (BASIC, 20), (BASIC, 21), (BASIC, 30), (BASIC, 31)];

impl Amqp {
    /// A channel is used, which may begin here. Whether there is room for it.
    pub(super) fn begin(&mut self, cx: &mut Cx<'_, '_>, number: u16) -> bool {
        let share = WAITING / (self.channels.len() + 1);
        if self.channels.get(&number).is_none() {
            let all = self.remembered + channel::COST;
            if self.channels.len() >= CHANNELS || self.channels.len() >= FEW && cx.memory(all, usize::MAX) < all {
                return false;
            }
            self.channels.insert(number, Box::new(Channel::new(self.failed)));
            if self.channels.len() > FEW {
                self.remembered = all;
            }
        }
        if let Some(channel) = self.channels.get_mut(&number) {
            channel.room = share.min(channel::WAITING);
        }
        true
    }

    /// What they take beside the few that each may have, in bytes.
    pub(super) fn takes(&self) -> usize {
        let consumers: usize = self.channels.iter().map(|(_, channel)| channel.consumers_cost()).sum();
        consumers + self.channels.len().saturating_sub(FEW) * channel::COST
    }

    /// There may be more than before: consumers are forgotten where there is no room for them, of the channel first that has most.
    pub(super) fn bound(&mut self, cx: &mut Cx<'_, '_>) {
        self.remembered = self.takes();
        let room = cx.memory(self.remembered, usize::MAX);
        while self.remembered > room {
            let most = self.channels.iter_mut().map(|(_, channel)| channel).max_by_key(|channel| channel.consumers_cost());
            let Some(most) = most.filter(|channel| channel.consumers_cost() > 0) else { break };
            self.remembered -= most.consumers_cost();
            most.forget_consumers();
        }
    }
}
