//! The calls of the system that neither std nor a crate of ours has a safe name for: the one module with `unsafe`.
//! What they are for is decided elsewhere.
#![allow(unsafe_code, reason = "each call is a few lines, and says why it is sound")]

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The kernel hands a packet socket no packet on its way out (packet(7), Linux 4.20).
#[cfg(all(target_os = "linux", feature = "live"))]
pub(crate) fn ignore_outgoing(socket: std::os::fd::BorrowedFd<'_>) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let on: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of_val(&on)).unwrap_or_default();
    // SAFETY: the value is live and of the length that is told; the descriptor is open as long as it is borrowed.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, (&raw const on).cast(), length)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A thread of this process runs on processors that nobody else wants alone, or comes back from there (sched_setscheduler(2)).
#[cfg(target_os = "linux")]
pub(crate) fn only_when_idle(thread: rustix::thread::Pid, idle: bool) -> io::Result<()> {
    let param = libc::sched_param { sched_priority: 0 };
    let policy = if idle { libc::SCHED_IDLE } else { libc::SCHED_OTHER };
    // SAFETY: the parameter is live, and only read.
    let result = unsafe { libc::sched_setscheduler(thread.as_raw_nonzero().get(), policy, &raw const param) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A file that whoever started us left open for us alone, by its number; none where there is none.
pub(crate) fn inherited(number: std::os::fd::RawFd) -> Option<std::os::fd::OwnedFd> {
    use std::os::fd::FromRawFd as _;
    // SAFETY: fcntl(2) with F_GETFD touches no memory.
    let open = number > 2 && unsafe { libc::fcntl(number, libc::F_GETFD) } >= 0;
    // SAFETY: it is open, and nothing in this process has opened or owns it: it is asked for first of all.
    open.then(|| unsafe { std::os::fd::OwnedFd::from_raw_fd(number) })
}

/// Whether the process acts as root.
pub(crate) fn is_root() -> bool {
    // SAFETY: geteuid(2) touches no memory and always succeeds.
    unsafe { libc::geteuid() == 0 }
}

/// Becomes another user, for good, or says which call failed. Groups first, for which root is needed; then the user: real, effective and saved.
/// libc, not the raw calls: these hold for the whole process.
pub(crate) fn become_user(uid: u32, gid: u32, name: Option<&str>) -> Result<(), (&'static str, io::Error)> {
    let check = |what, result: libc::c_int| match result {
        0 => Ok(()),
        _ => Err((what, io::Error::last_os_error())),
    };
    let name = name.and_then(|name| CString::new(name).ok());
    match &name {
        // The type of the group differs between systems.
        // SAFETY: the name is a string that ends in NUL and outlives the call.
        Some(name) => check("initgroups", unsafe { libc::initgroups(name.as_ptr(), gid as _) })?,
        // SAFETY: one group is announced, and one is there.
        None => check("setgroups", unsafe { libc::setgroups(1, &raw const gid) })?,
    }
    // SAFETY: neither call touches memory. Called by root, they set all three ids (setgid(2), setuid(2)).
    check("setgid", unsafe { libc::setgid(gid) })?;
    // SAFETY: as above.
    check("setuid", unsafe { libc::setuid(uid) })
}

/// First group, name and home folder of a user.
pub(crate) fn user_entry(uid: u32) -> Option<(u32, String, PathBuf)> {
    /// An entry is a line of text; what is longer is not one.
    const LIMIT: usize = 64 << 10;
    let mut buffer = vec![0; LIMIT];
    let mut entry = std::mem::MaybeUninit::<libc::passwd>::uninit();
    let mut found = std::ptr::null_mut();
    // SAFETY: all pointers are to live memory of the length that is told; `found` is null, or points to `entry`, which then is
    // filled in, with strings that end in NUL and lie in `buffer`, and both outlive their use here.
    let text = |p: *const libc::c_char| (!p.is_null()).then(|| unsafe { CStr::from_ptr(p) });
    let result = unsafe { libc::getpwuid_r(uid, entry.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &raw mut found) };
    if result != 0 || found.is_null() {
        return None;
    }
    // SAFETY: see above.
    let entry = unsafe { entry.assume_init() };
    let name = text(entry.pw_name)?.to_str().ok()?.to_owned();
    Some((entry.pw_gid, name, OsStr::from_bytes(text(entry.pw_dir)?.to_bytes()).into()))
}

/// Puts what libproc tells of a process, a structure or list of `kind` (`PROC_PID…`), into a buffer; how many bytes that were, none where it
/// tells nothing. Like its kin below it has not been compiled for macOS by us, nor run.
#[cfg(target_os = "macos")]
pub(crate) fn process_info(pid: u32, kind: libc::c_int, into: &mut [u8]) -> Option<usize> {
    let (pid, room) = (libc::c_int::try_from(pid).ok()?, libc::c_int::try_from(into.len()).ok()?);
    // SAFETY: the buffer is live, for writing alone, and of the length that is told; the kernel copies bytes, which need no alignment.
    told(unsafe { libc::proc_pidinfo(pid, kind, 0, into.as_mut_ptr().cast(), room) }, into.len())
}

/// The same of an open file of a process that is a socket (`socket_fdinfo`).
#[cfg(target_os = "macos")]
pub(crate) fn socket_info(pid: u32, file: u32, into: &mut [u8]) -> Option<usize> {
    // sys/proc_info.h; libc has no name for it
    const PROC_PIDFDSOCKETINFO: libc::c_int = 3;
    let (pid, file) = (libc::c_int::try_from(pid).ok()?, libc::c_int::try_from(file).ok()?);
    let room = libc::c_int::try_from(into.len()).ok()?;
    // SAFETY: as above.
    told(unsafe { libc::proc_pidfdinfo(pid, file, PROC_PIDFDSOCKETINFO, into.as_mut_ptr().cast(), room) }, into.len())
}

/// The same of the path of a process's program.
#[cfg(target_os = "macos")]
pub(crate) fn process_path(pid: u32, into: &mut [u8]) -> Option<usize> {
    let (pid, room) = (libc::c_int::try_from(pid).ok()?, u32::try_from(into.len()).ok()?);
    // SAFETY: as above.
    told(unsafe { libc::proc_pidpath(pid, into.as_mut_ptr().cast(), room) }, into.len())
}

/// The same of the numbers of all processes, 4 bytes each.
#[cfg(target_os = "macos")]
pub(crate) fn processes(into: &mut [u8]) -> Option<usize> {
    // sys/proc_info.h; libc has no name for it
    const PROC_ALL_PIDS: u32 = 1;
    let room = libc::c_int::try_from(into.len()).ok()?;
    // SAFETY: as above.
    told(unsafe { libc::proc_listpids(PROC_ALL_PIDS, 0, into.as_mut_ptr().cast(), room) }, into.len())
}

/// The same of a process's arguments and environment (`KERN_PROCARGS2`, sysctl(3)).
#[cfg(target_os = "macos")]
pub(crate) fn process_arguments(pid: u32, into: &mut [u8]) -> Option<usize> {
    let mut name = [libc::CTL_KERN, libc::KERN_PROCARGS2, libc::c_int::try_from(pid).ok()?];
    let mut length = into.len();
    // SAFETY: name and buffer are live and of the lengths that are told; nothing is set, for which null stands.
    let result =
        unsafe { libc::sysctl(name.as_mut_ptr(), 3, into.as_mut_ptr().cast(), &raw mut length, std::ptr::null_mut(), 0) };
    (result == 0 && length <= into.len()).then_some(length)
}

/// What libproc answers: a number of bytes, which is not positive where there is none.
#[cfg(target_os = "macos")]
fn told(result: libc::c_int, room: usize) -> Option<usize> {
    usize::try_from(result).ok().filter(|&n| n > 0 && n <= room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_users_is_read() {
        let (gid, name, home) = user_entry(0).unwrap();
        assert_eq!((gid, name.as_str()), (0, "root"));
        assert!(home.is_absolute());
        assert_eq!(user_entry(u32::MAX - 7), None);
    }
}
