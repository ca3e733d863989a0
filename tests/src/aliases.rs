//! Ids that differ from run to run, made equal, for documents that show real exchanges.

/// What ids are called, in the order in which they first appear.
const IDS: [&str; 12] = [
    "Vj7dX2mQ0bLrT9uKcZaE",
    "h4GsW_eY8nPq1xCfD6tB",
    "Rk0pM5vJ-zU3yAoNi7Hw",
    "bT2fQ9lXs6EgKd8rVuYc",
    "Zw5nC1aPqO7jBm3HxIeG",
    "y8LtD4rUkS0vFi6MgWzA",
    "Kx9eN3hTbJ5pQo2RlYdV",
    "m1UcG7wZfX4sHa_IvPtE",
    "Eq6oB0yKnM8uLr5CjDxS",
    "s3WvI9dFgA7zTk2QpHbN",
    "Oc4jR8xEmV1lYh6GuZfU",
    "u0PiS5qNtC9aJw3DkXyM",
];

/// The first offset of a connection state recovery.
const OFFSET: u64 = 4_096_000_000_000_017;

/// The fields that have an id.
const FIELDS: [&str; 5] = ["sid\":\"", "sid\\\":\\\"", "pid\":\"", "pid\\\":\\\"", "&sid="];

/// The ids of a conversation, each with the name that it is given.
#[derive(Debug, Default)]
pub struct Aliases {
    ids: Vec<String>,
    /// Offsets count on from the first.
    first_offset: Option<u64>,
}

impl Aliases {
    /// A text of that conversation with other ids and offsets: always the same if nothing else differs.
    pub fn settle(&mut self, text: &str) -> String {
        for field in text.match_indices("id").flat_map(|(at, _)| ids_near(text, at)) {
            if !self.ids.iter().any(|id| id == field) {
                self.ids.push(field.to_owned());
            }
        }
        let mut settled = text.to_owned();
        for (id, alias) in self.ids.iter().zip(IDS) {
            settled = settled.replace(id.as_str(), alias);
        }
        self.settle_offsets(&settled)
    }

    /// An offset is a string of many digits.
    fn settle_offsets(&mut self, text: &str) -> String {
        let mut settled = String::new();
        for (index, piece) in text.split('"').enumerate() {
            if index > 0 {
                settled.push('"');
            }
            let (digits, rest) =
                piece.split_at(piece.find(|c: char| !c.is_ascii_digit()).unwrap_or(piece.len()));
            let offset = digits.parse().ok().filter(|_| digits.len() > 9 && ["", "\\"].contains(&rest));
            match offset {
                Some(offset) if index > 0 => {
                    let first = *self.first_offset.get_or_insert(offset);
                    settled += &(OFFSET + offset.saturating_sub(first)).to_string();
                    settled += rest;
                }
                _ => settled += piece,
            }
        }
        settled
    }
}

/// The id that follows a field whose name has `id` at `at`.
fn ids_near(text: &str, at: usize) -> Option<&str> {
    let field = FIELDS.iter().find(|field| {
        let lead = field.find("id").unwrap_or_default();
        at >= lead && text[..at + 2].is_char_boundary(at - lead) && text[at - lead..].starts_with(**field)
    })?;
    let lead = field.find("id").unwrap_or_default();
    let rest = &text[at - lead + field.len()..];
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c))).unwrap_or(rest.len());
    (end == 20).then(|| &rest[..end])
}

#[cfg(test)]
mod tests {
    use super::Aliases;

    #[test]
    fn ids_are_named_in_the_order_of_their_appearance() {
        let mut aliases = Aliases::default();
        let open = aliases.settle(r#"0{"sid":"abcdefghijklmnopqrst"}"#);
        assert_eq!(open, r#"0{"sid":"Vj7dX2mQ0bLrT9uKcZaE"}"#);
        let journal = aliases.settle(r#""40{\"sid\":\"ABCDEFGHIJKLMNOPQRST\"}" &sid=abcdefghijklmnopqrst é"#);
        let settled = r#""40{\"sid\":\"h4GsW_eY8nPq1xCfD6tB\"}" &sid=Vj7dX2mQ0bLrT9uKcZaE é"#;
        assert_eq!(journal, settled);
        assert_eq!(aliases.settle(r#"{"sid":"short"}"#), r#"{"sid":"short"}"#);
    }

    #[test]
    fn offsets_count_on_from_the_first() {
        let mut aliases = Aliases::default();
        assert_eq!(aliases.settle(r#"42["a","77700000000000"]"#), r#"42["a","4096000000000017"]"#);
        assert_eq!(aliases.settle(r#"["a",\"77700000000002\"]"#), r#"["a",\"4096000000000019\"]"#);
        assert_eq!(aliases.settle(r#"["a","12"]"#), r#"["a","12"]"#);
    }
}
