//! The page of metrics.

use super::*;

#[test]
fn what_takes_a_bounds_time_is_in_its_bucket() {
    let histogram = Histogram::default();
    for micros in [0, 10, 11, 30_000_000, 30_000_001] {
        histogram.count(Duration::from_micros(micros));
    }
    let counts = histogram.buckets.each_ref().map(|count| count.load(Ordering::Relaxed));
    assert_eq!(counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
}

#[test]
fn the_largest_namespaces_have_samples_and_the_others_one() {
    let counts = |counts: &[(&str, usize)]| {
        let counts = counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        let labelled = largest(counts, 2);
        labelled.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(counts(&[("/", 1), ("/b", 5), ("/a", 7), ("/c", 2)]), "/a 7, /b 5, (others) 3");
    assert_eq!(counts(&[("/", 0), ("/b", 5)]), "/ 0, /b 5");
    assert_eq!(counts(&[("/\"}\n\\", 1)]), r#"/\"}\n\\ 1"#);
}
