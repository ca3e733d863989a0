//! Options that have another name than they had. The old one works as before, as flag, variable and key, until the next
//! version that may break something; whoever starts the server is told.

use super::TABLE;
use super::row::Row;

/// Old names, and the keys of the options that they are now. They are in no help.
const OLD_NAMES: &[(&str, &str)] = if cfg!(test) {
    // So that the tests have one of each form.
    &[("listen-on", "listen"), ("ping-every", "ping-interval"), ("refuse-eio3", "no-eio3")]
} else {
    &[]
};

/// The options by their old names.
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static Row)> {
    OLD_NAMES.iter().filter_map(|(old, key)| Some((*old, TABLE.iter().find(|row| row.key == *key)?)))
}

/// The option of that name, which may be an old one, and the name.
pub(super) fn find(is: impl Fn(&str) -> bool) -> Option<(&'static Row, &'static str)> {
    let now = TABLE.iter().find(|row| is(row.key)).map(|row| (row, row.key));
    now.or_else(|| all().find(|(old, _)| is(old)).map(|(old, row)| (row, old)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_name_is_no_options_name_and_leads_to_one() {
        assert_eq!(all().count(), OLD_NAMES.len());
        assert!(all().all(|(old, _)| TABLE.iter().all(|row| row.key != old)));
    }
}
