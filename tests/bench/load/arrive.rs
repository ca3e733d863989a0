//! Many clients that come at once. It takes threads to wait for many answers, but all of them have the
//! load's one processor.

use std::io;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

/// How many clients come at once.
const AT_ONCE: usize = 32;

/// Lets `count` clients come, fewer if it is over before; gives what `arrive` makes of each.
pub fn arrive<T: Send>(
    count: usize,
    end: Option<Instant>,
    arrive: impl Fn(usize) -> io::Result<T> + Sync,
) -> io::Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let one_by_one = || {
        let mut arrived = Vec::new();
        while end.is_none_or(|end| Instant::now() < end) {
            match next.fetch_add(1, Relaxed) {
                at if at < count => arrived.push((at, arrive(at)?)),
                _ => break,
            }
        }
        Ok(arrived)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(one_by_one)).collect();
        let arrived: io::Result<Vec<_>> =
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect();
        let mut arrived: Vec<(usize, T)> = arrived?.into_iter().flatten().collect();
        arrived.sort_by_key(|(at, _)| *at);
        Ok(arrived.into_iter().map(|(_, client)| client).collect())
    })
}
