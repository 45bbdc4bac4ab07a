//! Routers on a virtual clock: who is connected to whom, what gets lost on the way, and who is not
//! honest, all drawn from one seed.
//!
//! A [`Net`] checks all the time that no packet is delivered twice, that no honest node handles one
//! again, that nobody hands on more than the protocol allows, that every own packet ends exactly once
//! and in time, and that what routers hold stays bounded.

mod conduct;
mod net;

pub use conduct::Conduct;
pub use net::{Net, Roads};
