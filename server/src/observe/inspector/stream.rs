//! The records as server-sent events (HTML, section 9.2.5). Each `data` line is a line of the journal.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::Recent;

/// About how many bytes one event holds.
const EVENT: usize = 64 * 1024;

/// The pause between two events, so that records in quick succession are sent together.
const PAUSE: Duration = Duration::from_millis(20);

/// After this time without records, a comment is sent, so that no proxy takes the connection for dead.
const SILENCE: Duration = Duration::from_secs(15);

/// What one page has seen.
struct Watcher {
    recent: Arc<Recent>,
    news: watch::Receiver<()>,
    /// When the journal that the page shows began.
    began: u64,
    /// The header, until it has been sent.
    header: Option<Bytes>,
    /// The number of the last record that was sent.
    seen: u64,
    pauses: bool,
    _permit: OwnedSemaphorePermit,
}

/// The events for one page. `seen` is the id of the last event that it got in an earlier request.
pub(super) fn events(
    recent: Arc<Recent>,
    seen: Option<&str>,
    permit: OwnedSemaphorePermit,
) -> StreamBody<impl stream::Stream<Item = Result<Frame<Bytes>, Infallible>> + use<>> {
    let (began, header) = recent.header();
    let seen = seen.and_then(|id| {
        let (journal, number) = id.split_once('-')?;
        // The numbers of another journal mean nothing here.
        number.parse().ok().filter(|_| journal == began.to_string())
    });
    let watcher = Watcher {
        news: recent.subscribe(),
        recent,
        began,
        header: Some(header),
        seen: seen.unwrap_or_default(),
        pauses: false,
        _permit: permit,
    };
    StreamBody::new(stream::unfold(watcher, |mut watcher| async move {
        let event = watcher.next().await;
        Some((Ok(Frame::data(event)), watcher))
    }))
}

impl Watcher {
    async fn next(&mut self) -> Bytes {
        if let Some(header) = self.header.take() {
            return event(self.began, self.seen, &[header]);
        }
        if self.pauses {
            tokio::time::sleep(PAUSE).await;
        }
        loop {
            // This comes before reading, so that later records are noticed.
            self.news.mark_unchanged();
            let batch = self.recent.read(self.seen, EVENT);
            self.pauses = !batch.more;
            if !batch.lines.is_empty() {
                self.seen = batch.last;
                return event(self.began, self.seen, &batch.lines);
            }
            if tokio::time::timeout(SILENCE, self.news.changed()).await.is_err() {
                return Bytes::from_static(b":\n\n");
            }
        }
    }
}

fn event(began: u64, last: u64, lines: &[Bytes]) -> Bytes {
    let len = lines.iter().map(|line| line.len() + 7).sum::<usize>();
    let mut event = Vec::with_capacity(len + 48);
    for line in lines {
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(line);
        event.push(b'\n');
    }
    event.extend_from_slice(format!("id: {began}-{last}\n\n").as_bytes());
    event.into()
}
