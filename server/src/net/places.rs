//! The places of a listener that refuses no one: if all are taken, a new connection replaces the one that has
//! been sent nothing for longest. So clients that idle or don't read can't block it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// The places of one listener.
#[derive(Debug)]
pub(crate) struct Places {
    size: usize,
    seats: Mutex<Vec<Arc<Seat>>>,
    /// Counts what happens, so that it can be told what was first.
    now: AtomicU64,
}

#[derive(Debug)]
struct Seat {
    /// When its connection came, or was last sent something.
    moved: AtomicU64,
    given_up: Notify,
}

impl Places {
    pub(crate) fn new(size: usize) -> Arc<Places> {
        Arc::new(Places { size, seats: Mutex::default(), now: AtomicU64::new(0) })
    }

    /// A place, until it is dropped.
    pub(crate) fn enter(self: &Arc<Places>) -> Place {
        let seat = Arc::new(Seat { moved: AtomicU64::new(self.tick()), given_up: Notify::new() });
        let mut seats = self.seats.lock();
        if seats.len() >= self.size {
            give_up_the_oldest(&mut seats);
        }
        seats.push(seat.clone());
        Place { places: self.clone(), seat }
    }

    /// Ends the connection that was not sent anything for longest.
    pub(crate) fn give_one_up(&self) {
        give_up_the_oldest(&mut self.seats.lock());
    }

    fn tick(&self) -> u64 {
        self.now.fetch_add(1, Ordering::Relaxed)
    }
}

fn give_up_the_oldest(seats: &mut Vec<Arc<Seat>>) {
    let oldest = seats.iter().enumerate().min_by_key(|(_, seat)| seat.moved.load(Ordering::Relaxed));
    if let Some((at, _)) = oldest {
        seats.swap_remove(at).given_up.notify_one();
    }
}

/// A connection's place.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    seat: Arc<Seat>,
}

impl Place {
    /// Ready when the place is another's.
    pub(crate) async fn given_up(&self) {
        self.seat.given_up.notified().await;
    }

    /// A connection whose writes are noticed.
    pub(crate) fn seat<T>(&self, io: T) -> Seated<T> {
        Seated { io, places: self.places.clone(), seat: self.seat.clone() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.seats.lock().retain(|seat| !Arc::ptr_eq(seat, &self.seat));
    }
}

/// A connection that has a place.
#[derive(Debug)]
pub(crate) struct Seated<T> {
    io: T,
    places: Arc<Places>,
    seat: Arc<Seat>,
}

impl<T> Seated<T> {
    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.seat.moved.store(self.places.tick(), Ordering::Relaxed);
        }
        written
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Seated<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Seated<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bytes);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn whoever_comes_to_full_places_gets_the_place_of_whom_nothing_was_sent_to_for_longest() {
        let places = Places::new(3);
        let gone = |place: &Place| place.given_up().now_or_never().is_some();
        let [first, second, third] = [places.enter(), places.enter(), places.enter()];
        first.seat(tokio::io::sink()).write_all(b"answer").await.unwrap();
        let _fourth = places.enter();
        assert!([&first, &second, &third].map(gone) == [false, true, false]);
        // A place that is another's is not given back.
        drop(second);
        assert_eq!(places.seats.lock().len(), 3);
        drop(third);
        let _fifth = places.enter();
        assert!(!gone(&first), "there was a place");
        places.give_one_up();
        assert!(gone(&first));
    }
}
