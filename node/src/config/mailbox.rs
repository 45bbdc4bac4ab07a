//! Whose mailbox a node is, and where its own messages wait (`docs/PROTOCOL.md` §18).

use std::str::FromStr;
use std::time::Duration;

use libp2p::{Multiaddr, PeerId};
use peer_behaviours::secure;
use peer_protocol::limits::{MAX_ITEM_TTL, MAX_MAILBOXES};
use peer_protocol::mailbox::KeeperConfig;
use serde::{Deserialize, Serialize};

use super::{InvalidSetting, NodeConfig, dial_address, parse_duration, parse_size};
use crate::directory::peer_of;

/// Shortest and longest time between two visits, and before something is put.
const SPAN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(86_400));
/// Shortest time that items may stay.
const MIN_TTL: Duration = Duration::from_secs(60);

/// Whose mailbox a node is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ServeMailbox {
    /// Nobody's.
    #[default]
    None,
    /// Pinned peers'.
    Pinned,
    /// That of peers on the trust list, revoked ones excepted.
    Known,
    /// Everybody's who may speak to this node.
    All,
}

impl ServeMailbox {
    /// The word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pinned => "pinned",
            Self::Known => "known",
            Self::All => "all",
        }
    }
}

impl FromStr for ServeMailbox {
    type Err = InvalidSetting;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::None, Self::Pinned, Self::Known, Self::All];
        all.into_iter().find(|word| word.as_str() == text).ok_or_else(|| InvalidSetting::Word {
            given: text.to_owned(),
            known: &["none", "pinned", "known", "all"],
        })
    }
}

/// Whose mailbox the node is, and where its own messages wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxConfig {
    /// Whose mailbox it is.
    pub serve: ServeMailbox,
    /// What it keeps for them.
    pub keep: KeeperConfig,
    /// Its own mailbox nodes: addresses with a peer id, or peer ids alone, as `/p2p/…`; at most
    /// [`MAX_MAILBOXES`].
    pub at: Vec<Multiaddr>,
    /// How long a receiver must have been out of reach before messages to it are put into its mailbox.
    pub after: Duration,
    /// How often it looks for messages and receipts.
    pub every: Duration,
}

impl Default for MailboxConfig {
    fn default() -> Self {
        Self {
            serve: ServeMailbox::default(),
            keep: KeeperConfig::default(),
            at: Vec::new(),
            after: Duration::from_secs(30),
            every: Duration::from_secs(60),
        }
    }
}

/// The table `[mailbox]`; what is `None` keeps its default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MailboxSettings {
    /// Whose mailbox this node is: `none`, `pinned`, `known` (all on the trust list) or `all`.
    pub serve: Option<String>,
    /// Where messages for this node wait while it is away: up to four mailbox nodes, by peer id or address.
    pub at: Option<Vec<String>>,
    /// How long a receiver must have been out of reach before messages to it go to its mailbox.
    pub after: Option<String>,
    /// How often messages and receipts are looked for.
    pub every: Option<String>,
    /// How long items stay here, `1m` to `14d`.
    pub ttl: Option<String>,
    /// Most owners.
    pub max_owners: Option<usize>,
    /// Most items for one owner.
    pub max_items: Option<usize>,
    /// Most bytes for one owner, such as `128MiB`.
    pub max_bytes: Option<String>,
    /// Most items for one owner from one sender.
    pub max_items_per_sender: Option<usize>,
    /// Most bytes for one owner from one sender.
    pub max_bytes_per_sender: Option<String>,
    /// Most items in all.
    pub max_total_items: Option<usize>,
    /// Most bytes in all.
    pub max_total_bytes: Option<String>,
}

impl MailboxSettings {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What these settings make of `base`.
    ///
    /// # Errors
    /// The key at fault, and what is wrong with its value.
    pub(super) fn over(
        &self,
        base: MailboxConfig,
    ) -> Result<MailboxConfig, (&'static str, InvalidSetting)> {
        let (least, most) = SPAN;
        let keep = self.room_over(base.keep)?;
        let serve = self.serve.as_ref().map_or(Ok(base.serve), |word| word.parse());
        let at = self.at.as_ref().map_or(Ok(base.at), |all| nodes(all));
        let after = self.after.as_ref();
        let after = after.map_or(Ok(base.after), |text| duration(text, least, most));
        let every = self.every.as_ref();
        let every = every.map_or(Ok(base.every), |text| duration(text, least, most));
        Ok(MailboxConfig {
            serve: serve.map_err(|error| ("serve", error))?,
            keep,
            at: at.map_err(|error| ("at", error))?,
            after: after.map_err(|error| ("after", error))?,
            every: every.map_err(|error| ("every", error))?,
        })
    }

    fn room_over(
        &self,
        mut keep: KeeperConfig,
    ) -> Result<KeeperConfig, (&'static str, InvalidSetting)> {
        keep.owners = self.max_owners.unwrap_or(keep.owners);
        keep.owner.items = self.max_items.unwrap_or(keep.owner.items);
        keep.sender.items = self.max_items_per_sender.unwrap_or(keep.sender.items);
        keep.total.items = self.max_total_items.unwrap_or(keep.total.items);
        for (key, text, bytes) in [
            ("max_bytes", &self.max_bytes, &mut keep.owner.bytes),
            ("max_bytes_per_sender", &self.max_bytes_per_sender, &mut keep.sender.bytes),
            ("max_total_bytes", &self.max_total_bytes, &mut keep.total.bytes),
        ] {
            if let Some(text) = text {
                *bytes = parse_size(text).map_err(|error| (key, error.into()))?;
            }
        }
        if let Some(text) = &self.ttl {
            let ttl = duration(text, MIN_TTL, MAX_ITEM_TTL);
            keep.ttl = ttl.map_err(|error| ("ttl", error))?;
        }
        Ok(keep)
    }
}

fn duration(text: &str, least: Duration, most: Duration) -> Result<Duration, InvalidSetting> {
    let given = parse_duration(text)?;
    if (least..=most).contains(&given) {
        Ok(given)
    } else {
        Err(InvalidSetting::Duration { given, least, most })
    }
}

/// Mailbox nodes: addresses with a peer id, or peer ids alone.
fn nodes(all: &[String]) -> Result<Vec<Multiaddr>, InvalidSetting> {
    if all.len() > MAX_MAILBOXES {
        return Err(InvalidSetting::TooMany { given: all.len(), most: MAX_MAILBOXES });
    }
    let node = |text: &String| {
        if text.parse::<PeerId>().is_ok_and(|id| secure::key_of(&id).is_some()) {
            return format!("/p2p/{text}")
                .parse()
                .map_err(|_| InvalidSetting::MailboxNode { given: text.clone() });
        }
        let address = dial_address(text)?;
        let id = peer_of(&address).filter(|id| secure::key_of(id).is_some());
        id.map(|_| address).ok_or_else(|| InvalidSetting::MailboxNode { given: text.clone() })
    };
    all.iter().map(node).collect()
}

impl NodeConfig {
    /// Whose mailbox the node is, and where its own messages wait.
    #[must_use]
    pub const fn mailbox(&self) -> &MailboxConfig {
        &self.mailbox
    }

    /// Sets whose mailbox the node is, and where its own messages wait.
    #[must_use]
    pub fn with_mailbox(mut self, mailbox: MailboxConfig) -> Self {
        self.mailbox = mailbox;
        self
    }
}
