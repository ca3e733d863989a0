//! Errors of Redis that pass.

/// The codes of replies by which a server says that it can't carry out a command now, and that it has not.
const PASSING: [&str; 6] = [
    // The slot is being moved, or has no server.
    "TRYAGAIN",
    "CLUSTERDOWN",
    // It has just started, or runs a script.
    "LOADING",
    "BUSY",
    // It is a replica: another server takes what is written, or will.
    "MASTERDOWN",
    "READONLY",
];

/// Whether it is worth while to send a command again: to the same server, or to one that is looked for anew.
pub(crate) fn is_passing(error: &str) -> bool {
    error.split(' ').next().is_some_and(|code| PASSING.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_told_from_what_is_refused_for_good() {
        for error in
            ["READONLY You can't write against a read only replica.", "LOADING", "BUSY Redis is busy"]
        {
            assert!(is_passing(error), "{error}");
        }
        for error in ["BUSYGROUP there is one", "NOPERM no", "MISCONF no disk", "OOM full", "ERR LOADING", ""]
        {
            assert!(!is_passing(error), "{error}");
        }
    }
}
