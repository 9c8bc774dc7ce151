//! What processes are called, each read once.

use super::Resolver;
use crate::identity::process::{self, Info};
use crate::identity::{name, system};
use crate::model::{Owner, Process};
use std::sync::Arc;

/// Processes that are remembered.
const PROCESSES: usize = 1 << 12;

impl Resolver {
    /// What a process is called. It is read once, and again where it has become another program; once it is gone, what was read counts.
    pub(super) fn owner(&mut self, pid: u32, ticks: u64) -> Option<Arc<Owner>> {
        if let Some((then, owner, _)) = self.processes.get(&pid)
            && *then == ticks
            && !changed(pid, owner)
        {
            return Some(Arc::clone(owner));
        }
        let info = system::read(pid).filter(|info| info.ticks == ticks)?;
        let (owner, container) = self.named(&info);
        if self.processes.len() >= PROCESSES {
            self.processes.retain(|pid, (then, ..)| system::ticks(*pid) == Some(*then));
        }
        if self.processes.len() < PROCESSES {
            self.processes.insert(pid, (ticks, Arc::clone(&owner), container));
        }
        Some(owner)
    }

    /// The owner that a process makes, and the container that it is in, where no engine has told of it yet.
    fn named(&mut self, info: &Info) -> (Arc<Owner>, Option<String>) {
        let id = name::container_id(&info.cgroup);
        let proxied = info.proxied().and_then(|address| self.containers.values().find(|c| c.addresses.contains(&address)));
        let container = id.and_then(|id| self.containers.get(id)).or(proxied);
        let (service, origin, held) = name::of(info, container);
        let process = Process {
            command: info.command().into(),
            cwd: info.cwd.as_deref().map(Into::into),
            started: system::started(info.ticks),
            uid: info.uid,
            opener: None,
        };
        let (service, container_name) = (service.into(), held.map(Into::into));
        let owner = Owner { service, origin, pid: Some(info.pid), container: container_name, process: Some(process) };
        let missing = id.filter(|_| container.is_none()).map(str::to_owned);
        if missing.is_some() {
            self.engines.ask_again();
        }
        (Arc::new(owner), missing)
    }
}

/// Whether a process has become another program since (execve(2)): a shell's child is the shell for a moment.
fn changed(pid: u32, owner: &Owner) -> bool {
    let then = owner.process.as_ref().map_or("", |process| &process.command);
    system::arguments(pid).is_some_and(|now| !now.is_empty() && process::shell(&now) != then)
}
