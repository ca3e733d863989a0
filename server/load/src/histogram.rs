//! Durations, counted in buckets that are never wider than a 64th of what they hold.

use std::time::Duration;

const STEPS: usize = 64;

/// How many durations there were of which length.
///
/// ```
/// use std::time::Duration;
/// use socketio_load::Histogram;
///
/// let mut histogram = Histogram::new();
/// histogram.record(Duration::from_micros(100), 99);
/// histogram.record(Duration::from_millis(5), 1);
/// assert!(histogram.percentile(0.5) < 101.0 && histogram.percentile(1.0) > 4_900.0);
/// ```
#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: Vec<u64>,
    total: u64,
    longest: Duration,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: vec![0; 64 * STEPS], total: 0, longest: Duration::ZERO }
    }
}

impl Histogram {
    /// One without durations.
    #[must_use]
    pub fn new() -> Histogram {
        Histogram::default()
    }

    /// Counts a duration so many times.
    pub fn record(&mut self, time: Duration, times: u64) {
        self.buckets[bucket(time.as_nanos() as u64)] += times;
        self.total += times;
        self.longest = self.longest.max(time);
    }

    /// Adds those of another.
    pub fn add(&mut self, other: &Histogram) {
        for (bucket, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *bucket += more;
        }
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.buckets.fill(0);
        (self.total, self.longest) = (0, Duration::ZERO);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.total
    }

    /// The longest.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.longest
    }

    /// The duration that at least that share of all don't exceed, in microseconds; 0 if there were none. It may be too
    /// long by a 64th, and never too short.
    #[must_use]
    pub fn percentile(&self, share: f64) -> f64 {
        let mut left = (self.total as f64 * share).ceil() as u64;
        for (at, count) in self.buckets.iter().enumerate() {
            if left <= *count {
                return upper(at).min(self.longest.as_nanos() as u64) as f64 / 1e3;
            }
            left -= count;
        }
        0.0
    }
}

/// The bucket of a number: its highest bit, and the six bits after that.
fn bucket(nanos: u64) -> usize {
    if nanos < STEPS as u64 {
        return nanos as usize;
    }
    let shift = 63 - nanos.leading_zeros() as usize - 6;
    (shift + 1) * STEPS + ((nanos >> shift) as usize - STEPS)
}

/// The greatest number of a bucket.
fn upper(bucket: usize) -> u64 {
    if bucket < STEPS {
        return bucket as u64;
    }
    let shift = bucket / STEPS - 1;
    let least = ((bucket % STEPS + STEPS) as u64) << shift;
    least + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_it_ends_with_and_is_narrow() {
        for nanos in [0, 1, 63, 64, 65, 127, 128, 1_000, 123_456, 9_876_543_210, u64::MAX] {
            let greatest = upper(bucket(nanos));
            assert_eq!(bucket(greatest), bucket(nanos), "{nanos}");
            assert!(nanos <= greatest && greatest - nanos <= nanos / STEPS as u64, "{nanos}: {greatest}");
        }
    }

    #[test]
    fn a_percentile_is_never_too_short_and_never_longer_than_the_longest() {
        let mut histogram = Histogram::new();
        (1..=1000).for_each(|micros| histogram.record(Duration::from_micros(micros), 1));
        for micros in 1..=1000 {
            let exact = f64::from(micros);
            let told = histogram.percentile((exact - 0.5) / 1000.0);
            assert!(exact <= told && told <= exact * (1.0 + 1.0 / 64.0), "{micros}: {told}");
        }
        assert!((histogram.percentile(1.0) - 1000.0).abs() < 1e-9);
    }

    #[test]
    fn percentiles_are_of_what_was_recorded() {
        let mut histogram = Histogram::new();
        (1..=100).for_each(|micros| histogram.record(Duration::from_micros(micros), 1));
        assert!((histogram.percentile(0.5) - 50.0).abs() < 1.0);
        assert!((histogram.percentile(0.99) - 99.0).abs() < 2.0);
        assert_eq!((histogram.count(), histogram.max()), (100, Duration::from_micros(100)));
    }

    #[test]
    fn two_together_have_the_durations_of_both() {
        let mut all = Histogram::new();
        for micros in [100, 300] {
            let mut one = Histogram::new();
            one.record(Duration::from_micros(micros), 1);
            all.add(&one);
        }
        assert_eq!((all.count(), all.max()), (2, Duration::from_micros(300)));
        assert!(all.percentile(0.5) < 101.0 && all.percentile(1.0) > 290.0);
    }
}
