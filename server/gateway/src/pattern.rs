//! Names with a `*` at their end, which stands for anything.

/// Whether it is one.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.ends_with('*')
}

/// Whether a pattern, or a name, means this name.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

/// The same as a regular expression.
pub(crate) fn regex(pattern: &str) -> String {
    let start = pattern.strip_suffix('*').unwrap_or(pattern);
    let mut text = String::from("(?s)^");
    for char in start.chars() {
        match char.is_alphanumeric() {
            true => text.push(char),
            false => text += &format!("\\x{{{:x}}}", u32::from(char)),
        }
    }
    text + ".*$"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_at_the_end_stands_for_anything() {
        assert!(is_pattern("/orders-*") && !is_pattern("/a*b"));
        assert!(fits("/orders-*", "/orders-7") && fits("/orders-*", "/orders-") && fits("/a*b", "/a*b"));
        assert!(!fits("/orders-*", "/order") && !fits("/orders-*", "/my/orders-7") && !fits("/a", "/ab"));
        assert_eq!(regex("/é.*"), r"(?s)^\x{2f}é\x{2e}.*$");
    }
}
