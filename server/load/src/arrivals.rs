//! Which messages of a sequence have come, and how.

use std::collections::BTreeSet;

/// What has come of a sequence of messages, which are numbered from 0.
///
/// ```
/// use socketio_load::Arrivals;
///
/// let mut arrivals = Arrivals::default();
/// for number in [0, 2, 1, 1] {
///     arrivals.arrived(number);
/// }
/// assert_eq!((arrivals.lost(5), arrivals.out_of_order(), arrivals.twice()), (2, 1, 1));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    /// One more than the highest number that has come.
    next: u64,
    /// The numbers below that have not come.
    missing: BTreeSet<u64>,
    out_of_order: u64,
    twice: u64,
}

/// How a message came.
///
/// ```
/// use socketio_load::{Arrival, Arrivals};
///
/// let mut arrivals = Arrivals::default();
/// assert_eq!(arrivals.arrived(1), Arrival::InOrder);
/// assert_eq!(arrivals.arrived(0), Arrival::OutOfOrder);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arrival {
    /// After all that came before it and have lower numbers. Some between may be missing.
    InOrder,
    /// After one with a higher number.
    OutOfOrder,
    /// A second time.
    Twice,
}

impl Arrivals {
    /// Takes note of the message of that number. What was never sent must not be told: a gap takes memory.
    pub fn arrived(&mut self, number: u64) -> Arrival {
        if number >= self.next {
            self.missing.extend(self.next..number);
            self.next = number + 1;
            return Arrival::InOrder;
        }
        if self.missing.remove(&number) {
            self.out_of_order += 1;
            return Arrival::OutOfOrder;
        }
        self.twice += 1;
        Arrival::Twice
    }

    /// How many have come, each counted once.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.next - self.missing.len() as u64
    }

    /// How many of so many have not come.
    #[must_use]
    pub fn lost(&self, sent: u64) -> u64 {
        sent.saturating_sub(self.count())
    }

    /// How many came after one with a higher number.
    #[must_use]
    pub fn out_of_order(&self) -> u64 {
        self.out_of_order
    }

    /// How often one came that had come before.
    #[must_use]
    pub fn twice(&self) -> u64 {
        self.twice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(numbers: &[u64]) -> Arrivals {
        let mut arrivals = Arrivals::default();
        for number in numbers {
            arrivals.arrived(*number);
        }
        arrivals
    }

    #[test]
    fn what_comes_in_order_is_all_right() {
        let all = arrivals(&[0, 1, 2]);
        assert_eq!((all.count(), all.lost(3), all.out_of_order(), all.twice()), (3, 0, 0, 0));
        assert_eq!(all.lost(5), 2, "the last ones");
        assert_eq!(arrivals(&[]).lost(2), 2, "all");
    }

    #[test]
    fn a_gap_is_a_loss_until_it_is_filled_and_then_a_breach_of_order() {
        let mut some = arrivals(&[0, 3]);
        assert_eq!((some.lost(4), some.out_of_order()), (2, 0));
        assert_eq!(some.arrived(1), Arrival::OutOfOrder);
        assert_eq!((some.lost(4), some.out_of_order(), some.count()), (1, 1, 3));
        assert_eq!(some.arrived(4), Arrival::InOrder);
    }

    #[test]
    fn what_comes_twice_makes_up_for_no_loss() {
        let mut some = arrivals(&[0, 2]);
        assert_eq!((some.arrived(2), some.arrived(0)), (Arrival::Twice, Arrival::Twice));
        assert_eq!((some.count(), some.lost(3), some.twice()), (2, 1, 2));
    }
}
