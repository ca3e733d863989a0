//! The parameters of a GET.

use std::borrow::Cow;

use http::Uri;

use super::fault::{Code, Fault};

/// How many entries a page has where nothing is said, and at the most.
const PAGE: usize = 100;
const LONGEST_PAGE: usize = 1000;

/// The parameters that have not been taken yet.
pub(super) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    pub(super) fn of(uri: &'a Uri) -> Query<'a> {
        Query(form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).collect())
    }

    /// Takes a parameter.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.remove(at).1.into_owned())
    }

    /// Takes the namespace's name.
    pub(super) fn namespace(&mut self) -> Result<String, Fault> {
        let name = self.take("namespace").unwrap_or_else(|| "/".to_owned());
        match name.starts_with('/') {
            true => Ok(name),
            false => Err(Fault::new(Code::BadParameter, "must begin with /").at("namespace")),
        }
    }

    /// Takes how many entries a page may have.
    pub(super) fn limit(&mut self) -> Result<usize, Fault> {
        let Some(text) = self.take("limit") else { return Ok(PAGE) };
        match text.parse() {
            Ok(limit @ 1..=LONGEST_PAGE) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(limit),
            _ => Err(Fault::new(Code::BadParameter, "must be a number from 1 to 1000").at("limit")),
        }
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Result<(), Fault> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => {
                Err(Fault::new(Code::BadParameter, "this parameter is unknown, or comes twice").at(name))
            }
        }
    }
}
