//! Compresses answers to polls: a few at once, and equal ones only once.
//!
//! An encoder needs more memory than the body that it compresses. So as many run as there are processors, and none
//! starts without room in the memory budget. An answer that would have to wait is sent uncompressed, which needs no
//! more memory.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::thread::available_parallelism;
use std::time::Duration;

use bytes::Bytes;
use engineio::memory::{self, Held};
use engineio::{Identity, Payload};
use parking_lot::Mutex;
use tokio::sync::{OnceCell, Semaphore};

use super::Encoding;

/// Bodies up to this length are compressed at once. Longer ones would keep other tasks on the thread waiting for too
/// long.
const INLINE: usize = 16 * 1024;

/// How long an answer may wait for an encoder before it is sent as it is.
const PATIENCE: Duration = Duration::from_millis(100);

/// An encoder's own memory, besides twice the body: about what was measured for the largest.
const ENCODER: usize = 1024 * 1024;

/// How many shared answers are remembered before unused ones are removed.
const FEW: usize = 64;

/// Compresses the answers of a server.
#[derive(Debug)]
pub(crate) struct Compressors {
    answers: Mutex<Answers>,
    /// One for each encoder that may run.
    encoders: Arc<Semaphore>,
}

impl Default for Compressors {
    fn default() -> Compressors {
        let encoders = available_parallelism().map_or(1, usize::from);
        Compressors { answers: Mutex::default(), encoders: Arc::new(Semaphore::new(encoders)) }
    }
}

/// The answers that are being compressed or sent.
#[derive(Debug, Default)]
struct Answers {
    known: HashMap<(Encoding, Identity), Weak<Answer>>,
    sweep_at: usize,
}

/// One answer for all who get it.
#[derive(Debug)]
struct Answer {
    /// Keeps the packets alive, so that their identity stays unique.
    payload: Payload,
    /// `None` if it isn't shorter, or was not ready in time.
    compressed: OnceCell<Option<(Bytes, Held)>>,
}

impl Compressors {
    /// Compresses a body. Also returns the memory that this takes; `None` if the body should be sent as it is.
    /// `memory` is the budget of all clients.
    pub(crate) async fn compress(
        &self,
        encoding: Encoding,
        payload: &Payload,
        memory: usize,
    ) -> Option<(Bytes, Held)> {
        if payload.len() <= INLINE {
            let compressed = encoding.compress_payload(payload.clone())?;
            let held = Held::new(compressed.len());
            return Some((compressed, held));
        }
        let Some(identity) = payload.identity() else { return self.aside(encoding, payload, memory).await };
        let answer = self.answers.lock().get((encoding, identity), payload);
        let compressed =
            answer.compressed.get_or_init(|| self.aside(encoding, &answer.payload, memory)).await;
        // Its memory is counted once, where all of them share it.
        compressed.is_some().then(|| (Bytes::from_owner(Shared(answer.clone())), Held::default()))
    }

    /// Compresses a body on a blocking thread, if there are an encoder and memory for it.
    async fn aside(&self, encoding: Encoding, payload: &Payload, memory: usize) -> Option<(Bytes, Held)> {
        let encoder =
            tokio::time::timeout(PATIENCE, self.encoders.clone().acquire_owned()).await.ok()?.ok()?;
        let need = ENCODER + 2 * payload.len();
        if !memory::admits(need, memory.saturating_sub(need)) {
            return None;
        }
        let (held, payload) = (Held::new(need), payload.clone());
        let compressing = tokio::task::spawn_blocking(move || {
            let compressed = encoding.compress_payload(payload);
            let mut held = held;
            held.resize(compressed.as_ref().map_or(0, Bytes::len));
            drop(encoder);
            compressed.map(|compressed| (compressed, held))
        });
        compressing.await.ok().flatten()
    }
}

impl Answers {
    fn get(&mut self, key: (Encoding, Identity), payload: &Payload) -> Arc<Answer> {
        if self.known.len() >= self.sweep_at.max(FEW) {
            self.known.retain(|_, answer| answer.strong_count() > 0);
            self.sweep_at = 2 * self.known.len();
        }
        let known = self.known.entry(key).or_default();
        known.upgrade().unwrap_or_else(|| {
            let answer = Arc::new(Answer { payload: payload.clone(), compressed: OnceCell::new() });
            *known = Arc::downgrade(&answer);
            answer
        })
    }
}

/// The bytes of an answer, which keep it.
struct Shared(Arc<Answer>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.compressed.get().and_then(Option::as_ref).map_or(&[], |(compressed, _)| compressed)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use engineio::{Frame, PayloadFormat, Revision};

    use super::*;

    fn payload(frames: &[Frame]) -> Payload {
        let format = PayloadFormat { revision: Revision::V4, base64: false };
        format.encode(&mut frames.iter().cloned().collect::<VecDeque<_>>(), usize::MAX).0
    }

    #[tokio::test]
    async fn equal_answers_are_compressed_once_for_all_who_get_them() {
        let compressors = Compressors::default();
        let frames = [Frame::text(&"x".repeat(100_000))];
        let compress = |encoding, frames: &[Frame]| {
            let (compressors, payload) = (&compressors, payload(frames));
            async move { compressors.compress(encoding, &payload, usize::MAX).await.map(|(bytes, _)| bytes) }
        };
        let (one, other) =
            tokio::join!(compress(Encoding::Brotli, &frames), compress(Encoding::Brotli, &frames));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!(one.as_ptr(), other.as_ptr());
        let gzip = compress(Encoding::Gzip, &frames).await.unwrap();
        assert_ne!(one, gzip);
        // The result is not kept for later requests.
        drop((one, other, gzip));
        assert!(compressors.answers.lock().known.values().all(|answer| answer.strong_count() == 0));
        for n in 0..10 * FEW {
            compress(Encoding::Gzip, &[Frame::text(&n.to_string().repeat(20_000))]).await.unwrap();
        }
        assert!(compressors.answers.lock().known.len() <= FEW);
    }

    #[tokio::test]
    async fn without_memory_for_an_encoder_an_answer_goes_out_as_it_is() {
        let compressors = Compressors::default();
        let payload = payload(&[Frame::text(&"x".repeat(100_000))]);
        assert!(compressors.compress(Encoding::Gzip, &payload, ENCODER).await.is_none());
        assert!(compressors.compress(Encoding::Gzip, &payload, usize::MAX).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_finds_no_encoder_in_time_goes_out_as_it_is() {
        let compressors = Compressors::default();
        let all = u32::try_from(compressors.encoders.available_permits()).unwrap();
        let busy = compressors.encoders.acquire_many(all).await.unwrap();
        let payload = payload(&[Frame::text(&"x".repeat(100_000))]);
        assert!(compressors.compress(Encoding::Gzip, &payload, usize::MAX).await.is_none());
        drop(busy);
    }
}
