//! How many events of strangers go to the queue, each of whose messages the operator pays for.

use std::cell::Cell;

use crate::types::UnixSeconds;

/// Seconds for which they are counted together.
const WINDOW_SECONDS: i64 = 60;
/// Events of strangers that go out in a window, of each isolate.
pub(super) const MAXIMUM: u32 = 60;

/// What this isolate has sent of late. Without a timer: a window ends with the first event after it.
#[derive(Debug, Default)]
pub struct Exports(Cell<Window>);

#[derive(Debug, Default, Clone, Copy)]
struct Window {
    began_at: i64,
    strangers: u32,
    left_out: u32,
}

/// What becomes of an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Admission {
    /// Whether it goes out.
    pub(super) admitted: bool,
    /// How many have not, in the window that it has ended.
    pub(super) left_out: u32,
}

impl Exports {
    /// Counts an event of `now`. Those about somebody always go out: behind each stands a token that was verified.
    pub(super) fn admit(&self, now: UnixSeconds, of_stranger: bool) -> Admission {
        let mut window = self.0.get();
        let mut left_out = 0;
        if now.since(UnixSeconds(window.began_at)) >= WINDOW_SECONDS {
            left_out = window.left_out;
            window = Window { began_at: now.0, ..Window::default() };
        }
        let admitted = !of_stranger || window.strangers < MAXIMUM;
        if of_stranger {
            let counter = if admitted { &mut window.strangers } else { &mut window.left_out };
            *counter = counter.saturating_add(1);
        }
        self.0.set(window);
        Admission { admitted, left_out }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADMITTED: Admission = Admission { admitted: true, left_out: 0 };
    const REFUSED: Admission = Admission { admitted: false, left_out: 0 };

    #[test]
    fn strangers_have_so_many_a_window_and_what_is_left_out_is_told_once_by_the_next() {
        let exports = Exports::default();
        let at = |seconds: i64| UnixSeconds(1000 + seconds);
        for _ in 0..MAXIMUM {
            assert_eq!(exports.admit(at(0), true), ADMITTED);
        }
        assert_eq!(exports.admit(at(59), true), REFUSED);
        assert_eq!(exports.admit(at(59), false), ADMITTED);
        // Of a request that began earlier.
        assert_eq!(exports.admit(at(-5), true), REFUSED);
        assert_eq!(exports.admit(at(60), false), Admission { admitted: true, left_out: 2 });
        for _ in 0..MAXIMUM {
            assert_eq!(exports.admit(at(60), true), ADMITTED);
        }
        assert_eq!(exports.admit(at(60), true), REFUSED);
        assert_eq!(exports.admit(at(500), true), Admission { admitted: true, left_out: 1 });
        assert_eq!(exports.admit(at(1000), true), ADMITTED);
    }
}
