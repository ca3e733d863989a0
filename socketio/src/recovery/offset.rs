//! The offsets of events, by which a client says what it has received.

use std::fmt;
use std::str::FromStr;

/// The position of an event in the order of sending. When a client comes back, it names the last one that it
/// received.
///
/// This process's offsets are one number. An adapter's are two, like the id of an entry in a Redis stream:
/// `1795913825402-0`. So they can't be confused.
///
/// ```
/// use socketio::Offset;
///
/// let offset: Offset = "1795913825402-0".parse()?;
/// assert_eq!(offset, Offset::new(1_795_913_825_402, 0));
/// # Ok::<_, socketio::NoOffset>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset {
    first: u64,
    second: Option<u64>,
}

/// The text is not an offset.
///
/// ```
/// use socketio::Offset;
///
/// println!("{}", "yesterday".parse::<Offset>().unwrap_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoOffset;

impl Offset {
    /// An offset that an adapter gives. They compare by the first number, then by the second.
    #[must_use]
    pub fn new(first: u64, second: u64) -> Offset {
        Offset { first, second: Some(second) }
    }

    pub(crate) fn own(number: u64) -> Offset {
        Offset { first: number, second: None }
    }

    pub(crate) fn is_own(self) -> bool {
        self.second.is_none()
    }

    /// Whether it is of the same kind as the other, and smaller.
    pub(crate) fn is_before(self, other: Offset) -> bool {
        self.second.is_some() == other.second.is_some() && self < other
    }

    /// The least that is greater.
    pub(crate) fn next(self) -> Offset {
        match self.second {
            None => Offset::own(self.first.saturating_add(1)),
            Some(second) => Offset { second: Some(second.saturating_add(1)), ..self },
        }
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.second {
            None => write!(f, "{}", self.first),
            Some(second) => write!(f, "{}-{second}", self.first),
        }
    }
}

impl FromStr for Offset {
    type Err = NoOffset;

    /// Digits without a sign, or two such numbers with a dash between them.
    fn from_str(text: &str) -> Result<Offset, NoOffset> {
        let number = |text: &str| -> Option<u64> {
            text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
        };
        let offset = match text.split_once('-') {
            None => number(text).map(Offset::own),
            Some((first, second)) => {
                number(first).and_then(|first| Some(Offset::new(first, number(second)?)))
            }
        };
        offset.ok_or(NoOffset)
    }
}

impl fmt::Display for NoOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an offset: it must be digits, or two groups of digits with a dash between them")
    }
}

impl std::error::Error for NoOffset {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_as_they_are_written_and_others_are_refused() {
        for text in ["0", "18446744073709551615", "1795913825402-0", "0-1"] {
            assert_eq!(text.parse::<Offset>().unwrap().to_string(), text);
        }
        for text in ["", "-", "1-", "-1", "+1", "1-+1", "1-2-3", " 1", "1 ", "18446744073709551616", "a"] {
            assert_eq!(text.parse::<Offset>(), Err(NoOffset), "{text}");
        }
    }

    #[test]
    fn they_compare_by_the_first_number_and_then_by_the_second() {
        let sorted = ["2-0", "2-1", "10-0", "10-9", "10-10"].map(|text| text.parse::<Offset>().unwrap());
        assert!(sorted.is_sorted());
        assert!(Offset::new(5, 1) < Offset::new(5, 1).next() && Offset::new(5, 1).next() < Offset::new(6, 0));
    }
}
