//! Layers of settings, and how they become one configuration.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::mem::take;
use std::path::{Path, PathBuf};

use libp2p::Multiaddr;
use peer_protocol::identity::TrustPolicy;
use peer_protocol::registry::Capability;

use super::error::{ConfigError, InvalidSetting};
use super::transfers::{bytes, count};
use super::wake::bounded;
use super::{
    MAX_WAKE_RULES, NodeConfig, PrivateNetwork, Settings, TransferConfig, WakeRule, WakeSettings,
    dial_address, external_address, listen_address, parse_duration,
};

/// Longest configuration file that is read, in bytes.
const MAX_FILE_LEN: u64 = 1 << 20;

/// Where settings were written, so that errors can point there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In a TOML file.
    File {
        /// The file.
        path: PathBuf,
        /// Its text.
        text: String,
    },
    /// In `PEER_…` environment variables.
    Environment,
    /// On the command line.
    Flags,
}

impl Origin {
    /// A path that was written there: in a file it is relative to the file's directory.
    fn absolute(&self, path: &Path) -> PathBuf {
        match self {
            Self::File { path: file, .. } => {
                file.parent().map_or_else(|| path.to_owned(), |directory| directory.join(path))
            }
            Self::Environment | Self::Flags => path.to_owned(),
        }
    }
}

/// Settings and where they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    origin: Origin,
    settings: Settings,
}

impl Layer {
    /// Settings of `origin`.
    #[must_use]
    pub const fn new(origin: Origin, settings: Settings) -> Self {
        Self { origin, settings }
    }

    /// Reads a TOML file; none if there is no such file.
    ///
    /// # Errors
    /// [`ConfigError`] if it cannot be read, or holds an unknown key or a value of the wrong type.
    pub fn read(path: &Path) -> Result<Option<Self>, ConfigError> {
        let unreadable = |reason: String| ConfigError::Unreadable { path: path.to_owned(), reason };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error.to_string())),
        };
        let mut bytes = Vec::new();
        file.take(MAX_FILE_LEN + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| unreadable(error.to_string()))?;
        if bytes.len() as u64 > MAX_FILE_LEN {
            return Err(unreadable(format!("it has more than {MAX_FILE_LEN} bytes")));
        }
        let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8".into()))?;
        Self::parse(path, text).map(Some)
    }

    fn parse(path: &Path, text: String) -> Result<Self, ConfigError> {
        let settings = toml::from_str(&text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start).min(text.len());
            let line = text.get(..offset).unwrap_or_default().matches('\n').count();
            ConfigError::Malformed {
                path: path.to_owned(),
                line: line + 1,
                text: text.lines().nth(line).unwrap_or_default().trim().to_owned(),
                message: error.message().to_owned(),
            }
        })?;
        Ok(Self::new(Origin::File { path: path.to_owned(), text }, settings))
    }

    /// The same of a key in a table, whose variable is named for both.
    fn describe_in(&self, table: &str, key: &str) -> String {
        match &self.origin {
            Origin::File { path, text } => describe_line(path, text, Some(table), key),
            Origin::Environment | Origin::Flags => self.describe(&format!("{table}_{key}")),
        }
    }

    /// The same of a key in the table `[[table]]` that is number `index`, from 0.
    fn describe_nth(&self, table: &str, index: usize, key: &str) -> String {
        let Origin::File { path, text } = &self.origin else { return self.describe(key) };
        let head = format!("[[{table}]]");
        let lines = || text.lines().enumerate().map(|(at, line)| (at, line.trim()));
        let begin = lines().filter(|(_, line)| line.starts_with(&head)).nth(index);
        let begin = begin.map_or(0, |(at, _)| at);
        let is_key = |line: &str| {
            line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
        };
        let mut own = lines().skip(begin + 1).take_while(|(_, line)| !line.starts_with('['));
        let at = own.find(|(_, line)| is_key(line)).map_or(begin, |(at, _)| at);
        format!("{}, line {}, key `{key}` of {head}", path.display(), at + 1)
    }

    fn describe(&self, key: &str) -> String {
        match &self.origin {
            Origin::File { path, text } => describe_line(path, text, None, key),
            Origin::Environment => format!("environment variable {}", environment_name(key)),
            Origin::Flags => format!("flag --{}", flag(key)),
        }
    }
}

/// The line of a key in a file; of a key in a table, the first after the table's name.
fn describe_line(path: &Path, text: &str, table: Option<&str>, key: &str) -> String {
    let begins = |line: &str| {
        let name = line.trim().strip_prefix('[').and_then(|line| line.strip_suffix(']'));
        table.is_none_or(|table| name.is_some_and(|name| name.trim() == table))
    };
    let is_key = |line: &str| {
        line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    let mut lines = text.lines().enumerate().skip_while(|(_, line)| !begins(line));
    let line = lines.find(|(_, line)| is_key(line));
    let line = line.map_or_else(String::new, |(line, _)| format!(", line {}", line + 1));
    format!("{}{line}, key `{key}`", path.display())
}

impl Layer {
    fn wake(&self, tables: &[WakeSettings]) -> Result<Vec<WakeRule>, ConfigError> {
        let wrong = |index: usize, (key, reason): (&str, InvalidSetting)| ConfigError::Value {
            origin: self.describe_nth("wake", index, key),
            reason,
        };
        bounded("peers", tables.len(), MAX_WAKE_RULES).map_err(|it| wrong(MAX_WAKE_RULES, it))?;
        let rules = tables.iter().enumerate();
        rules.map(|(index, table)| table.rule().map_err(|it| wrong(index, it))).collect()
    }
}

/// The environment variable of a key.
pub(super) fn environment_name(key: &str) -> String {
    format!("PEER_{}", key.to_uppercase())
}

/// The flag of a key. A list of capabilities is given one by one.
fn flag(key: &str) -> String {
    if key == "capabilities" { "capability".to_owned() } else { key.replace('_', "-") }
}

impl NodeConfig {
    /// Checks settings, later layers over earlier ones and all over the defaults. A list in a later
    /// layer replaces the earlier list.
    ///
    /// # Errors
    /// [`ConfigError::Value`] names the file and line, variable or flag at fault.
    pub fn from_layers(layers: &[Layer]) -> Result<Self, ConfigError> {
        let stack = Stack(layers);
        let mut config = Self::default();
        stack.apply(
            "entity",
            |s| s.entity.as_ref(),
            |value| {
                config.entity = Some(value.parse()?);
                Ok(())
            },
        )?;
        // First: it changes the addresses that are the default, and only those.
        if let Some(path) = stack.path(|s| s.private_network.as_deref()) {
            stack.apply(
                "private_network",
                |s| s.private_network.as_ref(),
                |_| {
                    let network = PrivateNetwork::read(&path)?;
                    config = take(&mut config).with_private_network(network);
                    Ok(())
                },
            )?;
        }
        stack.apply(
            "listen",
            |s| s.listen.as_ref(),
            |value| {
                config.listen = addresses(value, listen_address)?;
                Ok(())
            },
        )?;
        stack.apply(
            "bootstrap",
            |s| s.bootstrap.as_ref(),
            |value| {
                config.bootstrap = addresses(value, dial_address)?;
                Ok(())
            },
        )?;
        stack.apply(
            "trust_policy",
            |s| s.trust_policy.as_ref(),
            |value| {
                config.trust_policy = trust_policy(value)?;
                Ok(())
            },
        )?;
        stack.apply(
            "session_lifetime",
            |s| s.session_lifetime.as_ref(),
            |value| {
                config = take(&mut config).with_session_lifetime(parse_duration(value)?)?;
                Ok(())
            },
        )?;
        stack.apply(
            "suites",
            |s| s.suites.as_ref(),
            |value| {
                config = take(&mut config).with_suites(value.clone())?;
                Ok(())
            },
        )?;
        stack.apply(
            "max_connections",
            |s| s.max_connections.as_ref(),
            |value| {
                config = take(&mut config).with_max_connections(*value)?;
                Ok(())
            },
        )?;
        stack.apply(
            "message_ttl",
            |s| s.message_ttl.as_ref(),
            |value| {
                config = take(&mut config).with_message_ttl(parse_duration(value)?)?;
                Ok(())
            },
        )?;
        stack.apply(
            "shutdown_grace",
            |s| s.shutdown_grace.as_ref(),
            |value| {
                config = take(&mut config).with_shutdown_grace(parse_duration(value)?)?;
                Ok(())
            },
        )?;
        stack.apply(
            "capabilities",
            |s| s.capabilities.as_ref(),
            |value| {
                config = take(&mut config).with_capabilities(capabilities(value)?)?;
                Ok(())
            },
        )?;
        stack.apply(
            "dht",
            |s| s.dht.as_ref(),
            |value| {
                config.dht = value.parse()?;
                Ok(())
            },
        )?;
        stack.apply(
            "external",
            |s| s.external.as_ref(),
            |value| {
                config.external = addresses(value, external_address)?;
                Ok(())
            },
        )?;
        config.registry_file = stack.path(|s| s.registry_file.as_deref());
        config.transfers = stack.transfers()?;
        config.mcp_files = stack.paths(|s| s.mcp.as_ref()?.files.as_deref());
        let bypass = |addresses: &[Multiaddr]| config.check_bypass(addresses);
        stack.apply("listen", |s| s.listen.as_ref(), |_| bypass(&config.listen))?;
        stack.apply("bootstrap", |s| s.bootstrap.as_ref(), |_| bypass(&config.bootstrap))?;
        stack.apply("external", |s| s.external.as_ref(), |_| bypass(&config.external))?;
        for layer in layers {
            let settings = &layer.settings;
            if let Some(mailbox) = &settings.mailbox {
                let made = mailbox.over(take(&mut config.mailbox));
                config.mailbox = made.map_err(|(key, reason)| ConfigError::Value {
                    origin: layer.describe_in("mailbox", key),
                    reason,
                })?;
            }
            if let Some(api) = &settings.api {
                let made = api.over(take(&mut config.api));
                config.api = made.map_err(|(key, reason)| ConfigError::Value {
                    origin: match layer.origin {
                        Origin::File { .. } => layer.describe_in("api", key),
                        // The one variable and flag of this table.
                        Origin::Environment | Origin::Flags => layer.describe("api"),
                    },
                    reason,
                })?;
            }
            if let Some(a2a) = &settings.a2a {
                let made = a2a.over(take(&mut config.a2a));
                config.a2a = made.map_err(|(key, reason)| ConfigError::Value {
                    origin: layer.describe_in("a2a", key),
                    reason,
                })?;
            }
            if let Some(gateway) = &settings.gateway {
                let made = gateway.over(take(&mut config.gateway));
                config.gateway = made.map_err(|(key, reason)| ConfigError::Value {
                    origin: layer.describe_in("gateway", key),
                    reason,
                })?;
            }
            if let Some(wake) = &settings.wake {
                config.wake = layer.wake(wake)?;
            }
            config.mdns = settings.mdns.unwrap_or(config.mdns);
            config.upnp = settings.upnp.unwrap_or(config.upnp);
            config.relays = settings.relays.unwrap_or(config.relays);
            config.relay_server = settings.relay_server.unwrap_or(config.relay_server);
            config.carry = settings.carry.unwrap_or(config.carry);
            config.three_way = settings.three_way.unwrap_or(config.three_way);
            config.low_latency = settings.low_latency.unwrap_or(config.low_latency);
            config.legacy = settings.legacy.unwrap_or(config.legacy);
            config.require_encryption =
                settings.require_encryption.unwrap_or(config.require_encryption);
            if let Some(rate) = &settings.rate {
                config.rate = rate.over(config.rate);
            }
            if let Some(rate) = &settings.trusted_rate {
                config.trusted_rate = rate.over(config.trusted_rate);
            }
        }
        Ok(config)
    }
}

struct Stack<'a>(&'a [Layer]);

impl<'a> Stack<'a> {
    /// Applies the topmost value of `key`, and says where it stands if it will not do.
    fn apply<T: 'a>(
        &self,
        key: &str,
        get: impl Fn(&'a Settings) -> Option<&'a T>,
        apply: impl FnOnce(&'a T) -> Result<(), InvalidSetting>,
    ) -> Result<(), ConfigError> {
        let top = self.0.iter().rev().find_map(|layer| Some((layer, get(&layer.settings)?)));
        let Some((layer, value)) = top else {
            return Ok(());
        };
        apply(value).map_err(|reason| ConfigError::Value { origin: layer.describe(key), reason })
    }

    fn transfers(&self) -> Result<TransferConfig, ConfigError> {
        let mut config = TransferConfig::default();
        let table = |s: &'a Settings| s.transfers.as_ref();
        self.apply(
            "accept_files",
            |s| table(s)?.accept_files.as_ref(),
            |value| {
                config.accept = value.parse()?;
                Ok(())
            },
        )?;
        self.apply(
            "max_file",
            |s| table(s)?.max_file.as_ref(),
            |value| {
                config.max_file = bytes(value)?;
                Ok(())
            },
        )?;
        self.apply(
            "max_per_peer",
            |s| table(s)?.max_per_peer.as_ref(),
            |value| {
                config.per_peer = bytes(value)?;
                Ok(())
            },
        )?;
        self.apply(
            "max_received",
            |s| table(s)?.max_received.as_ref(),
            |value| {
                config.total = bytes(value)?;
                Ok(())
            },
        )?;
        self.apply(
            "disk_reserve",
            |s| table(s)?.disk_reserve.as_ref(),
            |value| {
                config.reserve = bytes(value)?;
                Ok(())
            },
        )?;
        self.apply(
            "max_open_per_peer",
            |s| table(s)?.max_open_per_peer.as_ref(),
            |value| {
                config.open_per_peer = count(*value)?;
                Ok(())
            },
        )?;
        self.apply(
            "max_open",
            |s| table(s)?.max_open.as_ref(),
            |value| {
                config.open = count(*value)?;
                Ok(())
            },
        )?;
        config.received = self.path(|s| table(s)?.received_dir.as_deref());
        Ok(config)
    }

    /// The topmost path. In a file it is relative to the file's directory, elsewhere to the working
    /// directory.
    fn path(&self, get: impl Fn(&'a Settings) -> Option<&'a Path>) -> Option<PathBuf> {
        let found = |layer: &'a Layer| Some(layer.origin.absolute(get(&layer.settings)?));
        self.0.iter().rev().find_map(found)
    }

    /// The same for the topmost list of paths; none if there is none.
    fn paths(&self, get: impl Fn(&'a Settings) -> Option<&'a [PathBuf]>) -> Vec<PathBuf> {
        let found = |layer: &'a Layer| {
            let paths = get(&layer.settings)?;
            Some(paths.iter().map(|path| layer.origin.absolute(path)).collect())
        };
        self.0.iter().rev().find_map(found).unwrap_or_default()
    }
}

fn addresses(
    texts: &[String],
    parse: impl Fn(&str) -> Result<Multiaddr, super::BadAddress>,
) -> Result<Vec<Multiaddr>, InvalidSetting> {
    texts.iter().map(|text| parse(text).map_err(InvalidSetting::from)).collect()
}

fn capabilities(names: &[String]) -> Result<Vec<Capability>, InvalidSetting> {
    let parse = |name: &String| {
        let invalid = |reason| InvalidSetting::Capability { name: name.clone(), reason };
        name.parse().map_err(invalid)
    };
    names.iter().map(parse).collect()
}

fn trust_policy(text: &str) -> Result<TrustPolicy, InvalidSetting> {
    match text {
        "open" => Ok(TrustPolicy::Open),
        "pinned-only" => Ok(TrustPolicy::PinnedOnly),
        _ => {
            let given = text.to_owned();
            Err(InvalidSetting::Word { given, known: &["open", "pinned-only"] })
        }
    }
}
