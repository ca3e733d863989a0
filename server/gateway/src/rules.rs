//! What happens to a client's event: who gets it, and how many of them a client may send.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use crate::pattern::{self, is_pattern};

/// Where events go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To the backend, by a hook. Its answer is the acknowledgement.
    Backend,
    /// To the other sockets in the sender's rooms, on all nodes.
    RelayToRooms,
    /// To all other sockets of the namespace, on all nodes.
    RelayToNamespace,
    /// Nowhere. A client that waits for an acknowledgement gets an error.
    Refuse,
    /// Nowhere, without an answer.
    Drop,
}

/// What becomes of the events of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The event's name. A `*` at its end stands for anything.
    pub name: String,
    /// The namespace of the event; `None` means all.
    pub namespace: Option<String>,
    /// Where the events go.
    pub action: Action,
    /// How many of them each client may send. Others are dropped.
    pub rate: Option<Rate>,
}

/// How many events in how much time, and as many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how much time.
    pub period: Duration,
}

/// The rules of all events.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The one that fits best comes first.
    rules: Vec<Rule>,
    other: Action,
    /// Nobody has said what happens to other events.
    pub(crate) default_for_others: bool,
}

impl Rules {
    /// These rules; other events are treated as `other` says.
    #[must_use]
    pub fn new(mut rules: Vec<Rule>, other: Action) -> Rules {
        // A rule for one namespace before those for some, and these before those for all. The same for names: one, a
        // long pattern, a short pattern.
        let rank = |text: &str| (is_pattern(text), Reverse(text.len()));
        rules.sort_by_key(|rule| {
            let home = rule.namespace.as_deref().map(rank);
            (home.is_none(), home, rank(&rule.name))
        });
        Rules { rules, other, default_for_others: false }
    }

    /// The same if `other` is only a default: the log then warns of other events that are dropped, since clients may
    /// have misspelt them.
    #[must_use]
    pub fn with_default_for_others(self) -> Rules {
        Rules { default_for_others: true, ..self }
    }

    /// Where an event goes; and the number and rate of its rule, if it has one.
    pub(crate) fn find(&self, namespace: &str, event: &str) -> (Action, Option<(usize, Option<Rate>)>) {
        let fits = |rule: &Rule| {
            rule.namespace.as_deref().is_none_or(|name| pattern::fits(name, namespace))
                && pattern::fits(&rule.name, event)
        };
        match self.rules.iter().position(fits) {
            Some(at) => (self.rules[at].action, Some((at, self.rules[at].rate))),
            None => (self.other, None),
        }
    }
}

impl Default for Rules {
    /// All events go to the backend.
    fn default() -> Rules {
        Rules::new(Vec::new(), Action::Backend)
    }
}

impl std::str::FromStr for Rate {
    type Err = String;

    /// Reads `5/s`, `100/m` or `10/10s`.
    fn from_str(text: &str) -> Result<Rate, String> {
        let wrong = || format!("{text:?} is not a rate, such as \"5/s\", \"100/m\" or \"10/10s\"");
        let (count, period) = text.split_once('/').ok_or_else(wrong)?;
        let count = count.trim().parse().ok().filter(|count| *count > 0).ok_or_else(wrong)?;
        let period = period.trim();
        let period = if period.starts_with(|first: char| first.is_ascii_digit()) {
            period.to_owned()
        } else {
            format!("1{period}")
        };
        match humantime::parse_duration(&period) {
            Ok(period) if !period.is_zero() => Ok(Rate { count, period }),
            _ => Err(wrong()),
        }
    }
}

/// How many events one client has sent of late.
#[derive(Debug, Default)]
pub(crate) struct Spent(Vec<(usize, Bucket)>);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Spent {
    /// Whether another event of a rule may be sent now. If so, it is counted.
    pub(crate) fn spend(&mut self, rule: usize, rate: Rate, now: Instant) -> bool {
        let most = f64::from(rate.count);
        let at = self.0.iter().position(|(number, _)| *number == rule).unwrap_or_else(|| {
            self.0.push((rule, Bucket { left: most, at: now }));
            self.0.len() - 1
        });
        let bucket = &mut self.0[at].1;
        let since = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.left = most.min(bucket.left + since * most / rate.period.as_secs_f64());
        bucket.at = now;
        let allowed = bucket.left >= 1.0;
        if allowed {
            bucket.left -= 1.0;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(namespace: Option<&str>, name: &str, action: Action) -> Rule {
        Rule { name: name.to_owned(), namespace: namespace.map(str::to_owned), action, rate: None }
    }

    #[test]
    fn the_rule_that_fits_best_counts() {
        let rules = Rules::new(
            vec![
                rule(None, "client-*", Action::RelayToRooms),
                rule(None, "*", Action::Drop),
                rule(None, "client-typing", Action::RelayToNamespace),
                rule(Some("/admin"), "*", Action::Backend),
                rule(Some("/orders-*"), "chat", Action::RelayToRooms),
                rule(Some("/orders-7"), "*", Action::Backend),
            ],
            Action::Refuse,
        );
        assert_eq!(rules.find("/orders-8", "chat").0, Action::RelayToRooms);
        assert_eq!(rules.find("/orders-7", "chat").0, Action::Backend);
        assert_eq!(rules.find("/orders-8", "other").0, Action::Drop);
        assert_eq!(rules.find("/", "client-typing").0, Action::RelayToNamespace);
        assert_eq!(rules.find("/", "client-x").0, Action::RelayToRooms);
        assert_eq!(rules.find("/", "chat").0, Action::Drop);
        assert_eq!(rules.find("/admin", "client-typing").0, Action::Backend);
        let few = Rules::new(vec![rule(Some("/a"), "chat", Action::Backend)], Action::Refuse);
        assert_eq!(few.find("/b", "chat").0, Action::Refuse);
    }

    #[test]
    fn a_client_may_send_so_many_in_so_much_time() {
        let (rate, start) = ("2/s".parse().unwrap(), Instant::now());
        let mut spent = Spent::default();
        let mut spend = |rule, millis| spent.spend(rule, rate, start + Duration::from_millis(millis));
        assert_eq!([spend(0, 0), spend(0, 0), spend(0, 0)], [true, true, false]);
        assert!(spend(1, 0), "each rule counts its own");
        assert_eq!([spend(0, 499), spend(0, 500), spend(0, 501)], [false, true, false]);
        assert_eq!([spend(0, 10_000), spend(0, 10_000), spend(0, 10_000)], [true, true, false]);
    }

    #[test]
    fn a_rate_is_a_number_and_a_time() {
        let rate = |text: &str| text.parse::<Rate>();
        let of = |count, seconds| Ok(Rate { count, period: Duration::from_secs(seconds) });
        assert_eq!([rate("5/s"), rate("100/m"), rate("3 / 10s")], [of(5, 1), of(100, 60), of(3, 10)]);
        for wrong in ["", "5", "0/s", "-1/s", "5/", "5/x", "5/0s", "1.5/s"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
