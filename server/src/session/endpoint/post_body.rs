//! Reading the body of a POST, under its limits.

use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use engineio::memory::{Budget, Held};
use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;

use crate::session::wires::{OpenPost, reply_channel};

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// The body is longer than allowed.
    TooLarge,
    /// The memory budget is used up.
    Crowded,
    /// The connection ended before the body was complete.
    Broken,
    /// The body was not complete in time.
    Slow,
    /// The session ended.
    Ended,
}

/// What bounds a body.
#[derive(Debug)]
pub(super) struct BodyLimits {
    /// Its bytes.
    pub(super) length: usize,
    /// How much memory all clients together may use.
    pub(super) memory: Budget,
    /// Its time.
    pub(super) timeout: Duration,
}

/// Reads the whole body. Returns it, and how much memory it needs.
pub(super) async fn read<B>(body: B, limits: BodyLimits, post: &OpenPost) -> Result<(Bytes, Held), BodyError>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let mut collected = pin!(collect(body, &limits, post));
    // Most bodies come together with their head, and need no timer.
    if let Some(collected) = collected.as_mut().now_or_never() {
        return collected;
    }
    let rest = async {
        tokio::select! {
            // The session is evicted, and its memory is needed.
            () = session_ended(post) => Err(BodyError::Ended),
            collected = collected => collected,
        }
    };
    let timed = Box::pin(tokio::time::timeout(limits.timeout, rest));
    timed.await.unwrap_or(Err(BodyError::Slow))
}

/// Ready once the session is over.
async fn session_ended(post: &OpenPost) {
    let (told, ended) = reply_channel::<()>();
    post.tell_end(told);
    // Nobody ever sends anything.
    let _ = ended.await;
}

async fn collect<B>(mut body: B, limits: &BodyLimits, post: &OpenPost) -> Result<(Bytes, Held), BodyError>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    // If the announced length is too large, it is refused before anything is read.
    if body.size_hint().lower() > limits.length as u64 {
        return Err(BodyError::TooLarge);
    }
    let mut held = Held::default();
    let noted = Noted(post);
    let mut whole = Bytes::new();
    let mut parts = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        let came = chunk.len();
        let length = whole.len() + parts.len() + came;
        if length > limits.length {
            return Err(BodyError::TooLarge);
        }
        if !limits.memory.admits(length) {
            return Err(BodyError::Crowded);
        }
        if whole.is_empty() && parts.is_empty() {
            // Most bodies come in one piece, which needs no copy.
            whole = chunk;
        } else {
            parts.extend_from_slice(&std::mem::take(&mut whole));
            parts.extend_from_slice(&chunk);
        }
        held.resize(whole.len() + parts.capacity());
        noted.0.note(came, held.bytes());
    }
    Ok((if parts.is_empty() { whole } else { parts.freeze() }, held))
}

/// The bytes of a body count against its session. Once it is complete or dropped, this stops counting them.
struct Noted<'a>(&'a OpenPost);

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        self.0.note(0, 0);
    }
}
