//! What must hold in every state. Claims are made for an honest agent whose session is in use, about an
//! honest peer whose long-term key was its own alone at that time.

use crate::term::RunNumber;
use crate::unify::Substitution;

/// A property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Property {
    /// The attacker learns neither session keys nor what is said first, unless an ephemeral key of the
    /// session leaked.
    Secrecy,
    /// The same after the long-term keys of both leaked, if the session was in use before.
    ForwardSecrecy,
    /// The peer has a run with the same names, keys, offers, choices, session id, lifetime and transcript,
    /// in the opposite role of the same handshake.
    Agreement,
    /// Secrecy and agreement hold for an agent whose own long-term key leaked.
    KeyCompromise,
    /// Two runs never have the same key in the same role.
    Injective,
    /// Two runs that have the same key have each other as peers.
    Binding,
    /// Between honest agents the best suite and all common features are chosen.
    NoDowngrade,
    /// No session is in use whose peer does not hold its key, even if the peer is the attacker.
    Confirmation,
    /// A name that is pinned comes with its own key.
    RightName,
    /// One agent knows no name under two keys.
    OneKeyPerName,
    /// No agent has a session with itself.
    NotItself,
    /// A first message is answered once.
    AnsweredOnce,
    /// What is accepted in a session was said in it by the peer.
    RecordOrigin,
    /// No record is accepted twice.
    RecordOnce,
}

impl Property {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Secrecy,
        Self::ForwardSecrecy,
        Self::Agreement,
        Self::KeyCompromise,
        Self::Injective,
        Self::Binding,
        Self::NoDowngrade,
        Self::Confirmation,
        Self::RightName,
        Self::OneKeyPerName,
        Self::NotItself,
        Self::AnsweredOnce,
        Self::RecordOrigin,
        Self::RecordOnce,
    ];

    /// Its name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Secrecy => "secrecy",
            Self::ForwardSecrecy => "forward-secrecy",
            Self::Agreement => "agreement",
            Self::KeyCompromise => "key-compromise",
            Self::Injective => "injective",
            Self::Binding => "binding",
            Self::NoDowngrade => "no-downgrade",
            Self::Confirmation => "confirmation",
            Self::RightName => "right-name",
            Self::OneKeyPerName => "one-key-per-name",
            Self::NotItself => "not-itself",
            Self::AnsweredOnce => "answered-once",
            Self::RecordOrigin => "record-origin",
            Self::RecordOnce => "record-once",
        }
    }
}

/// A property that does not hold, and of which run.
#[derive(Debug, Clone)]
pub struct Violation {
    /// Which.
    pub property: Property,
    /// Of which run.
    pub run: RunNumber,
    /// What is wrong, in words.
    pub why: &'static str,
    /// What open fields have to stand for.
    pub fixed: Substitution,
}
