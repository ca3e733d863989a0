//! What the table of options knows of each.

/// One row of the table of options, without the type of its value.
pub(super) struct Row {
    /// The section of `--help`.
    pub(super) section: &'static str,
    pub(super) key: &'static str,
    pub(super) help: &'static str,
    /// What stands for the value in `--help`.
    pub(super) value: &'static str,
    pub(super) form: Form,
    pub(super) default: &'static [&'static str],
}

/// How a value is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A string.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false`; on the command line the name alone means `true`.
    Switch,
    /// A string, or `true` for what is usual; on the command line the name alone means that.
    Place,
    /// Several strings: the flag repeated, a comma between them in the environment, an array in the file.
    List,
}
