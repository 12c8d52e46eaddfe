//! The crate as a module uses it: routes dressed by [`kenroku_ui::mount`], asked over HTTP without a socket.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like the tests themselves")]

mod design;
mod layout;
