//! Which places of the program an input has reached. LLVM puts a counter of one byte at each edge of the control flow
//! ("SanitizerCoverage", inline 8-bit counters), which stable Rust passes on; `npm run test:long` builds so, of this
//! crate alone. In any other build nothing is counted, and every input has reached nothing new.

/// What all inputs together have reached: of each counter the sizes that it had, as bits.
#[derive(Default)]
pub(super) struct Reached(Vec<u8>);

impl Reached {
    /// Adds what was counted since [`reset`]; whether there is anything new about it.
    pub(super) fn add(&mut self) -> bool {
        let mut new = false;
        counters::each_reached(|index, count| {
            if index >= self.0.len() {
                self.0.resize(index + 1, 0);
            }
            let bits = bucket(count);
            new |= bits & !self.0[index] != 0;
            self.0[index] |= bits;
        });
        new
    }

    /// How many places that is.
    pub(super) fn places(&self) -> usize {
        self.0.iter().filter(|bits| **bits != 0).count()
    }
}

/// Forgets what has been counted.
pub(super) fn reset() {
    counters::reset();
}

/// Once, twice, three times and more often are different things; the exact number is not.
fn bucket(count: u8) -> u8 {
    match count {
        0 => 0,
        1 => 1,
        2 => 2,
        3 => 4,
        4..=7 => 8,
        8..=15 => 16,
        16..=31 => 32,
        32..=127 => 64,
        128.. => 128,
    }
}

#[cfg(not(coverage_guided))]
mod counters {
    pub(super) fn each_reached(_: impl FnMut(usize, u8)) {}
    pub(super) fn reset() {}
}

#[cfg(coverage_guided)]
#[expect(unsafe_code, reason = "the counters are the compiler's: bytes between two addresses that it tells")]
mod counters {
    use std::sync::Mutex;

    static REGIONS: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

    /// Called by each instrumented part of the program before `main`, with the addresses of its counters.
    #[unsafe(no_mangle)]
    extern "C" fn __sanitizer_cov_8bit_counters_init(start: *mut u8, stop: *mut u8) {
        let region = (start as usize, stop as usize);
        let mut regions = REGIONS.lock().unwrap();
        if start != stop && !regions.contains(&region) {
            regions.push(region);
        }
    }

    /// Those that are not 0, each with its place among all.
    pub(super) fn each_reached(mut look: impl FnMut(usize, u8)) {
        let mut place = 0;
        for (start, stop) in REGIONS.lock().unwrap().iter().copied() {
            // SAFETY: the compiler has told that its counters stand here; they live as long as the program. Another
            // thread may be counting, which makes a count wrong at worst.
            let counts = unsafe { std::slice::from_raw_parts(start as *const u8, stop - start) };
            for (block, counts) in counts.chunks(64).enumerate() {
                // Nearly all of them are 0.
                if counts.iter().fold(0, |any, count| any | count) != 0 {
                    for (index, count) in counts.iter().enumerate().filter(|(_, count)| **count != 0) {
                        look(place + block * 64 + index, *count);
                    }
                }
            }
            place += stop - start;
        }
    }

    pub(super) fn reset() {
        let regions = REGIONS.lock().unwrap().clone();
        for (start, stop) in regions {
            // SAFETY: as above.
            unsafe { std::ptr::write_bytes(start as *mut u8, 0, stop - start) };
        }
    }
}
