//! The component page.
