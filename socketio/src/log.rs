//! What clients write, as it may stand in a log.

use std::fmt::{self, Write as _};

/// Text that came from a client: escaped, so that it can't forge lines or move a terminal's cursor, and cut.
pub(crate) struct Excerpt<'a>(pub(crate) &'a str);

const MAX_CHARS: usize = 100;

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.0.chars();
        for char in chars.by_ref().take(MAX_CHARS) {
            // U+2028 and the direction marks are not control characters, but no better in a log.
            if char.is_ascii_graphic() || char == ' ' || char.is_alphanumeric() {
                f.write_char(char)?;
            } else {
                write!(f, "{}", char.escape_default())?;
            }
        }
        if chars.next().is_some() { f.write_str("…") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_long_text_is_cut() {
        assert_eq!(Excerpt("a\n\u{1b}[31m é\u{2028}").to_string(), "a\\n\\u{1b}[31m é\\u{2028}");
        assert_eq!(Excerpt(&"a".repeat(1000)).to_string(), format!("{}…", "a".repeat(100)));
    }
}
