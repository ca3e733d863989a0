//! A journal's file. It holds what users send, so only its owner may read it. New records are appended, so that
//! those from before a crash are still there.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::geteuid;

use super::{Header, VERSION};

/// The longest first line that a journal may have, in bytes.
const LONGEST_HEADER: u64 = 4096;

/// Opens a journal's file after what is in it, or makes it. If it has less than a tenth of `limit` left, it is
/// renamed to `FILE.1` first. Also returns how many bytes are left.
///
/// # Errors
/// If the file must not be written to: a link, not a regular file, another user's, one with several names, one that
/// another process writes to, or not a journal.
pub(super) fn open(path: &Path, limit: u64) -> io::Result<(File, u64)> {
    let (file, length) = open_ours(path)?;
    if length <= limit - limit / 10 {
        return Ok((file, limit.saturating_sub(length)));
    }
    fs::rename(path, aside(path))?;
    let (file, length) = open_ours(path)?;
    Ok((file, limit.saturating_sub(length)))
}

/// What a full journal's file is called.
fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

fn open_ours(path: &Path) -> io::Result<(File, u64)> {
    // Opening a pipe would wait for its reader.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let opened =
        OpenOptions::new().read(true).append(true).create(true).mode(0o600).custom_flags(flags).open(path);
    let mut file = opened.map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::LOOP) => refused("it is a link: name the file itself"),
        _ => error,
    })?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(refused("it is not a regular file"));
    }
    if metadata.uid() != geteuid().as_raw() {
        return Err(refused("it belongs to another user"));
    }
    if metadata.nlink() > 1 {
        return Err(refused("it has a second name (a hard link), by which others may read it"));
    }
    // Not every file system has locks.
    if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
        return Err(refused("another process is writing to it"));
    }
    let mut length = metadata.len();
    if length > 0 && !is_journal(&file)? {
        return Err(refused("this file is not a journal, and was not changed"));
    }
    if metadata.mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    if length > 0 && !ends_with_a_line(&file)? {
        // The last line was cut off by a crash, and the next must not continue it.
        file.write_all(b"\n")?;
        length += 1;
    }
    Ok((file, length))
}

/// Whether a file begins with a journal's first line.
fn is_journal(mut file: &File) -> io::Result<bool> {
    let mut first = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    BufReader::new(file.take(LONGEST_HEADER)).read_until(b'\n', &mut first)?;
    Ok(serde_json::from_slice::<Header>(&first).is_ok_and(|header| header.journal == VERSION))
}

fn ends_with_a_line(mut file: &File) -> io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn refused(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    const HEADER: &str = "{\"journal\":1,\"by\":\"a test\",\"began\":0,\"redacted\":true}\n";

    /// A folder of this test's own, gone with it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(test: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("socketio-journal-{}-{test}", std::process::id()));
            fs::create_dir_all(&path).expect("a folder");
            Folder(path)
        }

        /// A file with this in it, which everybody may read.
        fn file(&self, content: &str) -> PathBuf {
            let path = self.0.join("journal");
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    fn problem(path: &Path) -> String {
        open(path, 1_000_000).expect_err("it is refused").to_string()
    }

    // proves: security/journal
    #[test]
    fn a_new_file_is_its_owners_alone() {
        let folder = Folder::new("new");
        let path = folder.0.join("new");
        let (_, left) = open(&path, 1_000).unwrap();
        assert_eq!((mode(&path), left), (0o600, 1_000));
    }

    // proves: security/journal
    #[test]
    fn what_was_written_before_stays_and_is_others_no_more() {
        let folder = Folder::new("append");
        let cut = format!("{HEADER}{{\"n\":1,\"ti");
        let path = folder.file(&cut);
        let (mut file, left) = open(&path, 1_000).unwrap();
        file.write_all(HEADER.as_bytes()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{cut}\n{HEADER}"));
        assert_eq!((mode(&path), left), (0o600, 1_000 - cut.len() as u64 - 1));
    }

    // proves: security/journal
    #[test]
    fn what_is_no_journal_of_ours_is_left_alone() {
        let folder = Folder::new("refused");
        let path = folder.file("precious\n");
        assert_eq!(problem(&path), "this file is not a journal, and was not changed");
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("precious\n", 0o644));

        let path = folder.file(HEADER);
        let link = folder.0.join("link");
        symlink(&path, &link).unwrap();
        assert_eq!(problem(&link), "it is a link: name the file itself");
        let dangling = folder.0.join("dangling");
        symlink(folder.0.join("nowhere"), &dangling).unwrap();
        assert_eq!(problem(&dangling), "it is a link: name the file itself");
        assert!(!folder.0.join("nowhere").exists());
        let second = folder.0.join("second");
        fs::hard_link(&path, &second).unwrap();
        assert_eq!(problem(&path), "it has a second name (a hard link), by which others may read it");
        fs::remove_file(second).unwrap();

        let (_file, _) = open(&path, 1_000_000).unwrap();
        assert_eq!(problem(&path), "another process is writing to it");
        assert_eq!(problem(Path::new("/dev/null")), "it is not a regular file");
        let socket = folder.0.join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        assert!(open(&socket, 1_000).is_err());
        assert!(open(&folder.0, 1_000).is_err(), "a folder");
    }

    #[test]
    fn a_full_file_is_put_aside() {
        let folder = Folder::new("full");
        let full = HEADER.repeat(10);
        let path = folder.file(&full);
        let limit = full.len() as u64;
        let (_, left) = open(&path, limit).unwrap();
        assert_eq!(left, limit);
        assert_eq!(fs::read_to_string(folder.0.join("journal.1")).unwrap(), full);
        assert_eq!(mode(&folder.0.join("journal.1")), 0o600);
    }
}
