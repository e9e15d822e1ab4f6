//! Where a panic happened: kept from the moment of the panic until its error is answered.
//!
//! Rules of this room: only where errors are shown to a developer; a panic is answered on the thread on which it happened, so a thread remembers its own.

use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::sync::Once;

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Has each panic from now on remembered, beside whatever is done with it already.
pub(crate) fn remember() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let place =
                panic.location().map(|place| format!("panicked at {place}\n")).unwrap_or_default();
            let text = format!("{place}{}", Backtrace::force_capture());
            // A panic while the thread ends has nobody to be shown to.
            let _ = LAST.try_with(|last| last.replace(Some(text)));
            before(panic);
        }));
    });
}

/// Forgets what was before an exchange goes on.
pub(crate) fn forget() {
    LAST.take();
}

/// The panic since then, once.
pub(crate) fn remembered() -> Option<String> {
    LAST.take()
}
