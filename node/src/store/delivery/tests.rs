//! Against a naive model, and across crashes.
