//! Files that hold what was seen on the wire: for nobody but their owner, also when the program was started with `sudo`.
//! What is in them is not decided here.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

/// Read and write for the owner alone: captures hold passwords.
const MODE: u32 = 0o600;

/// The user and group for whom root runs us: who called `sudo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Number of the user.
    pub uid: u32,
    /// Number of the group.
    pub gid: u32,
}

/// Creates or empties the file at `path` for writing, mode 0600.
///
/// Under `sudo` it belongs to who called it, no symbolic link is followed, and a file of somebody else is left alone: who may
/// run this program as root may not overwrite root's files with it.
pub fn create(path: &Path, sudo: Option<Owner>) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).mode(MODE);
    if sudo.is_some() {
        options.custom_flags(libc::O_NOFOLLOW);
    }
    match options.clone().create_new(true).open(path) {
        Ok(file) => {
            if let Some(Owner { uid, gid }) = sudo {
                may_be_refused(fchown(&file, Some(uid), Some(gid)))?;
            }
            return Ok(file);
        }
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
        Err(e) => return Err(e),
    }
    let file = options.open(path)?;
    let found = file.metadata()?;
    if found.is_file() {
        if sudo.is_some_and(|owner| owner.uid != found.uid()) {
            return Err(io::Error::new(ErrorKind::PermissionDenied, "it belongs to another user"));
        }
        may_be_refused(file.set_permissions(Permissions::from_mode(MODE)))?;
        file.set_len(0)?;
    }
    Ok(file)
}

/// We may write what is not ours to give away: then it stays as it is.
fn may_be_refused(done: io::Result<()>) -> io::Result<()> {
    done.or_else(|e| if e.kind() == ErrorKind::PermissionDenied { Ok(()) } else { Err(e) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn new_and_old_files_are_private_and_empty() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new");
        create(&path, None).unwrap().write_all(b"x").unwrap();
        assert_eq!((mode(&path), path.metadata().unwrap().len()), (0o600, 1));
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        create(&path, None).unwrap();
        assert_eq!((mode(&path), path.metadata().unwrap().len()), (0o600, 0));
    }

    #[test]
    fn under_sudo_links_and_files_of_others_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("file"), dir.path().join("link"));
        std::fs::write(&path, "theirs").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let found = path.metadata().unwrap();
        let me = Owner { uid: found.uid(), gid: found.gid() };
        let other = Owner { uid: me.uid + 1, gid: me.gid };
        assert_eq!(create(&path, Some(other)).unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert!(create(&link, Some(me)).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"theirs");
        create(&link, None).unwrap();
        assert_eq!(path.metadata().unwrap().len(), 0, "without sudo a link is the user's own affair");
        create(&path, Some(me)).unwrap();
    }
}
