//! What the operating system knows of the server's process, and where this one runs.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::ops::Sub;

/// The server under load.
#[derive(Clone)]
pub struct Server {
    pub pid: u32,
    pub address: SocketAddr,
    pub path: String,
    /// The other servers of its cluster.
    pub others: Vec<Server>,
    /// Where backends publish, if they can.
    pub api: Option<SocketAddr>,
}

/// Processor time in microseconds.
#[derive(Clone, Copy, Default)]
pub struct Cpu {
    pub own: f64,
    /// With that of the other servers.
    pub all: f64,
}

impl Sub for Cpu {
    type Output = Cpu;

    fn sub(self, before: Cpu) -> Cpu {
        Cpu { own: self.own - before.own, all: self.all - before.all }
    }
}

impl Server {
    /// What the servers took so far.
    pub fn cpu(&self) -> io::Result<Cpu> {
        let own = self.cpu_micros()?;
        let others: io::Result<f64> = self.others.iter().map(Server::cpu_micros).sum();
        Ok(Cpu { own, all: own + others? })
    }

    /// User and system time of all threads so far, in microseconds.
    pub fn cpu_micros(&self) -> io::Result<f64> {
        let mut clock = 0;
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: both calls write to the places given and keep nothing.
        let error = unsafe {
            match libc::clock_getcpuclockid(self.pid as libc::pid_t, &mut clock) {
                0 => libc::clock_gettime(clock, &mut time),
                error => error,
            }
        };
        if error != 0 {
            return Err(io::Error::other("the server's process is gone"));
        }
        Ok(time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3)
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> io::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok());
        kib.ok_or_else(|| io::Error::other("the server's memory is not known"))
    }
}

/// Binds this thread to one processor.
pub fn pin(cpu: usize) {
    // SAFETY: the set is a plain bit mask that lives for the length of the call.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
}
