//! Durations, counted in buckets that are never wider than a 64th of what they hold.

use std::time::Duration;

const STEPS: usize = 64;

/// How many durations there were of which length.
pub struct Histogram {
    buckets: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub fn new() -> Histogram {
        Histogram { buckets: vec![0; 64 * STEPS], total: 0 }
    }

    pub fn record(&mut self, time: Duration, times: u64) {
        self.buckets[bucket(time.as_nanos() as u64)] += times;
        self.total += times;
    }

    pub fn clear(&mut self) {
        self.buckets.fill(0);
        self.total = 0;
    }

    /// The duration below which that share of all lie, in microseconds; 0 if there were none.
    pub fn percentile(&self, share: f64) -> f64 {
        let mut left = (self.total as f64 * share).ceil() as u64;
        for (at, count) in self.buckets.iter().enumerate() {
            if left <= *count {
                return lower(at) as f64 / 1e3;
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

/// The least number of a bucket.
fn lower(bucket: usize) -> u64 {
    if bucket < STEPS {
        return bucket as u64;
    }
    let shift = bucket / STEPS - 1;
    ((bucket % STEPS + STEPS) as u64) << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_it_begins_with_and_is_narrow() {
        for nanos in [0, 1, 63, 64, 65, 127, 128, 1_000, 123_456, 9_876_543_210] {
            let least = lower(bucket(nanos));
            assert!(least <= nanos && nanos - least <= nanos / STEPS as u64, "{nanos}: {least}");
        }
    }

    #[test]
    fn percentiles_are_of_what_was_recorded() {
        let mut histogram = Histogram::new();
        (1..=100).for_each(|micros| histogram.record(Duration::from_micros(micros), 1));
        assert!((histogram.percentile(0.5) - 50.0).abs() < 1.0);
        assert!((histogram.percentile(0.99) - 99.0).abs() < 2.0);
    }
}
