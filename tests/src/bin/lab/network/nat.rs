//! What a home's router does with addresses and with strangers.

/// How a router translates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nat {
    /// Endpoint-independent mapping, as most homes have: a port inside is the same port outside, whomever
    /// it talks to. Hole punching works.
    Cone,
    /// Endpoint-dependent mapping, as mobile and office networks have: every conversation gets a random
    /// port of its own. Hole punching cannot work against another of these.
    Symmetric,
}

impl Nat {
    /// The router's rules. Both kinds drop what nobody inside asked for, without a word: an answer of
    /// the router itself (a reset, an ICMP error) would tell a hole puncher to give up.
    pub(super) fn rules(self) -> String {
        let masquerade = match self {
            Self::Cone => "masquerade",
            Self::Symmetric => "masquerade fully-random",
        };
        format!(
            "table inet router {{
  chain translate {{
    type nat hook postrouting priority srcnat; policy accept
    oifname \"wan\" meta nfproto ipv4 {masquerade}
  }}
  chain pass {{
    type filter hook forward priority filter; policy drop
    ct state established,related accept
    iifname \"lan\" accept
  }}
  chain arrive {{
    type filter hook input priority filter; policy drop
    iifname {{ \"lan\", \"lo\" }} accept
    meta l4proto ipv6-icmp accept
    ct state established,related accept
  }}
}}
"
        )
    }
}
