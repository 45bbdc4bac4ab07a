//! What a node needs to be reached, besides libp2p's own behaviours: which addresses mean what
//! ([`scope`]), which of them are this node's ([`book`], [`observed`]), whether they work ([`probe`]), and
//! that other behaviours do not dial whatever strangers name ([`guard`]).
//!
//! [`book`] and [`observed`] are plain logic: time is passed in.

pub mod book;
pub mod guard;
pub mod observed;
pub mod probe;
pub mod scope;
