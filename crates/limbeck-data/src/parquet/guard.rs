//! Catches panics of the Parquet decoder, which panics on some damaged files.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `decode` and returns its result, or `None` if it panics; such a panic prints nothing.
///
/// Wraps the panic hook once per process. Panics outside of this function are passed on to the original hook.
pub(crate) fn caught<T>(decode: impl FnOnce() -> T) -> Option<T> {
    static WRAP_HOOK: Once = Once::new();
    WRAP_HOOK.call_once(|| {
        let outer = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !INSIDE.get() {
                outer(info);
            }
        }));
    });
    let outside = INSIDE.replace(true);
    // Unwind safe: values that `decode` left incomplete are dropped and never used.
    let outcome = panic::catch_unwind(AssertUnwindSafe(decode));
    INSIDE.set(outside);
    outcome.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_become_none() {
        assert_eq!(caught(|| 3), Some(3));
        assert_eq!(caught(|| -> i32 { panic!("damaged") }), None);
        assert!(!INSIDE.get());
        let nested = caught(|| (caught(|| -> i32 { panic!("damaged") }), INSIDE.get()));
        assert_eq!(nested, Some((None, true)));
    }
}
