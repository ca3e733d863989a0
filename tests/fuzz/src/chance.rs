//! What is drawn from a seed, so that it can be drawn again.

/// Numbers that look drawn (splitmix64), from a seed.
#[derive(Debug)]
pub struct Chance(pub u64);

impl Chance {
    /// A number below `end`, which must not be 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of several words, separated by bars.
    pub fn pick(&mut self, words: &str) -> String {
        let words: Vec<&str> = words.split('|').collect();
        words[self.below(words.len())].to_owned()
    }
}
