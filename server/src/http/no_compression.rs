//! Replaces `compression` if that feature is off: there is no encoding, so no answer has one.

use bytes::Bytes;
use engineio::Payload;
use engineio::memory::Held;
use http::{HeaderMap, HeaderValue};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {}

impl Encoding {
    pub(crate) const ALL: [Encoding; 0] = [];

    pub(crate) fn accepted(_: &HeaderMap) -> Option<Encoding> {
        None
    }

    pub(crate) fn header(self) -> HeaderValue {
        match self {}
    }

    pub(crate) fn compress(self, _: &Bytes) -> Option<Bytes> {
        match self {}
    }
}

#[derive(Debug, Default)]
pub(crate) struct Compressors {}

impl Compressors {
    pub(crate) async fn compress(&self, encoding: Encoding, _: &Payload, _: usize) -> Option<(Bytes, Held)> {
        match encoding {}
    }
}
