//! The operating system's randomness, drawn from the seed.
//!
//! Ids of sessions and the order of hash maps come from the operating system, so two runs of one seed would
//! differ. Here is `getrandom` as the C library has it: a program's own definition takes the place of that.
//! A thread that has no seed gets what the operating system gives.

use std::cell::RefCell;
use std::io::Read as _;

use crate::chance::Chance;

thread_local! {
    static SOURCE: RefCell<Option<Chance>> = const { RefCell::new(None) };
}

/// Has this thread's randomness come from a seed, from now on.
pub(crate) fn seed(seed: u64) {
    SOURCE.with_borrow_mut(|source| *source = Some(Chance::new(seed)));
}

fn fill(bytes: &mut [u8]) -> bool {
    let seeded = SOURCE.try_with(|source| {
        let mut source = source.borrow_mut();
        let Some(chance) = &mut *source else { return false };
        for byte in bytes.iter_mut() {
            *byte = chance.below(256) as u8;
        }
        true
    });
    if seeded.unwrap_or(false) {
        return true;
    }
    std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(bytes)).is_ok()
}

/// `getrandom(2)`.
///
/// # Safety
/// As C has it: `buffer` has room for `length` bytes.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: u32) -> isize {
    // SAFETY: the caller's promise.
    let bytes = unsafe {
        std::ptr::write_bytes(buffer, 0, length);
        std::slice::from_raw_parts_mut(buffer, length)
    };
    if fill(bytes) { length.cast_signed() } else { -1 }
}
