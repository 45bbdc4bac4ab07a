//! The protocol as it is, and broken on purpose.

use crate::property::Property;
use crate::wire::Field;

/// One thing that is done wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// These fields are under no signature, in no transcript and in no associated data.
    Unbound(&'static [Field]),
    /// No confirmation MACs, and no record in `ready`.
    NoConfirmation,
    /// Long-term exponents instead of ephemeral ones.
    StaticExchange,
    /// A responder draws its random values once and uses them in all of its runs.
    ResponderRepeats,
    /// A responder draws its challenge once.
    ChallengeRepeats,
    /// MACs under a key of long-term exponents instead of signatures.
    StaticAuthentication,
    /// Both directions have the same keys.
    OneKeyForBoth,
    /// Records of a session are not signed.
    UnsignedRecords,
    /// Records do not say from whom to whom, and nobody checks.
    RecordsWithoutNames,
    /// No nonces are remembered.
    NoGuard,
    /// Numbers of records are not marked.
    NoWindow,
    /// Any key may come under any name.
    NoTrust,
    /// Trust is asked only when a key is first shown.
    TrustAskedOnce,
    /// A peer may show one's own key.
    OwnKeyAccepted,
    /// Keys come from the shared secret alone.
    KeysWithoutTranscript,
    /// The challenge is not answered.
    NoChallenge,
    /// Nothing is signed.
    Unsigned,
}

/// The protocol with or without flaws.
#[derive(Debug, Clone, Copy)]
pub struct Variant {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, in one sentence.
    pub what: &'static str,
    /// What is wrong with it.
    pub flaws: &'static [Flaw],
    /// The configurations in which an attack must be found, and what falls there. Empty: what is left out
    /// is doubled by something else, and no property falls in any configuration.
    pub falls: &'static [(&'static str, Property)],
}

impl Variant {
    /// Whether it has `flaw`.
    #[must_use]
    pub fn has(&self, flaw: Flaw) -> bool {
        self.flaws.contains(&flaw)
    }

    /// Whether signatures, transcripts and associated data leave `field` out.
    #[must_use]
    pub fn unbound(&self, field: Field) -> bool {
        self.flaws
            .iter()
            .any(|flaw| matches!(flaw, Flaw::Unbound(fields) if fields.contains(&field)))
    }

    /// The variant of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        BROKEN.iter().chain(DOUBLED).find(|variant| variant.name == name)
    }
}

/// The protocol as it is.
pub const SOUND: Variant =
    Variant { name: "sound", what: "the protocol as it is", flaws: &[], falls: &[] };

/// Variants that must fall.
pub const BROKEN: &[Variant] = &[
    Variant {
        name: "unsigned",
        what: "nothing is signed",
        flaws: &[Flaw::Unsigned],
        falls: &[
            ("six", Property::Secrecy),
            ("three", Property::Secrecy),
            ("six-leaked-a", Property::KeyCompromise),
        ],
    },
    Variant {
        name: "shares-unbound",
        what: "the ephemeral keys are neither signed nor in the transcript",
        flaws: &[Flaw::Unbound(&[Field::EphemeralKey])],
        falls: &[("six-restart", Property::Agreement), ("three-restart", Property::Agreement)],
    },
    Variant {
        name: "shares-unconfirmed",
        what: "the ephemeral keys are neither signed nor in the transcript, and no MAC confirms the keys",
        flaws: &[Flaw::Unbound(&[Field::EphemeralKey]), Flaw::NoConfirmation],
        falls: &[
            ("six", Property::Secrecy),
            ("three", Property::Secrecy),
            ("three-leaked-a", Property::KeyCompromise),
        ],
    },
    Variant {
        name: "identity-unbound",
        what: "names and identity keys are neither signed nor in the transcript",
        flaws: &[Flaw::Unbound(&[
            Field::PublicKey,
            Field::SenderId,
            Field::RecipientId,
            Field::Signature,
        ])],
        falls: &[("six", Property::Binding), ("three", Property::Binding)],
    },
    Variant {
        name: "offers-unbound",
        what: "what A offers is neither signed nor in the transcript",
        flaws: &[Flaw::Unbound(&[Field::CipherSuites])],
        falls: &[("six", Property::NoDowngrade), ("three", Property::NoDowngrade)],
    },
    Variant {
        name: "features-unbound",
        what: "offered and chosen features are neither signed nor in the transcript",
        flaws: &[Flaw::Unbound(&[Field::Features])],
        falls: &[("six", Property::Agreement), ("three", Property::NoDowngrade)],
    },
    Variant {
        name: "choice-unbound",
        what: "the suite that B chooses is neither signed nor in the transcript",
        flaws: &[Flaw::Unbound(&[Field::Suite])],
        falls: &[("six", Property::Agreement), ("three", Property::Agreement)],
    },
    Variant {
        name: "session-unbound",
        what: "the session id is under no signature, transcript or associated data",
        flaws: &[Flaw::Unbound(&[Field::SessionId, Field::BodySessionId])],
        falls: &[("six", Property::Agreement), ("three", Property::Agreement)],
    },
    Variant {
        name: "lifetime-unbound",
        what: "the session's lifetime is neither signed nor in the transcript",
        flaws: &[Flaw::Unbound(&[Field::Lifetime])],
        falls: &[("six", Property::Agreement)],
    },
    Variant {
        name: "no-confirmation",
        what: "no confirmation MACs, and no record in `ready`",
        flaws: &[Flaw::NoConfirmation],
        falls: &[("six", Property::Confirmation), ("three", Property::Confirmation)],
    },
    Variant {
        name: "keys-without-transcript",
        what: "keys come from the shared secret alone, while an ephemeral key leaks",
        flaws: &[Flaw::KeysWithoutTranscript],
        falls: &[("six-ephemeral-a", Property::Binding), ("three-ephemeral-a", Property::Binding)],
    },
    Variant {
        name: "static-exchange",
        what: "long-term keys are exchanged instead of ephemeral ones",
        flaws: &[Flaw::StaticExchange],
        falls: &[
            ("six-later", Property::ForwardSecrecy),
            ("three-later", Property::ForwardSecrecy),
        ],
    },
    Variant {
        name: "static-authentication",
        what: "a MAC under a key of both long-term keys takes the place of each signature",
        flaws: &[Flaw::StaticAuthentication],
        falls: &[
            ("six-leaked-a", Property::KeyCompromise),
            ("three-leaked-a", Property::KeyCompromise),
            ("six-leaked-b", Property::KeyCompromise),
        ],
    },
    Variant {
        name: "responder-repeats",
        what: "B uses one challenge, ephemeral key, session id and nonce for all runs",
        flaws: &[Flaw::ResponderRepeats],
        falls: &[("six-restart", Property::Injective), ("three-restart", Property::Injective)],
    },
    Variant {
        name: "no-guard",
        what: "no nonces are remembered",
        flaws: &[Flaw::NoGuard],
        falls: &[("six-replay", Property::AnsweredOnce), ("three-replay", Property::AnsweredOnce)],
    },
    Variant {
        name: "no-window",
        what: "numbers of records are not marked as received",
        flaws: &[Flaw::NoWindow],
        falls: &[("six", Property::RecordOnce), ("three", Property::RecordOnce)],
    },
    Variant {
        name: "one-key",
        what: "both directions have the same keys, and records are unsigned and without names",
        flaws: &[Flaw::OneKeyForBoth, Flaw::UnsignedRecords, Flaw::RecordsWithoutNames],
        falls: &[("three", Property::RecordOrigin)],
    },
    Variant {
        name: "unsigned-records",
        what: "records are not signed, while the ephemeral key of the session leaks",
        flaws: &[Flaw::UnsignedRecords],
        falls: &[
            ("six-ephemeral-a", Property::RecordOrigin),
            ("three-ephemeral-b", Property::RecordOrigin),
        ],
    },
    Variant {
        name: "no-trust",
        what: "any key may come under any name",
        flaws: &[Flaw::NoTrust],
        falls: &[("six-first-use", Property::OneKeyPerName), ("six", Property::RightName)],
    },
    Variant {
        name: "trust-asked-once",
        what: "trust is asked when a key is shown, and not again when it is proved",
        flaws: &[Flaw::TrustAskedOnce],
        falls: &[("six-first-use", Property::OneKeyPerName)],
    },
    Variant {
        name: "own-key-accepted",
        what: "a peer may show one's own key",
        flaws: &[Flaw::OwnKeyAccepted],
        falls: &[("six-mirror", Property::NotItself), ("three-mirror", Property::NotItself)],
    },
];

/// Variants in which something is missing that something else makes up for. The search finds nothing,
/// which shows what is there twice, not that it may go.
pub const DOUBLED: &[Variant] = &[
    Variant {
        name: "kind-unbound",
        what: "kind and step are not signed: what is in the bodies differs from step to step",
        flaws: &[Flaw::Unbound(&[Field::MsgType, Field::SequenceNum])],
        falls: &[],
    },
    Variant {
        name: "challenge-repeats",
        what: "B uses one challenge for all runs: its ephemeral key is fresh all the same",
        flaws: &[Flaw::ChallengeRepeats],
        falls: &[],
    },
    Variant {
        name: "no-challenge",
        what: "the challenge is not answered: A signs it with the transcript anyway",
        flaws: &[Flaw::NoChallenge],
        falls: &[],
    },
    Variant {
        name: "one-key-only",
        what: "both directions have the same keys: records are signed and name both ends",
        flaws: &[Flaw::OneKeyForBoth],
        falls: &[],
    },
];
