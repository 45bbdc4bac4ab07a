//! Ordered delivery over simulated links, disks and applications, with crashes at every point of every
//! write (`docs/PROTOCOL.md` §8).
//!
//! A [`Station`] is what a node does around its links: an outbox, a [`Disk`] whose commits take time and
//! fail, an inbox and an application that acknowledges what it took, or dies before. The [`Book`]
//! knows everything about all of them, and checks all the time that nothing is delivered twice or out of
//! order, and that nobody is told what is not so.

mod book;
mod disk;
mod faults;
mod gale;
#[cfg(feature = "nodes")]
mod real;
mod shelves;
mod station;

pub use book::{Book, Fate, Letter};
pub use disk::{Disk, Failed, Model, Pending};
pub use faults::Faults;
pub use gale::{Gale, Outcome};
#[cfg(feature = "nodes")]
pub use real::Real;
pub use shelves::Shelves;
pub(super) use station::Call;
pub use station::Station;
