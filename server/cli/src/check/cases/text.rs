//! The files of cases.

use std::sync::LazyLock;

use engineio::Revision;

const FILES: [&str; 2] = [include_str!("engineio.txt"), include_str!("socketio.txt")];

/// A case.
#[derive(Debug)]
pub(crate) struct Case {
    pub(super) id: &'static str,
    pub(super) level: Level,
    pub(super) revisions: Vec<Revision>,
    pub(super) by: By,
    pub(super) title: &'static str,
    pub(super) expects: &'static str,
    pub(super) source: &'static str,
    pub(super) lines: Vec<&'static str>,
}

/// How much a case matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Must,
    Should,
    Robust,
    /// It may end a server that is not ready for it, so it is run only if asked for.
    Hostile,
}

/// The transports that a case is run by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// Single requests.
    Http,
    Polling,
    WebSocket,
    Both,
    Upgrade,
    /// It waits for a heartbeat.
    Slow,
}

impl Level {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Level::Must => "must",
            Level::Should => "should",
            Level::Robust => "robust",
            Level::Hostile => "hostile",
        }
    }
}

impl Case {
    /// The numbers of its id.
    #[cfg(test)]
    pub(super) fn parts(&self) -> Vec<u32> {
        self.id.split('.').map(|part| part.parse().unwrap_or_default()).collect()
    }

    /// Whether it is the case of that number, or in the group of that number.
    pub(super) fn is_in(&self, number: &str) -> bool {
        self.id == number || self.id.strip_prefix(number).is_some_and(|rest| rest.starts_with('.'))
    }

    fn read(text: &'static str) -> Option<Case> {
        let mut lines = text.lines();
        let mut head = lines.next()?.split(" | ");
        let mut words = head.next()?.split(' ');
        let case = Case {
            id: words.next()?,
            level: match words.next()? {
                "must" => Level::Must,
                "should" => Level::Should,
                "robust" => Level::Robust,
                "hostile" => Level::Hostile,
                _ => return None,
            },
            revisions: match words.next()? {
                "3" => vec![Revision::V3],
                "4" => vec![Revision::V4],
                "34" => vec![Revision::V3, Revision::V4],
                _ => return None,
            },
            by: match words.next()? {
                "http" => By::Http,
                "polling" => By::Polling,
                "websocket" => By::WebSocket,
                "both" => By::Both,
                "upgrade" => By::Upgrade,
                "slow" => By::Slow,
                _ => return None,
            },
            title: head.next()?,
            expects: head.next()?,
            source: head.next()?,
            lines: lines.filter(|line| !line.is_empty()).collect(),
        };
        (!case.lines.is_empty()).then_some(case)
    }
}

/// All cases, in the order of their numbers.
pub(super) fn all() -> &'static [Case] {
    static ALL: LazyLock<Vec<Case>> = LazyLock::new(|| {
        FILES.iter().flat_map(|file| file.split("\n# ").skip(1)).filter_map(Case::read).collect()
    });
    &ALL
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_case_can_be_read_and_has_a_number_of_its_own() {
        for text in FILES.iter().flat_map(|file| file.split("\n# ").skip(1)) {
            let case = Case::read(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(case.parts().iter().filter(|part| **part > 0).count(), 3, "{}", case.id);
            assert!(case.expects.ends_with('.') && !case.title.ends_with('.'), "{}", case.id);
        }
        let ids: BTreeSet<_> = all().iter().map(|case| case.id).collect();
        assert_eq!(ids.len(), all().len());
        assert!(all().len() >= 200, "{}", all().len());
    }
}
