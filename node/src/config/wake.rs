//! Who may have this node's agent woken, and how that is done (`docs/PROTOCOL.md` §16.1).

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use peer_protocol::identity::{EntityId, Fingerprint};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{InvalidSetting, NodeConfig, parse_duration};

/// Most rules.
pub const MAX_WAKE_RULES: usize = 32;
/// Most peers of a rule.
const MAX_PEERS: usize = 256;
/// Most arguments of a command.
const MAX_ARGUMENTS: usize = 64;
/// Longest text in a rule, in bytes.
const MAX_TEXT: usize = 4096;
/// What stands for the nonce in a text that is typed.
pub(crate) const NONCE: &str = "{nonce}";
const WORDS: &[&str] = &["command", "systemd", "tmux", "webhook", "client"];

/// Whom a rule allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WakePeer {
    /// Every pinned peer.
    Pinned,
    /// Whoever proves to be this entity, if its key is pinned or derives the name: a name that was only
    /// seen first may be anybody's.
    Entity(EntityId),
    /// Whoever holds this key.
    Key(Fingerprint),
}

/// How the agent is woken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adapter {
    /// By a program.
    Command {
        /// Program and arguments; never read by a shell.
        command: Vec<String>,
        /// Whether a program that an earlier wake-up started is stopped first, if it still runs with no
        /// agent attached.
        replace: bool,
    },
    /// By starting a unit.
    Systemd {
        /// The unit.
        unit: String,
        /// Whether it is one of the user's own.
        user: bool,
        /// `systemctl`, or what stands in for it.
        program: PathBuf,
    },
    /// By typing into a terminal.
    Tmux {
        /// The pane.
        target: String,
        /// What is typed; `{nonce}` stands for the nonce.
        text: String,
        /// Whether Enter follows.
        enter: bool,
        /// The server's socket name, if it is not the default.
        socket: Option<String>,
        /// `tmux`, or what stands in for it.
        program: PathBuf,
    },
    /// By an HTTP request.
    Webhook {
        /// Where to; HTTPS, unless it is on this machine or plain HTTP is allowed.
        url: Url,
        /// A file with a bearer token.
        token_file: Option<PathBuf>,
    },
    /// By a message to a client of the local API that waits, or comes in time.
    Client,
}

/// A rule: who may have the agent woken, how, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WakeRule {
    /// Who; at least one.
    pub peers: Vec<WakePeer>,
    /// How.
    pub adapter: Adapter,
    /// How long the agent has to prove that it is awake.
    pub timeout: Duration,
    /// Time from one start of the adapter to the next, at least.
    pub cooldown: Duration,
    /// Most starts of the adapter within an hour.
    pub max_per_hour: usize,
}

impl WakeRule {
    /// A rule with everything else at its default.
    #[must_use]
    pub const fn new(peers: Vec<WakePeer>, adapter: Adapter) -> Self {
        Self {
            peers,
            adapter,
            timeout: Duration::from_secs(20),
            cooldown: Duration::from_secs(5),
            max_per_hour: 60,
        }
    }
}

/// A table `[[wake]]`; what is `None` keeps its default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WakeSettings {
    /// Who may: entity ids, fingerprints, or `pinned` for all pinned peers.
    pub peers: Option<Vec<String>>,
    /// `command`, `systemd`, `tmux`, `webhook` or `client`.
    pub adapter: Option<String>,
    /// How long the agent has to prove that it is awake: `100ms` to `10m`, by default `20s`.
    pub timeout: Option<String>,
    /// Time from one start to the next: up to `1h`, by default `5s`.
    pub cooldown: Option<String>,
    /// Most starts within an hour; by default 60.
    pub max_per_hour: Option<usize>,
    /// Of `command`: program and arguments; no shell reads them.
    pub command: Option<Vec<String>>,
    /// Of `command`: whether what an earlier wake-up started and still runs with no agent attached is
    /// stopped first; by default not.
    pub replace: Option<bool>,
    /// Of `systemd`: the unit.
    pub unit: Option<String>,
    /// Of `systemd`: whether it is one of the user's own; by default it is.
    pub user: Option<bool>,
    /// Of `tmux`: the pane.
    pub target: Option<String>,
    /// Of `tmux`: what is typed; `{nonce}` stands for the nonce.
    pub text: Option<String>,
    /// Of `tmux`: whether Enter follows; by default it does.
    pub enter: Option<bool>,
    /// Of `tmux`: the server's socket name, if not its default.
    pub socket: Option<String>,
    /// Of `systemd` and `tmux`: the program to run, by absolute path, if not `systemctl` or `tmux`.
    pub program: Option<PathBuf>,
    /// Of `webhook`: where to post; HTTPS, or HTTP to this machine.
    pub url: Option<String>,
    /// Of `webhook`: a file with a bearer token, by absolute path.
    pub token_file: Option<PathBuf>,
    /// Of `webhook`: whether plain HTTP to other machines is allowed; by default not.
    pub allow_http: Option<bool>,
}

/// What is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadWakeRule {
    /// A key that the adapter needs is not there.
    #[error("an adapter {adapter:?} needs `{key}`")]
    Missing {
        /// The adapter.
        adapter: &'static str,
        /// The key.
        key: &'static str,
    },
    /// A key that means nothing to the adapter.
    #[error("means nothing to an adapter {adapter:?}: remove it")]
    Foreign {
        /// The adapter.
        adapter: &'static str,
    },
    /// Nothing in a list.
    #[error("the list is empty: expected at least one entry")]
    Empty,
    /// Text that could be taken for something else.
    #[error("{given:?} will not do: expected {expected}")]
    Text {
        /// The value.
        given: String,
        /// What would do.
        expected: &'static str,
    },
    /// Plain HTTP to another machine.
    #[error(
        "{host} is another machine, and plain HTTP shows everybody on the way nonce and token: use https, \
         or set `allow_http = true` if the way is safe"
    )]
    PlainHttp {
        /// The host.
        host: String,
    },
}

/// The key at fault, and what is wrong with its value.
type Wrong = (&'static str, InvalidSetting);

fn bad(key: &'static str, reason: BadWakeRule) -> Wrong {
    (key, reason.into())
}

impl WakeSettings {
    /// The rule that these settings make.
    pub(super) fn rule(&self) -> Result<WakeRule, Wrong> {
        let given = self.adapter.as_deref().unwrap_or_default();
        let Some(word) = WORDS.iter().find(|word| **word == given) else {
            let given = given.to_owned();
            return Err(("adapter", InvalidSetting::Word { given, known: WORDS }));
        };
        self.check_keys(word)?;
        let adapter = match *word {
            "command" => self.command()?,
            "systemd" => self.systemd()?,
            "tmux" => self.tmux()?,
            "webhook" => self.webhook()?,
            _ => Adapter::Client,
        };
        let mut rule = WakeRule::new(self.allowed()?, adapter);
        let hour = Duration::from_secs(3600);
        for (key, text, value, least, most) in [
            ("timeout", &self.timeout, &mut rule.timeout, Duration::from_millis(100), hour / 6),
            ("cooldown", &self.cooldown, &mut rule.cooldown, Duration::ZERO, hour),
        ] {
            let Some(text) = text else { continue };
            let given = parse_duration(text).map_err(|error| (key, error.into()))?;
            super::within(given, least, most).map_err(|error| (key, error))?;
            *value = given;
        }
        match self.max_per_hour.unwrap_or(rule.max_per_hour) {
            0 => return Err(("max_per_hour", InvalidSetting::Zero)),
            most => rule.max_per_hour = bounded("max_per_hour", most, 36_000)?,
        }
        Ok(rule)
    }

    /// Refuses keys of other adapters: whoever wrote them expects something of them.
    fn check_keys(&self, adapter: &'static str) -> Result<(), Wrong> {
        for (key, there, adapters) in [
            ("command", self.command.is_some(), &["command"][..]),
            ("replace", self.replace.is_some(), &["command"]),
            ("unit", self.unit.is_some(), &["systemd"]),
            ("user", self.user.is_some(), &["systemd"]),
            ("target", self.target.is_some(), &["tmux"]),
            ("text", self.text.is_some(), &["tmux"]),
            ("enter", self.enter.is_some(), &["tmux"]),
            ("socket", self.socket.is_some(), &["tmux"]),
            ("program", self.program.is_some(), &["systemd", "tmux"]),
            ("url", self.url.is_some(), &["webhook"]),
            ("token_file", self.token_file.is_some(), &["webhook"]),
            ("allow_http", self.allow_http.is_some(), &["webhook"]),
        ] {
            if there && !adapters.contains(&adapter) {
                return Err(bad(key, BadWakeRule::Foreign { adapter }));
            }
        }
        Ok(())
    }

    fn allowed(&self) -> Result<Vec<WakePeer>, Wrong> {
        let peers = self.peers.as_deref().unwrap_or_default();
        if peers.is_empty() {
            return Err(bad("peers", BadWakeRule::Empty));
        }
        bounded("peers", peers.len(), MAX_PEERS)?;
        let peer = |text: &String| {
            if text == "pinned" {
                return Ok(WakePeer::Pinned);
            }
            if let Ok(fingerprint) = text.parse() {
                return Ok(WakePeer::Key(fingerprint));
            }
            text.parse()
                .map(WakePeer::Entity)
                .map_err(|error| ("peers", InvalidSetting::from(error)))
        };
        peers.iter().map(peer).collect()
    }

    fn command(&self) -> Result<Adapter, Wrong> {
        let adapter = "command";
        let missing = BadWakeRule::Missing { adapter, key: "command" };
        let command = self.command.clone().ok_or_else(|| bad("command", missing))?;
        bounded("command", command.len(), MAX_ARGUMENTS)?;
        let program = command.first().filter(|program| !program.is_empty());
        let program = program.ok_or_else(|| bad("command", BadWakeRule::Empty))?;
        // What a relative path means would depend on where the node was started.
        if program.contains('/') && !program.starts_with('/') {
            let expected = "a program by absolute path, or one on PATH by its name alone";
            return Err(wrong_text("command", program, expected));
        }
        for argument in &command {
            if argument.contains('\0') || argument.len() > MAX_TEXT {
                let expected = "arguments of at most 4096 bytes without NUL";
                return Err(wrong_text("command", argument, expected));
            }
        }
        Ok(Adapter::Command { command, replace: self.replace.unwrap_or_default() })
    }

    fn systemd(&self) -> Result<Adapter, Wrong> {
        let unit = needed("systemd", "unit", self.unit.as_ref())?;
        let fits =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | '.' | '@' | '\\');
        let begins = unit.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
        let named = begins && unit.chars().all(fits) && unit.len() <= 200;
        if !named {
            let expected = "the name of a unit, such as agent.service";
            return Err(wrong_text("unit", unit, expected));
        }
        let program = self.program("systemctl")?;
        Ok(Adapter::Systemd { unit: unit.clone(), user: self.user.unwrap_or(true), program })
    }

    fn tmux(&self) -> Result<Adapter, Wrong> {
        let target = needed("tmux", "target", self.target.as_ref())?;
        let text = needed("tmux", "text", self.text.as_ref())?;
        for (key, value) in [("target", Some(target)), ("socket", self.socket.as_ref())] {
            let Some(value) = value else { continue };
            if !is_plain(value) || value.starts_with('-') {
                let expected = "a name that tmux knows, such as agent:0, and no option";
                return Err(wrong_text(key, value, expected));
            }
        }
        if !is_plain(text) {
            let expected = "one line of at most 4096 bytes without control characters";
            return Err(wrong_text("text", text, expected));
        }
        Ok(Adapter::Tmux {
            target: target.clone(),
            text: text.clone(),
            enter: self.enter.unwrap_or(true),
            socket: self.socket.clone(),
            program: self.program("tmux")?,
        })
    }

    fn webhook(&self) -> Result<Adapter, Wrong> {
        let given = needed("webhook", "url", self.url.as_ref())?;
        let expected = "an https:// or http:// URL with a host, and without user and password";
        let wrong = || wrong_text("url", given, expected);
        let url: Url = given.parse().map_err(|_| wrong())?;
        let host = url.host_str().ok_or_else(wrong)?.to_owned();
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong());
        }
        let open = is_loopback(&host) || self.allow_http.unwrap_or_default();
        match url.scheme() {
            "https" => {}
            "http" if open => {}
            "http" => return Err(bad("url", BadWakeRule::PlainHttp { host })),
            _ => return Err(wrong()),
        }
        if let Some(path) = self.token_file.as_ref().filter(|path| !path.is_absolute()) {
            let expected = "an absolute path";
            return Err(wrong_text("token_file", &path.to_string_lossy(), expected));
        }
        Ok(Adapter::Webhook { url, token_file: self.token_file.clone() })
    }

    fn program(&self, usual: &str) -> Result<PathBuf, Wrong> {
        match &self.program {
            None => Ok(PathBuf::from(usual)),
            Some(path) if path.is_absolute() => Ok(path.clone()),
            Some(path) => Err(wrong_text("program", &path.to_string_lossy(), "an absolute path")),
        }
    }
}

fn needed<T>(adapter: &'static str, key: &'static str, value: Option<T>) -> Result<T, Wrong> {
    value.ok_or_else(|| bad(key, BadWakeRule::Missing { adapter, key }))
}

fn wrong_text(key: &'static str, given: &str, expected: &'static str) -> Wrong {
    bad(key, BadWakeRule::Text { given: given.to_owned(), expected })
}

pub(super) fn bounded(key: &'static str, given: usize, most: usize) -> Result<usize, Wrong> {
    if given > most { Err((key, InvalidSetting::TooMany { given, most })) } else { Ok(given) }
}

/// One line that nothing in it controls.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_TEXT && !text.chars().any(char::is_control)
}

/// Whether a host of a URL is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Command { .. } => "command",
            Self::Systemd { .. } => "systemd",
            Self::Tmux { .. } => "tmux",
            Self::Webhook { .. } => "webhook",
            Self::Client => "client",
        })
    }
}

impl NodeConfig {
    /// Who may have the agent woken, and how; the first rule that allows a peer counts.
    #[must_use]
    pub fn wake(&self) -> &[WakeRule] {
        &self.wake
    }

    /// Sets who may have the agent woken.
    ///
    /// # Errors
    /// [`InvalidSetting::TooMany`] over [`MAX_WAKE_RULES`].
    pub fn with_wake(mut self, rules: Vec<WakeRule>) -> Result<Self, InvalidSetting> {
        bounded("wake", rules.len(), MAX_WAKE_RULES).map_err(|(_, reason)| reason)?;
        self.wake = rules;
        Ok(self)
    }

    /// Where the node lives: a woken agent is told, so that it finds the node's API.
    #[must_use]
    pub fn with_data_dir(mut self, dir: PathBuf) -> Self {
        self.data_dir = Some(dir);
        self
    }

    /// Where the node lives, if it is not only in memory.
    #[must_use]
    pub const fn data_dir(&self) -> Option<&PathBuf> {
        self.data_dir.as_ref()
    }
}

#[cfg(test)]
mod tests;
