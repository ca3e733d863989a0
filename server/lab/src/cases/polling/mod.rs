//! Group 2: HTTP long polling.

mod answers;
mod requests;

use crate::case::Case;
use crate::peer::LabPeer;

pub(super) fn cases() -> Vec<Case<LabPeer>> {
    [answers::payloads(), answers::bodies(), requests::requests(), requests::posts()]
        .into_iter()
        .flatten()
        .map(Case::polling)
        .collect()
}
