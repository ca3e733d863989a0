//! The page: one file without outside resources. A live one has the explainer beside it, which needs the lab to explain.

use socketio_explain::page::BASE;

use super::json::{Journals, json};
use crate::lab::Lab;

/// Which page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportPage {
    /// One that asks the lab for what it shows.
    Live,
    /// A file to keep, with these journals in it.
    Whole(Journals),
}

/// The page with the results of now.
#[must_use]
pub fn page(lab: &Lab, page: ReportPage) -> String {
    let (live, journals) = match page {
        ReportPage::Live => ("true", Journals::None),
        ReportPage::Whole(journals) => ("false", journals),
    };
    let results = json(lab, journals).to_string();
    // Nothing in JSON may end the script element.
    let results = results.replace('<', "\\u003c");
    let page = include_str!("page.html").replace("/*BASE*/", BASE).replace("/*LIVE*/false", live);
    page.replace("/*RESULTS*/null", &results)
}
