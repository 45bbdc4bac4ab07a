//! What is tried: attacks, and from where.

use clap::ValueEnum;

/// An attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Attack {
    /// TCP connections, dropped at once.
    Connects,
    /// TCP connections that stay silent; the oldest of many gives way to a new one.
    Silent,
    /// TCP connections that bring random bytes.
    Garbage,
    /// Noise connections of new peer ids, dropped at once.
    Noise,
    /// Noise connections of new peer ids that stay.
    NoiseHeld,
    /// The same, each with a frame of Noise that lacks its last byte.
    HalfNoise,
    /// New peer ids that ask one thing, which is no envelope, and are gone.
    Passers,
    /// First steps of handshakes with wrong signatures, over connections of many peer ids.
    ForgedInits,
    /// First steps that are right, of keys that nobody knows.
    StrangerInits,
    /// The same first step again and again, over connections of many peer ids.
    ReplayedInits,
    /// Whole handshakes of new keys.
    Sessions,
    /// A peer with a session begins handshakes.
    Renewals,
    /// A peer with a session sends tasks.
    Tasks,
    /// Status reports.
    Reports,
    /// Wake-ups.
    WakeUps,
    /// Heartbeats.
    Heartbeats,
    /// Discovery and capability queries.
    Discovery,
    /// Pieces of transfers.
    Chunks,
    /// Requests to a mailbox.
    Mailbox,
    /// Receipts for messages that nobody sent.
    Receipts,
    /// Sealed batches of the greatest length.
    Batches,
    /// Sealed batches whose signature is wrong.
    BadSignatures,
    /// Lookups in the hash table, and records to keep there.
    Registry,
    /// Packets for others to carry.
    Hops,
    /// Substreams, opened and reset.
    Streams,
    /// Substreams that are opened and left, the later ones with 200 KiB on them.
    HalfOpen,
    /// Five hundred peer ids, each of which leaves as much unread on its streams as it can.
    Hoard,
    /// As many, which propose protocols with the longest names, but for the last byte.
    LongNames,
    /// Asks, and never reads an answer.
    SlowReader,
    /// Announces a mebibyte on every stream, and writes a byte a second.
    SlowWriter,
    /// Frames that announce four gibibytes.
    HugeFrames,
    /// Frames of one byte, and of none.
    TinyFrames,
    /// Idle and slow clients of the local API, and huge bodies.
    LocalApi,
}

impl Attack {
    /// Whether limits per network have a part in it.
    const fn is_about_networks(self) -> bool {
        matches!(
            self,
            Self::Connects
                | Self::Silent
                | Self::Garbage
                | Self::Noise
                | Self::NoiseHeld
                | Self::StrangerInits
                | Self::Sessions
        )
    }
}

impl Attack {
    /// Whether it is made of what is below Noise and Yamux, or has nothing to do with connections.
    const fn is_about_tcp(self) -> bool {
        matches!(
            self,
            Self::Connects | Self::Silent | Self::Garbage | Self::HalfNoise | Self::LocalApi
        )
    }

    /// Whether it goes at a given pace: those of connections and handshakes, which cost their victim more
    /// than themselves. Others go as fast as answers come.
    pub(crate) const fn has_pace(self) -> bool {
        matches!(
            self,
            Self::Connects
                | Self::Silent
                | Self::Garbage
                | Self::ForgedInits
                | Self::StrangerInits
                | Self::ReplayedInits
        )
    }
}

/// Where the attacker's addresses are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Place {
    /// 127.0.0.0/8, where no limit per network holds.
    Loopback,
    /// One public /24.
    OneNetwork,
    /// 65,536 public networks.
    ManyNetworks,
}

/// How the attacker connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// TCP, Noise and Yamux.
    Tcp,
    /// QUIC.
    Quic,
}

/// An attack from somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) attack: Attack,
    pub(crate) place: Place,
    pub(crate) transport: Transport,
}

impl Case {
    /// Those wanted; from public addresses too where they make a difference, if there are any.
    pub(crate) fn all(only: &[Attack], places: &[Place], transport: Transport) -> Vec<Self> {
        let wanted = |attack: &&Attack| {
            (only.is_empty() || only.contains(attack))
                && (transport == Transport::Tcp || !attack.is_about_tcp())
        };
        let attacks = Attack::value_variants().iter().filter(wanted);
        let cases = attacks.flat_map(|attack| {
            let here = places
                .iter()
                .filter(|place| **place == Place::Loopback || attack.is_about_networks());
            here.map(move |place| Self { attack: *attack, place: *place, transport })
        });
        cases.collect()
    }

    pub(crate) fn name(self) -> String {
        let mut name = word(&self.attack);
        if self.place != Place::Loopback {
            name = format!("{name}, {}", word(&self.place));
        }
        match self.transport {
            Transport::Tcp => name,
            Transport::Quic => format!("{name}, quic"),
        }
    }
}

/// The word for a value on the command line.
pub(crate) fn word(value: &impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}
