//! What the process takes of the system, as Linux says it in `/proc`.

use std::fs;
use std::sync::OnceLock;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// What the process takes at one moment.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) cpu_seconds: f64,
    /// When it started, in seconds since 1970.
    pub(crate) start_seconds: f64,
    pub(crate) threads: u64,
    pub(crate) virtual_bytes: u64,
    pub(crate) resident_bytes: u64,
    pub(crate) open_descriptors: usize,
    /// `None` if there is no limit.
    pub(crate) max_descriptors: Option<u64>,
}

impl Process {
    /// `None` where there is no `/proc`, or one that says less.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn read() -> Option<Process> {
        // See proc_pid_stat(5). The second field is a name in parentheses, which may have spaces.
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let seconds = |ticks: u64| ticks as f64 / clock_ticks_per_second() as f64;
        Some(Process {
            cpu_seconds: seconds(field(14)? + field(15)?),
            start_seconds: booted()? + seconds(field(22)?),
            threads: field(20)?,
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * page_size() as u64,
            open_descriptors: open_descriptors()?,
            max_descriptors: getrlimit(Resource::Nofile).current,
        })
    }
}

/// When the system started, in seconds since 1970. It is read once: that file has a line for each processor.
fn booted() -> Option<f64> {
    static BOOTED: OnceLock<Option<f64>> = OnceLock::new();
    *BOOTED.get_or_init(|| {
        let system = fs::read_to_string("/proc/stat").ok()?;
        system.lines().find_map(|line| line.strip_prefix("btime "))?.parse().ok()
    })
}

/// How many file descriptors are open. Since Linux 6.2, the folder's size says that. Before, they are counted, which takes
/// about a millisecond for a thousand.
fn open_descriptors() -> Option<usize> {
    let folder = "/proc/self/fd";
    match usize::try_from(fs::metadata(folder).ok()?.len()).ok()? {
        0 => counted(folder),
        open => Some(open),
    }
}

fn counted(folder: &str) -> Option<usize> {
    // One of them is for reading this folder.
    Some(fs::read_dir(folder).ok()?.count().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::SystemTime;

    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_knows_what_it_takes() {
        let before = Process::read().expect("there is a /proc");
        // Other tests of this process open and close some, too.
        let files: Vec<File> = (0..200).map(|_| File::open("/proc/self/stat").expect("a file")).collect();
        let after = Process::read().expect("there is a /proc");
        assert!(after.open_descriptors > before.open_descriptors + files.len() / 2, "{before:?} {after:?}");
        assert!(after.max_descriptors.is_none_or(|most| most >= after.open_descriptors as u64), "{after:?}");
        assert!(after.resident_bytes > 1_000_000 && after.virtual_bytes >= after.resident_bytes, "{after:?}");
        assert!(after.threads >= 1 && after.cpu_seconds >= before.cpu_seconds, "{before:?} {after:?}");
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("a time after 1970").as_secs_f64();
        let age = now - after.start_seconds;
        // The system's start is rounded to a second.
        assert!((-2.0..36_000.0).contains(&age), "{age}");
    }
}
