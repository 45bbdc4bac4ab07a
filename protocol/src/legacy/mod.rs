//! Version 1.0 (`docs/PROTOCOL.md` §13).
