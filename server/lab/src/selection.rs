//! Which cases to run, and which failures are known.

use std::collections::HashSet;
use std::fmt;

use crate::case::About;
use crate::cases::GROUPS;

/// Which cases to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseSelection {
    /// Only these: ids, or what ids begin with, such as `4` or `4.2`. Empty means all.
    pub only: Vec<String>,
    /// None of these.
    pub skip: Vec<String>,
    /// Only of these groups: numbers, or parts of their names. Empty means all.
    pub groups: Vec<String>,
}

impl CaseSelection {
    /// What is wrong with it: the first part of it that is no case and no group, and the option that it is of; or that nothing
    /// is left.
    ///
    /// # Errors
    /// That, in words.
    pub fn check(&self) -> Result<(), WrongSelection> {
        let cases = crate::cases::for_clients();
        let has = |number: &str| cases.iter().any(|case| begins(case.about.id, number));
        for (option, numbers) in [("only", &self.only), ("skip", &self.skip)] {
            if let Some(unknown) = numbers.iter().find(|number| !has(number)) {
                return Err(WrongSelection::Number { option, given: unknown.clone() });
            }
        }
        let groups = |wanted: &String| cases.iter().any(|case| in_group(&case.about, wanted));
        if let Some(unknown) = self.groups.iter().find(|group| !groups(group)) {
            return Err(WrongSelection::Group(unknown.clone()));
        }
        if cases.iter().any(|case| self.has(&case.about)) { Ok(()) } else { Err(WrongSelection::Nothing) }
    }

    /// Whether to run a case.
    #[must_use]
    pub fn has(&self, about: &About) -> bool {
        (self.only.is_empty() || self.only.iter().any(|only| begins(about.id, only)))
            && !self.skip.iter().any(|skip| begins(about.id, skip))
            && (self.groups.is_empty() || self.groups.iter().any(|wanted| in_group(about, wanted)))
    }
}

/// Whether a case is in the group of this number, or in one whose name has this in it.
fn in_group(about: &About, wanted: &str) -> bool {
    let group = GROUPS[about.group() as usize - 1].to_lowercase();
    let named =
        wanted.parse::<u32>().is_err() && !wanted.is_empty() && group.contains(&wanted.to_lowercase());
    wanted == about.group().to_string() || named
}

/// Why a selection selects nothing, or not what is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrongSelection {
    /// There is no such case, and no group of cases.
    Number {
        /// The option: `only` or `skip`.
        option: &'static str,
        /// The number.
        given: String,
    },
    /// There is no group of this number or name.
    Group(String),
    /// No case is in all that is asked for.
    Nothing,
}

impl fmt::Display for WrongSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WrongSelection::Number { option, given } => {
                write!(f, "--{option} {given:?}: there is no such case or group; `lab cases` prints all")
            }
            WrongSelection::Group(given) => {
                write!(f, "--group {given:?}: there is no such group: ")?;
                let names = GROUPS.iter().enumerate().map(|(at, name)| format!("{} {name}", at + 1));
                f.write_str(&names.collect::<Vec<_>>().join(", "))
            }
            WrongSelection::Nothing => f.write_str("--only, --skip and --group together leave no case"),
        }
    }
}

impl std::error::Error for WrongSelection {}

/// Whether an id is this one, or is in this part of the list.
fn begins(id: &str, with: &str) -> bool {
    let rest = id.strip_prefix(with.trim_end_matches('.'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Failures that are known: they don't fail a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownFailures(HashSet<(Option<String>, String)>);

impl KnownFailures {
    /// Reads a list: on each line an id, and an agent's name before it if it is about one agent. `#` begins a remark.
    ///
    /// # Errors
    /// The first line that has no id of a case, in words.
    pub fn read(text: &str) -> Result<KnownFailures, String> {
        let (mut known, cases) = (HashSet::new(), crate::cases::for_clients());
        for (at, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let (agent, id) = match line.rsplit_once(char::is_whitespace) {
                Some((agent, id)) => (Some(agent.trim().to_owned()), id),
                None => (None, line),
            };
            if id.split('.').count() != 3 || !id.split('.').all(|part| part.parse::<u32>().is_ok()) {
                return Err(format!("line {}: `{id}` is not the number of a case, such as 4.2.3", at + 1));
            }
            if !cases.iter().any(|case| case.about.id == id) {
                return Err(format!("line {}: there is no case {id}; `lab cases` prints all", at + 1));
            }
            known.insert((agent, id.to_owned()));
        }
        Ok(KnownFailures(known))
    }

    /// Whether an agent's failure is known.
    #[must_use]
    pub fn has(&self, agent: &str, case: &str) -> bool {
        self.0.contains(&(None, case.to_owned()))
            || self.0.contains(&(Some(agent.to_owned()), case.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_number_selects_all_below_it() {
        assert!(begins("4.2.3", "4.2.3") && begins("4.2.3", "4.2") && begins("4.2.3", "4"));
        assert!(!begins("14.2.3", "4") && !begins("4.20.3", "4.2"));
    }

    #[test]
    fn known_failures_are_an_agents_or_everyones() {
        let known = KnownFailures::read("# a list\n4.2.3\nrust_socketio 0.6 2.1.1 # why\n").unwrap();
        assert!(known.has("anyone", "4.2.3") && known.has("rust_socketio 0.6", "2.1.1"));
        assert!(!known.has("anyone", "2.1.1"));
        assert!(KnownFailures::read("\n4.2").unwrap_err().contains("line 2"));
        let error = KnownFailures::read("4.2.3\n\nmy client 99.1.1 # why").unwrap_err();
        assert_eq!(error, "line 3: there is no case 99.1.1; `lab cases` prints all");
    }

    #[test]
    fn what_selects_nothing_is_told() {
        let told = |only: &[&str], skip: &[&str], groups: &[&str]| {
            let [only, skip, groups] =
                [only, skip, groups].map(|list| list.iter().map(|one| (*one).to_owned()).collect());
            CaseSelection { only, skip, groups }.check().map_err(|wrong| wrong.to_string())
        };
        assert_eq!(told(&[], &[], &[]), Ok(()));
        assert_eq!(told(&["4.2", "1", "1.1.1"], &["4.2.1", "5."], &["upgrade", "OPEN", "14"]), Ok(()));
        let begins = |told: Result<(), String>, problem: &str| {
            let told = told.unwrap_err();
            assert!(told.starts_with(problem), "{told}");
        };
        for number in ["99.9", "abc", "", "1.1.0", "4.2.3.1"] {
            begins(told(&["1.1.1", number], &[], &[]), &format!("--only {number:?}: there is no such case"));
            begins(told(&[], &[number], &[]), &format!("--skip {number:?}: there is no such case"));
        }
        for group in ["nonsense", "", "15", "0"] {
            let problem = format!("--group {group:?}: there is no such group: 1 Opening, 2 Polling, ");
            begins(told(&[], &[], &["heartbeat", group]), &problem);
        }
        begins(told(&["1.1.1"], &[], &["heartbeat"]), "--only, --skip and --group together leave no case");
        begins(told(&["1.1.1"], &["1"], &[]), "--only, --skip and --group together leave no case");
    }
}
