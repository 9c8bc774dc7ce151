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
