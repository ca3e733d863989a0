//! What each option's value may be: from words to a value, or what is wrong with them. A file for each kind of value has its
//! readers; which option has which is in the table of `options`, and what two options must be together in `checks`.

mod browsers;
mod events;
mod gateway;
mod names;
mod numbers;
mod places;
mod redis;
mod secrets;
mod words;

use super::row::Form;
pub(crate) use browsers::*;
pub(crate) use events::*;
pub(crate) use gateway::*;
pub(crate) use names::*;
pub(crate) use numbers::*;
pub(crate) use places::*;
pub(crate) use redis::*;
pub(crate) use secrets::*;
pub(crate) use words::*;

/// Reads the values of one kind of option.
pub(crate) struct Reader<T> {
    /// What stands for the value in `--help`.
    pub(super) name: &'static str,
    pub(super) form: Form,
    /// From the words that were given: one, but for [`Form::List`]; none for an option without a default
    /// that nobody gave.
    pub(super) read: fn(&[String]) -> Result<T, String>,
}

impl<T> Reader<T> {
    const fn new(name: &'static str, form: Form, read: fn(&[String]) -> Result<T, String>) -> Reader<T> {
        Reader { name, form, read }
    }
}

/// The word of an option that takes one.
fn only(words: &[String]) -> &str {
    words.first().map_or("", String::as_str)
}

fn one_of<T: Clone>(words: &[String], choices: &[(&str, T)]) -> Result<T, String> {
    let text = only(words);
    choices.iter().find(|(name, _)| *name == text).map(|(_, value)| value.clone()).ok_or_else(|| {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        format!("{text:?} is not one of {}", names.join(", "))
    })
}
