//! What can go wrong on the public segment: its switch drops frames between two ports, all of them or
//! some. The kernel here has no `netem`; delay and reordering are the relay's work (`crate::proxy`).

use super::{Network, tool};
use crate::finding::Finding;

const TABLE: &str = "bridge faults";

impl Network {
    /// Drops every frame from `from` to `to`, and none the other way.
    ///
    /// # Errors
    /// What `nft` said.
    pub(crate) fn cut_one_way(&self, from: &str, to: &str) -> Result<(), Finding> {
        self.faulty(&format!("iifname \"{from}\" oifname \"{to}\" drop"))
    }

    /// Drops every frame between the two.
    ///
    /// # Errors
    /// What `nft` said.
    pub(crate) fn cut(&self, one: &str, other: &str) -> Result<(), Finding> {
        self.cut_one_way(one, other)?;
        self.cut_one_way(other, one)
    }

    /// Drops `percent` of a hundred frames from `from` to `to`, at random.
    ///
    /// # Errors
    /// What `nft` said.
    pub(crate) fn lose(&self, from: &str, to: &str, percent: u8) -> Result<(), Finding> {
        let often = format!("numgen random mod 100 < {percent}");
        self.faulty(&format!("iifname \"{from}\" oifname \"{to}\" {often} counter drop"))
    }

    /// How many frames [`Network::lose`] has dropped since the last [`Network::heal`].
    ///
    /// # Errors
    /// What `nft` said.
    pub(crate) fn lost(&self) -> Result<u64, Finding> {
        let line = format!("netns exec {} nft list chain {TABLE} pass", self.switch.name());
        Ok(packets(&tool::run("ip", &line)?))
    }

    /// Everything passes again.
    ///
    /// # Errors
    /// What `nft` said.
    pub(crate) fn heal(&self) -> Result<(), Finding> {
        self.switch.rules(&format!("flush chain {TABLE} pass"))
    }

    /// Pulls the cable of `name` at the switch: its interface loses its carrier.
    ///
    /// # Errors
    /// What `ip` said.
    pub(crate) fn unplug(&self, name: &str) -> Result<(), Finding> {
        self.switch.ip(&format!("link set dev {name} down")).map(drop)
    }

    /// Puts the cable back.
    ///
    /// # Errors
    /// What `ip` said.
    pub(crate) fn plug(&self, name: &str) -> Result<(), Finding> {
        self.switch.ip(&format!("link set dev {name} up")).map(drop)
    }

    pub(super) fn prepare_faults(&self) -> Result<(), Finding> {
        self.switch.rules(&format!(
            "table {TABLE} {{
  chain pass {{
    type filter hook forward priority 0; policy accept
  }}
}}
"
        ))
    }

    fn faulty(&self, rule: &str) -> Result<(), Finding> {
        self.switch.rules(&format!("add rule {TABLE} pass {rule}"))
    }
}

/// The sum of all counters in what `nft list` prints.
fn packets(listed: &str) -> u64 {
    let after = listed.split("counter packets ").skip(1);
    after.filter_map(|rest| rest.split(' ').next()?.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_added_up() {
        let listed = "chain pass {\n\tiifname \"a\" counter packets 12 bytes 900 drop\n\
                      \tiifname \"b\" counter packets 3 bytes 180 drop\n}\n";
        assert_eq!(packets(listed), 15);
        assert_eq!(packets("chain pass { }"), 0);
    }
}
