//! Reading the body of a POST, under its limits.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// It is longer than allowed.
    TooLarge,
    /// The connection ended before it did.
    Broken,
    /// It did not end in time.
    Slow,
}

/// The whole body, of `limit` bytes at most.
pub(crate) async fn read<B>(body: B, limit: usize, timeout: Duration) -> Result<Bytes, BodyError>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    tokio::time::timeout(timeout, collect(body, limit)).await.unwrap_or(Err(BodyError::Slow))
}

async fn collect<B>(mut body: B, limit: usize) -> Result<Bytes, BodyError>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    // A length that is announced is refused before anything is read.
    if body.size_hint().lower() > limit as u64 {
        return Err(BodyError::TooLarge);
    }
    let mut whole = Bytes::new();
    let mut parts = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        if whole.len() + parts.len() + chunk.len() > limit {
            return Err(BodyError::TooLarge);
        }
        if whole.is_empty() && parts.is_empty() {
            // Most bodies come in one piece, which needs no copy.
            whole = chunk;
        } else {
            parts.extend_from_slice(&std::mem::take(&mut whole));
            parts.extend_from_slice(&chunk);
        }
    }
    Ok(if parts.is_empty() { whole } else { parts.freeze() })
}
