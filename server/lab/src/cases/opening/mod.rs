//! Group 1: from the first request to the first namespace.

mod connect;
mod failing;
mod open_packet;
mod request;

use crate::case::Case;
use crate::peer::LabPeer;

pub(super) fn cases() -> Vec<Case<LabPeer>> {
    [
        request::request(),
        open_packet::open_packet(),
        open_packet::batches(),
        connect::connect(),
        failing::refusals(),
        failing::failures(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
