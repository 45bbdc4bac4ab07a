//! The commented configuration that `peer init` writes.

use peer_protocol::identity::EntityId;
use peer_protocol::rate_limit::{Quota, RateProfile};

use super::{ApiConfig, MailboxConfig, NodeConfig, TransferConfig, format_duration, format_size};

/// A configuration file with every key, commented out at its default; `entity` is set if given.
#[must_use]
pub fn template(entity: Option<&EntityId>) -> String {
    let config = NodeConfig::default();
    let entity = entity.map_or_else(
        || "# entity = \"my_entity\"".to_owned(),
        |entity| format!("entity = {}", toml::Value::from(entity.as_str())),
    );
    let listen: Vec<String> =
        config.listen().iter().map(|address| format!("#     \"{address}\",\n")).collect();
    let suites = toml::Value::from(config.suites().to_vec());
    format!(
        "\
# Configuration of a peer node. Every key is optional; what is commented out shows its default.
# Environment variables (PEER_ and the key in capitals; not for rate limits) override this file, flags
# override both.

# The name that peers know this entity by: 1 to 128 bytes of UTF-8.
# Without it the name is derived from the key: ent- and 16 characters.
{entity}

# Addresses to listen on, over TCP and over QUIC; /ws after a TCP port means WebSocket. Port 0 means any
# free port. With an empty list the node only dials.
# listen = [
{listen}# ]

# Peers to connect to at start, and again whenever the connection is lost.
# bootstrap = [\"/ip4/192.0.2.7/tcp/{port}/p2p/<peer id>\"]

# Whom to talk to: \"open\" (strangers are trusted on first use) or \"pinned-only\".
# trust_policy = \"open\"

# Open sessions with the three-way handshake and accept it: one exchange shorter, opt-in.
# three_way = {three_way}

# Stay awake for 300 µs after each message instead of sleeping at once: answers come sooner, and one
# processor is busy meanwhile.
# low_latency = {low_latency}

# Life of a session before it is renewed: 1s to 24h.
# session_lifetime = \"{lifetime}\"

# Cipher suites, the preferred first.
# suites = {suites}

# Most connections at once.
# max_connections = {max_connections}

# Accept peers that speak only version 1.0, which has signatures but no encryption.
# legacy = {legacy}

# Refuse to exchange messages that are not end-to-end encrypted.
# require_encryption = {require_encryption}

# How long a message is kept on disk, and its receiver looked for, if its sender does not say; up to 30d.
# message_ttl = \"{message_ttl}\"

# How long a shutdown waits for what is under way.
# shutdown_grace = \"{grace}\"

# What this entity can do, as others find it in the registry: up to 32 names of 1 to 64 bytes.
# capabilities = []

# The part in the distributed hash table: \"auto\" (server while others can reach this node, else client),
# \"server\", \"client\" or \"off\".
# dht = \"auto\"

# A file of records to fall back on where there is no distributed hash table: for each entity [[entity]],
# and below it id and addresses, which end in /p2p/ and the peer id; fingerprint and capabilities are
# optional.
# registry_file = \"<path>\"

# Find peers on the same network, and be found, by multicast DNS.
# mdns = {mdns}

# Ask the router by UPnP to let connections in.
# upnp = {upnp}

# Addresses at which this node is reachable from outside, such as a forwarded port; not checked.
# external = []

# Use relays while nobody can connect to this node.
# relays = {relays}

# Be a relay for others.
# relay_server = {relay_server}

# Carry sealed messages of others over several hops.
# carry = {carry}

# The key file of a private network: whoever does not hold the same key cannot connect. Lines:
# /key/swarm/psk/1.0.0/, /base16/, 64 hex digits. The key covers TCP only, so QUIC is refused.
# private_network = \"<path>\"

# Rate limits of peers that are not pinned, per peer and class.
{rate}
# The same for pinned peers.
{trusted_rate}
{transfers}
{mailbox}
{api}
{MCP}
{A2A}
{GATEWAY}{WAKE}",
        listen = listen.concat(),
        port = super::DEFAULT_PORT,
        three_way = config.three_way(),
        low_latency = config.low_latency(),
        lifetime = format_duration(config.session_lifetime()),
        max_connections = config.max_connections(),
        legacy = config.legacy(),
        require_encryption = config.require_encryption(),
        message_ttl = format_duration(config.message_ttl()),
        grace = format_duration(config.shutdown_grace()),
        mdns = config.mdns(),
        upnp = config.upnp(),
        relays = config.relays(),
        relay_server = config.relay_server(),
        carry = config.carry(),
        rate = rates("rate", config.rate()),
        trusted_rate = rates("trusted_rate", config.trusted_rate()),
        transfers = transfers(config.transfers()),
        mailbox = mailbox(config.mailbox()),
        api = api(config.api()),
    )
}

/// Rules have no default: nobody has the agent woken who is not named.
const WAKE: &str = "\
# Who may have this node's agent woken while none is attached, and how: one or more tables, of which the
# first that allows a peer counts. Nothing is the default; examples follow.
# peers: entity ids (pinned ones, or ids that the key derives), fingerprints, or \"pinned\" for all of them.
# timeout: how long the agent has to give back the nonce that it is handed, by `peer awake <nonce>`, or by
# attaching with `peer listen` while PEER_WAKE_NONCE is set.
# cooldown, max_per_hour: time from one start to the next, and most starts.
## [[wake]]
## peers = [\"bob\"]
## timeout = \"20s\"
## cooldown = \"5s\"
## max_per_hour = 60
# A program with its arguments; no shell reads them. It gets PEER_WAKE_NONCE, PEER_WAKE_FROM,
# PEER_WAKE_REASON and PEER_DATA_DIR, and JSON on standard input. With replace, what an earlier wake-up
# started and still runs with no agent attached is stopped first.
## adapter = \"command\"
## command = [\"/usr/local/bin/start-agent\", \"--resume\"]
## replace = false
# Or a unit; wake/agent.service.env in the data directory, for its EnvironmentFile, holds the nonce.
## adapter = \"systemd\"
## unit = \"agent.service\"
## user = true
# Or a pane of tmux, and what is typed there; {nonce} stands for the nonce.
## adapter = \"tmux\"
## target = \"agent:0\"
## text = \"Go on. First run: peer awake {nonce}\"
## enter = true
## socket = \"agents\"
## program = \"/usr/bin/tmux\"
# Or an HTTP request with JSON: HTTPS, unless it stays on this machine. Redirects are not followed.
## adapter = \"webhook\"
## url = \"https://agents.example/wake\"
## token_file = \"/etc/peer/wake-token\"
## allow_http = false
# Or a client of the local API that waits, or comes in time.
## adapter = \"client\"
";

fn rates(table: &str, profile: &RateProfile) -> String {
    let line = |class: &str, Quota { per_minute, burst }: Quota| {
        format!("# [{table}.{class}]\n# per_minute = {per_minute}\n# burst = {burst}\n")
    };
    [
        line("handshake", profile.handshake),
        line("heartbeat", profile.heartbeat),
        line("task", profile.task),
        line("discovery", profile.discovery),
        line("chunk", profile.chunk),
        line("mailbox", profile.mailbox),
    ]
    .concat()
}

fn transfers(config: &TransferConfig) -> String {
    format!(
        "\
# [transfers]
# Whose files are taken: \"none\", \"pinned\", \"known\" (all on the trust list) or \"all\".
# accept_files = \"{accept}\"
# Where they go, each in a directory named for its sender; by default \"received\" in the data directory.
# received_dir = \"<path>\"
# The largest file; most bytes of one peer, and of all, that arrive or lie where they arrived.
# max_file = \"{max_file}\"
# max_per_peer = \"{per_peer}\"
# max_received = \"{total}\"
# What stays free of the disk.
# disk_reserve = \"{reserve}\"
# Most open transfers of one peer, and of all.
# max_open_per_peer = {open_per_peer}
# max_open = {open}
",
        accept = config.accept.as_str(),
        max_file = format_size(config.max_file),
        per_peer = format_size(config.per_peer),
        total = format_size(config.total),
        reserve = format_size(config.reserve),
        open_per_peer = config.open_per_peer,
        open = config.open,
    )
}

/// The table `[mcp]`.
const MCP: &str = "\
# [mcp]
# Directories whose files a language model that uses /mcp may send to peers; none by default.
# files = []
";

/// The table `[a2a]`.
const A2A: &str = "\
# [a2a]
# An agent on this machine that speaks Agent2Agent, such as \"http://127.0.0.1:9999\": what peers ask is handed
# to it, and what it says goes back. Empty for none.
# agent = \"\"
";

fn api(config: &ApiConfig) -> String {
    let listen = config.listen.map_or_else(|| "off".to_owned(), |address| address.to_string());
    format!(
        "\
# [api]
# Where the local API listens besides its socket: a loopback address and a port, such as \"127.0.0.1:4780\",
# or \"off\". There it wants the token that `peer api token` prints.
# listen = \"{listen}\"
"
    )
}

const GATEWAY: &str = "\
# [gateway]
# Version 1.0 peers that know only HTTP. Nothing that they send or get is encrypted.
# Where to listen, such as 127.0.0.1:8080; empty for nowhere.
# listen = \"\"
# Entities of version 1.1 to which their messages are passed on, and whose messages to them are.
# forward = []
# Peers whose keys are known, each in a table [[gateway.peer]] of its own with the keys entity, public_key
# (64 hexadecimal digits), url (http, where it takes messages; else it has to ask for them) and
# require_session (true if it can do the handshake of this program, which the original cannot).
";

fn mailbox(config: &MailboxConfig) -> String {
    let keep = &config.keep;
    format!(
        "\
# [mailbox]
# Whose mailbox this node is: \"none\", \"pinned\", \"known\" (all on the trust list) or \"all\".
# serve = \"{serve}\"
# Where messages for this node wait while it is away: up to four mailbox nodes, by peer id or by address.
# at = []
# How long a receiver must have been out of reach before messages to it go to its mailbox.
# after = \"{after}\"
# How often messages and receipts are looked for.
# every = \"{every}\"
# How long items stay here, and how much there is room for: for one owner, of that for one sender, and
# in all.
# ttl = \"{ttl}\"
# max_owners = {owners}
# max_items = {items}
# max_bytes = \"{bytes}\"
# max_items_per_sender = {sender_items}
# max_bytes_per_sender = \"{sender_bytes}\"
# max_total_items = {total_items}
# max_total_bytes = \"{total_bytes}\"
",
        serve = config.serve.as_str(),
        after = format_duration(config.after),
        every = format_duration(config.every),
        ttl = format_duration(keep.ttl),
        owners = keep.owners,
        items = keep.owner.items,
        bytes = format_size(keep.owner.bytes),
        sender_items = keep.sender.items,
        sender_bytes = format_size(keep.sender.bytes),
        total_items = keep.total.items,
        total_bytes = format_size(keep.total.bytes),
    )
}
