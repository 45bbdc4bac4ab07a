//! One test for each attack, named for it.

mod challenge;
mod clock;
mod confirmation;
mod downgrade;
mod early;
mod flood;
mod keys;
mod link;
mod low_order;
mod misbinding;
mod mitm;
mod order;
mod records;
mod reflection;
mod replay;
mod tampering;
mod trust;
