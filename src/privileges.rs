//! Whose rights we run with: the invoking user's under sudo, and none that are not needed once the interfaces are open.
//!
//! Capabilities are a thread's own on Linux, and a thread inherits those of the one that starts it. So the order in `main` is:
//!
//! 1. open the interfaces, and what only root could open (nothing else has started a thread yet),
//! 2. `drop_after_opening`: the process is the invoking user; this thread keeps CAP_NET_RAW, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH and
//!    CAP_SYS_NICE,
//! 3. start the threads that need one of these, each of which keeps its own alone: the reader CAP_NET_RAW, for interfaces that come up
//!    later; the resolver the other two, to see whose processes the sockets of others are (it never sees a byte of the wire); the governor
//!    CAP_SYS_NICE, to bring threads back that gave way to others,
//! 4. `drop_the_rest`: this thread, and all that it starts from now on, have no capability at all.
//!
//! Where other network namespaces are captured in, a thread beside the reader opens what comes up in them. Then 2. keeps CAP_SYS_ADMIN too,
//! to enter them (setns(2)); of the threads that one alone has it, with CAP_NET_RAW, and CAP_SYS_PTRACE to find them by the processes of
//! others (`/proc/PID/ns/net`, namespaces(7)). It reads no packet.
//!
//! Who logged in as root stays uid 0, without capabilities: such a process can still do what root's ownership of files allows,
//! and no more. Files that are open stay usable; those opened later are opened with the user's own rights.

use crate::sys;
use std::io;
use std::path::PathBuf;

/// Who started us by sudo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// User number.
    pub uid: u32,
    /// Number of the first group.
    pub gid: u32,
    /// Name, where the table of users has one.
    pub name: Option<String>,
    /// Home folder: the place of the configuration.
    pub home: Option<PathBuf>,
}

/// The user behind sudo; none where we do not run as root, or root did it.
pub fn invoking_user() -> Option<User> {
    if !sys::is_root() {
        return None;
    }
    let number = |name| std::env::var(name).ok()?.parse::<u32>().ok();
    let uid = number("SUDO_UID").filter(|&uid| uid != 0)?;
    let entry = sys::user_entry(uid);
    let gid = number("SUDO_GID").or(entry.as_ref().map(|e| e.0))?;
    let (name, home) = entry.map(|(_, name, home)| (name, home)).unzip();
    Some(User { uid, gid, name, home })
}

/// The command that grants the right to capture to this very binary.
pub fn how_to_capture() -> String {
    how_to("cap_net_raw")
}

/// The command that grants the right to enter other network namespaces, and to capture there, to this very binary.
pub fn how_to_enter() -> String {
    how_to("cap_net_raw,cap_sys_admin,cap_sys_ptrace,cap_dac_read_search")
}

/// The command that grants the right to see the processes of other users too.
pub fn how_to_name() -> String {
    how_to("cap_net_raw,cap_sys_ptrace,cap_dac_read_search")
}

/// The command that grants capabilities(7), or all rights where there are none.
fn how_to(capabilities: &str) -> String {
    let path = std::env::current_exe().map_or_else(|_| "meshtop".to_owned(), |p| quote(&p.to_string_lossy()));
    if cfg!(target_os = "linux") {
        format!("run `sudo setcap {capabilities}=ep {path}` (a rebuild takes it away again), or `sudo {path}`")
    } else {
        format!("run `sudo {path}`")
    }
}

/// What is kept until the threads that need it are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The rights to open interfaces, to look into processes and to set priorities.
    Capture,
    /// Those, and the right to enter network namespaces.
    Namespaces,
}

/// Why rights could not be given up.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// Threads that run already would keep what this one gives up.
    #[error("cannot give up privileges: {0} other threads run already")]
    Threads(usize),
    /// The system refused.
    #[error("cannot give up privileges: {what}: {error}")]
    System {
        /// The call.
        what: &'static str,
        /// Its error.
        error: io::Error,
    },
}

/// Whether this thread may capture.
pub fn may_capture() -> bool {
    capabilities::has_capture()
}

/// Whether this thread may enter other network namespaces, find them by the processes of everybody, and capture there.
pub fn may_enter() -> bool {
    capabilities::has_namespaces()
}

/// Whether this thread may look into the processes of everybody.
pub fn sees_all_processes() -> bool {
    capabilities::has_names()
}

/// Whether this thread may set the priorities of other threads as it likes.
pub fn may_govern() -> bool {
    capabilities::has_governing()
}

/// Whose processes it may look into in any case.
pub fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Gives up root and everything but what capturing and naming need, and forbids new privileges, for this thread and those that it will start.
/// To be called before any other thread is started. Harmless without any privilege.
pub fn drop_after_opening(keep: Keep) -> Result<(), PrivilegeError> {
    capabilities::only_thread()?;
    let user = invoking_user();
    capabilities::prepare()?;
    if let Some(user) = &user {
        sys::become_user(user.uid, user.gid, user.name.as_deref())
            .map_err(|(what, error)| PrivilegeError::System { what, error })?;
    }
    capabilities::keep_for_threads(keep)
}

/// Keeps CAP_NET_RAW alone, where this thread has it: for one that opens interfaces.
pub fn keep_for_capture() -> Result<(), PrivilegeError> {
    capabilities::keep_for_capture()
}

/// Keeps CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH alone, where this thread has them: for one that looks into the processes of others.
pub fn keep_for_names() -> Result<(), PrivilegeError> {
    capabilities::keep_for_names()
}

/// Keeps CAP_SYS_NICE alone: for one that sets the priorities of other threads.
pub fn keep_for_governing() -> Result<(), PrivilegeError> {
    capabilities::keep_for_governing()
}

/// Keeps CAP_NET_RAW, CAP_SYS_ADMIN and CAP_SYS_PTRACE alone, where this thread has them: for one that opens interfaces in other network
/// namespaces.
pub fn keep_for_namespaces() -> Result<(), PrivilegeError> {
    capabilities::keep_for_namespaces()
}

/// Gives up every capability, for this thread and those that it will start.
pub fn drop_the_rest() -> Result<(), PrivilegeError> {
    capabilities::clear()
}

#[cfg(all(target_os = "linux", feature = "live"))]
mod capabilities {
    use super::{Keep, PrivilegeError};
    use rustix::thread::{
        CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, remove_capability_from_bounding_set,
        set_capabilities, set_keep_capabilities, set_no_new_privs,
    };

    /// How many capabilities a set has bits for.
    const CAPABILITIES: u32 = 64;

    pub fn only_thread() -> Result<(), PrivilegeError> {
        let tasks =
            std::fs::read_dir("/proc/self/task").map_err(|error| PrivilegeError::System { what: "/proc/self/task", error })?;
        match tasks.count() {
            0 | 1 => Ok(()),
            n => Err(PrivilegeError::Threads(n - 1)),
        }
    }

    /// No program that is started gets more than we have; changing the user leaves the permitted capabilities alone.
    pub fn prepare() -> Result<(), PrivilegeError> {
        set_no_new_privs(true).map_err(|e| system("PR_SET_NO_NEW_PRIVS", e))?;
        let now = capabilities(None).map_err(|e| system("capget", e))?;
        if now.effective.contains(CapabilitySet::SETPCAP) {
            for bit in 0..CAPABILITIES {
                // EINVAL: this kernel has no such capability.
                let _ = remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << bit));
            }
        }
        set_keep_capabilities(true).map_err(|e| system("PR_SET_KEEPCAPS", e))
    }

    const CAPTURE: CapabilitySet = CapabilitySet::NET_RAW;
    const NAMES: CapabilitySet = CapabilitySet::SYS_PTRACE.union(CapabilitySet::DAC_READ_SEARCH);

    const GOVERNING: CapabilitySet = CapabilitySet::SYS_NICE;

    const NAMESPACES: CapabilitySet = CAPTURE.union(CapabilitySet::SYS_ADMIN).union(CapabilitySet::SYS_PTRACE);

    pub fn keep_for_threads(what: Keep) -> Result<(), PrivilegeError> {
        keep(match what {
            Keep::Capture => CAPTURE | NAMES | GOVERNING,
            Keep::Namespaces => CAPTURE | NAMES | NAMESPACES | GOVERNING,
        })?;
        set_keep_capabilities(false).map_err(|e| system("PR_SET_KEEPCAPS", e))
    }

    pub fn keep_for_capture() -> Result<(), PrivilegeError> {
        keep(CAPTURE)
    }

    pub fn keep_for_names() -> Result<(), PrivilegeError> {
        keep(NAMES)
    }

    pub fn keep_for_namespaces() -> Result<(), PrivilegeError> {
        keep(NAMESPACES)
    }

    pub fn keep_for_governing() -> Result<(), PrivilegeError> {
        keep(GOVERNING)
    }

    pub fn has_governing() -> bool {
        has(GOVERNING)
    }

    pub fn has_capture() -> bool {
        has(CAPTURE)
    }

    pub fn has_namespaces() -> bool {
        has(NAMESPACES)
    }

    pub fn has_names() -> bool {
        has(NAMES)
    }

    fn has(wanted: CapabilitySet) -> bool {
        capabilities(None).is_ok_and(|now| now.effective.contains(wanted))
    }

    fn keep(wanted: CapabilitySet) -> Result<(), PrivilegeError> {
        let now = capabilities(None).map_err(|e| system("capget", e))?;
        set(now.permitted & wanted)
    }

    pub fn clear() -> Result<(), PrivilegeError> {
        set(CapabilitySet::empty())
    }

    fn set(keep: CapabilitySet) -> Result<(), PrivilegeError> {
        // EINVAL: a kernel before 4.3 has no ambient set.
        let _ = clear_ambient_capability_set();
        let sets = CapabilitySets { effective: keep, permitted: keep, inheritable: CapabilitySet::empty() };
        set_capabilities(None, sets).map_err(|e| system("capset", e))
    }

    fn system(what: &'static str, error: rustix::io::Errno) -> PrivilegeError {
        PrivilegeError::System { what, error: error.into() }
    }
}

/// There are no capabilities, or nothing that would need one.
#[cfg(not(all(target_os = "linux", feature = "live")))]
mod capabilities {
    use super::{Keep, PrivilegeError};

    pub fn only_thread() -> Result<(), PrivilegeError> {
        Ok(())
    }

    pub fn prepare() -> Result<(), PrivilegeError> {
        Ok(())
    }

    pub fn keep_for_threads(_: Keep) -> Result<(), PrivilegeError> {
        Ok(())
    }

    pub fn keep_for_namespaces() -> Result<(), PrivilegeError> {
        Ok(())
    }

    pub fn keep_for_governing() -> Result<(), PrivilegeError> {
        Ok(())
    }

    pub fn has_governing() -> bool {
        false
    }

    pub fn has_capture() -> bool {
        false
    }

    pub fn has_namespaces() -> bool {
        false
    }

    pub fn has_names() -> bool {
        false
    }

    pub fn keep_for_capture() -> Result<(), PrivilegeError> {
        Ok(())
    }

    pub fn keep_for_names() -> Result<(), PrivilegeError> {
        Ok(())
    }

    pub fn clear() -> Result<(), PrivilegeError> {
        Ok(())
    }
}

/// As it can be pasted into a shell.
fn quote(path: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+@%:,=".contains(c);
    if !path.is_empty() && path.chars().all(plain) {
        path.to_owned()
    } else {
        crate::text::escape(&format!("'{}'", path.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_for_the_shell_where_it_must_be() {
        assert_eq!(quote("/usr/local/bin/meshtop"), "/usr/local/bin/meshtop");
        assert_eq!(quote("/home/a b/it's"), r"'/home/a b/it'\''s'");
        assert_eq!(quote("/tmp/\x1b[2J"), r"'/tmp/\x1b[2J'");
        assert!(how_to_capture().contains(&quote(&std::env::current_exe().unwrap().to_string_lossy())));
    }
}
