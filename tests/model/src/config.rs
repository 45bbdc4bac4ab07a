//! What is searched: who runs what, whom they trust, and what leaks.

use crate::term::{Agent, RunNumber};

/// The two handshakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Handshake {
    /// `docs/PROTOCOL.md` §3.
    SixStep,
    /// `docs/PROTOCOL.md` §4.
    ThreeWay,
}

/// Whom an initiator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// The holder of this agent's key, as on every connection.
    Key(Agent),
    /// Whoever comes under this agent's name.
    Name(Agent),
}

/// One run that an honest agent is ready for.
#[derive(Debug, Clone, Copy)]
pub enum RunSpec {
    /// It begins, with one of these peers: the attacker chooses with which.
    Initiator(Agent, Handshake, &'static [Target]),
    /// It answers a handshake of one of these kinds.
    Responder(Agent, &'static [Handshake]),
}

impl RunSpec {
    /// Whose run it is.
    #[must_use]
    pub const fn owner(&self) -> Agent {
        match self {
            Self::Initiator(owner, ..) | Self::Responder(owner, _) => *owner,
        }
    }
}

/// Which keys belong to which names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// A and B have pinned each other.
    Pinned,
    /// The first key under a name is believed.
    FirstUse,
}

/// One search.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, in one line.
    pub what: &'static str,
    /// The runs.
    pub runs: &'static [RunSpec],
    /// Whom they trust.
    pub trust: Trust,
    /// Whether agents remember nonces from run to run (§2.6). Where they do not, they were restarted.
    pub guard: bool,
    /// Agents whose long-term keys the attacker has from the start.
    pub leaked: &'static [Agent],
    /// Agents whose long-term keys leak, all at one time, which may be any once a session is in use.
    pub later: &'static [Agent],
    /// Runs whose ephemeral keys leak as soon as they are drawn.
    pub ephemeral: &'static [RunNumber],
}

const PLAIN: Config = Config {
    name: "",
    what: "",
    runs: &[],
    trust: Trust::Pinned,
    guard: false,
    leaked: &[],
    later: &[],
    ephemeral: &[],
};

use Agent::{A, B, E};
use Handshake::{SixStep as Six, ThreeWay as Three};
use RunSpec::{Initiator, Responder};
use Target::{Key, Name};

const TO_B: &[Target] = &[Key(B), Key(E)];
const TO_A: &[Target] = &[Key(A), Key(E)];

const SIX_BOTH_WAYS: &[RunSpec] =
    &[Initiator(A, Six, TO_B), Responder(B, &[Six]), Initiator(B, Six, TO_A), Responder(A, &[Six])];
const THREE_BOTH_WAYS: &[RunSpec] = &[
    Initiator(A, Three, TO_B),
    Responder(B, &[Three]),
    Initiator(B, Three, TO_A),
    Responder(A, &[Three]),
];
const SIX_TWICE: &[RunSpec] =
    &[Initiator(A, Six, TO_B), Responder(B, &[Six]), Initiator(A, Six, TO_B), Responder(B, &[Six])];
const THREE_TWICE: &[RunSpec] = &[
    Initiator(A, Three, TO_B),
    Responder(B, &[Three]),
    Initiator(A, Three, TO_B),
    Responder(B, &[Three]),
];
const SIX_AGAIN: &[RunSpec] =
    &[Initiator(A, Six, TO_B), Responder(B, &[Six]), Responder(B, &[Six])];
const THREE_AGAIN: &[RunSpec] =
    &[Initiator(A, Three, TO_B), Responder(B, &[Three]), Responder(B, &[Three])];

/// All searches.
pub const ALL: &[Config] = &[
    Config { name: "six", what: "six-step, a session each way", runs: SIX_BOTH_WAYS, ..PLAIN },
    Config { name: "three", what: "three-way, a session each way", runs: THREE_BOTH_WAYS, ..PLAIN },
    Config { name: "six-twice", what: "six-step, A to B twice", runs: SIX_TWICE, ..PLAIN },
    Config { name: "three-twice", what: "three-way, A to B twice", runs: THREE_TWICE, ..PLAIN },
    Config {
        name: "both-kinds",
        what: "A begins one of each kind, B answers either",
        runs: &[
            Initiator(A, Six, TO_B),
            Responder(B, &[Six, Three]),
            Initiator(A, Three, TO_B),
            Responder(B, &[Six, Three]),
        ],
        ..PLAIN
    },
    Config {
        name: "both-kinds-crossed",
        what: "A begins six-step and B three-way, each answers either",
        runs: &[
            Initiator(A, Six, TO_B),
            Responder(B, &[Six, Three]),
            Initiator(B, Three, TO_A),
            Responder(A, &[Six, Three]),
        ],
        ..PLAIN
    },
    Config {
        name: "six-leaked-a",
        what: "six-step, E has A's long-term keys from the start",
        runs: SIX_BOTH_WAYS,
        leaked: &[A],
        ..PLAIN
    },
    Config {
        name: "three-leaked-a",
        what: "three-way, E has A's long-term keys from the start",
        runs: THREE_BOTH_WAYS,
        leaked: &[A],
        ..PLAIN
    },
    Config {
        name: "six-leaked-b",
        what: "six-step, A to B twice, E has B's long-term keys from the start",
        runs: SIX_TWICE,
        leaked: &[B],
        ..PLAIN
    },
    Config {
        name: "three-leaked-b",
        what: "three-way, A to B twice, E has B's long-term keys from the start",
        runs: THREE_TWICE,
        leaked: &[B],
        ..PLAIN
    },
    Config {
        name: "both-kinds-leaked-a",
        what: "A begins one of each kind, B answers either, E has A's long-term keys",
        runs: &[Initiator(A, Six, TO_B), Responder(B, &[Six, Three]), Initiator(A, Three, TO_B)],
        leaked: &[A],
        ..PLAIN
    },
    Config {
        name: "six-later",
        what: "six-step, all long-term keys leak at any time",
        runs: SIX_BOTH_WAYS,
        later: &[A, B],
        ..PLAIN
    },
    Config {
        name: "three-later",
        what: "three-way, all long-term keys leak at any time",
        runs: THREE_BOTH_WAYS,
        later: &[A, B],
        ..PLAIN
    },
    Config {
        name: "six-ephemeral-a",
        what: "six-step, A to B twice, A's first ephemeral key leaks",
        runs: SIX_TWICE,
        ephemeral: &[0],
        ..PLAIN
    },
    Config {
        name: "six-ephemeral-b",
        what: "six-step, a session each way, the ephemeral key of B's answer leaks",
        runs: SIX_BOTH_WAYS,
        ephemeral: &[1],
        ..PLAIN
    },
    Config {
        name: "three-ephemeral-a",
        what: "three-way, A to B twice, A's first ephemeral key leaks",
        runs: THREE_TWICE,
        ephemeral: &[0],
        ..PLAIN
    },
    Config {
        name: "three-ephemeral-b",
        what: "three-way, a session each way, the ephemeral key of B's answer leaks",
        runs: THREE_BOTH_WAYS,
        ephemeral: &[1],
        ..PLAIN
    },
    Config {
        name: "six-replay",
        what: "six-step, A to B once, B answers twice and remembers nonces",
        runs: SIX_AGAIN,
        guard: true,
        ..PLAIN
    },
    Config {
        name: "three-replay",
        what: "three-way, A to B once, B answers twice and remembers nonces",
        runs: THREE_AGAIN,
        guard: true,
        ..PLAIN
    },
    Config {
        name: "six-restart",
        what: "six-step, A to B once, B answers twice and was restarted",
        runs: SIX_AGAIN,
        ..PLAIN
    },
    Config {
        name: "three-restart",
        what: "three-way, A to B once, B answers twice and was restarted",
        runs: THREE_AGAIN,
        ..PLAIN
    },
    Config {
        name: "six-first-use",
        what: "six-step, A calls whoever is named B, twice; nobody is pinned",
        runs: &[Initiator(A, Six, &[Name(B)]), Responder(B, &[Six]), Initiator(A, Six, &[Name(B)])],
        trust: Trust::FirstUse,
        ..PLAIN
    },
    Config {
        name: "three-first-use",
        what: "three-way, A calls whoever is named B, twice; nobody is pinned",
        runs: &[
            Initiator(A, Three, &[Name(B)]),
            Responder(B, &[Three]),
            Initiator(A, Three, &[Name(B)]),
        ],
        trust: Trust::FirstUse,
        ..PLAIN
    },
    Config {
        name: "six-mirror",
        what: "six-step, A calls whoever answers, and answers too",
        runs: &[Initiator(A, Six, &[Name(A), Name(B)]), Responder(A, &[Six]), Responder(B, &[Six])],
        ..PLAIN
    },
    Config {
        name: "three-mirror",
        what: "three-way, A calls whoever answers, and answers too",
        runs: &[
            Initiator(A, Three, &[Name(A), Name(B)]),
            Responder(A, &[Three]),
            Responder(B, &[Three]),
        ],
        ..PLAIN
    },
];

impl Config {
    /// The configuration of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|config| config.name == name)
    }
}
