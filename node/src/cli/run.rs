//! `peer run`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use peer_protocol::identity::{EntityId, Fingerprint};
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::error::CliError;
use super::exit::Exit;
use super::id::identity;
use super::notify;
use super::output::Output;
use super::status::addresses;
use crate::a2a::{self, CardSigner};
use crate::api::{App, Client, Server, Token};
use crate::config::{ApiConfig, ApiSettings, Settings, TransferSettings};
use crate::dashboard;
use crate::error::NodeError;
use crate::error::StartError;
use crate::handle::Handle;
use crate::keystore::{self, KeyError};
use crate::mcp::Files;
use crate::metrics;
use crate::model::Status;
use crate::node::Node;
use crate::paths::DataDir;
use crate::store::Store;
use crate::trust_file::TrustFile;

/// How long a start waits for the first address to listen on.
const FIRST_ADDRESS: Duration = Duration::from_secs(2);
/// How much longer than its grace a shutdown may take before the process ends anyway.
const LAST_RESORT: Duration = Duration::from_secs(8);

/// Run the node until it is told to stop (Ctrl-C, SIGTERM)
///
/// Works without any configuration: the first start makes a key. Settings come from `config.toml` in
/// the data directory, from environment variables (PEER_ and the key in capitals, such as
/// PEER_LISTEN), and from these flags; later ones win. Logs go to standard error. Stopping lets what
/// is under way end; a second signal stops at once.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The name that peers know this entity by [default: derived from the key]
    #[arg(long, value_name = "NAME")]
    entity: Option<String>,
    /// An address to listen on; repeat it, or separate several by commas [default: port 4711 of every
    /// interface, over TCP and QUIC]
    #[arg(long, value_name = "MULTIADDR", value_delimiter = ',')]
    listen: Option<Vec<String>>,
    /// A peer to connect to at start; repeat it, or separate several by commas
    #[arg(long, value_name = "MULTIADDR", value_delimiter = ',')]
    bootstrap: Option<Vec<String>>,
    /// Whom to talk to: `open` (strangers are trusted on first use) or `pinned-only` [default: open]
    #[arg(long, value_name = "POLICY")]
    trust_policy: Option<String>,
    /// Use and accept the three-way handshake [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    three_way: Option<bool>,
    /// Stay awake for a while after each message: answers come sooner, and cost processor time [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    low_latency: Option<bool>,
    /// Life of a session before it is renewed, 1s to 24h [default: 30m]
    #[arg(long, value_name = "TIME")]
    session_lifetime: Option<String>,
    /// Cipher suites, the preferred first [default: AES-256-GCM-BLAKE3,AES-256-GCM,ChaCha20-Poly1305]
    #[arg(long, value_name = "SUITE", value_delimiter = ',')]
    suites: Option<Vec<String>>,
    /// Most connections at once [default: 1024]
    #[arg(long, value_name = "COUNT")]
    max_connections: Option<u32>,
    /// Accept peers that speak only version 1.0, without encryption [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    legacy: Option<bool>,
    /// Refuse to exchange messages that are not end-to-end encrypted [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    require_encryption: Option<bool>,
    /// How long a message is kept and tried if its sender does not say [default: 7d]
    #[arg(long, value_name = "TIME")]
    message_ttl: Option<String>,
    /// How long stopping waits for what is under way [default: 5s]
    #[arg(long, value_name = "TIME")]
    shutdown_grace: Option<String>,
    /// Something this entity can do, for others to find; repeat it, or separate several by commas
    #[arg(long = "capability", value_name = "NAME", value_delimiter = ',')]
    capabilities: Option<Vec<String>>,
    /// Part in the distributed hash table: `auto`, `server`, `client` or `off` [default: auto]
    #[arg(long, value_name = "MODE")]
    dht: Option<String>,
    /// A file of records to fall back on where there is no distributed hash table
    #[arg(long, value_name = "PATH")]
    registry_file: Option<PathBuf>,
    /// Find peers on the same network by multicast DNS [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    mdns: Option<bool>,
    /// Ask the router by UPnP to let connections in [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    upnp: Option<bool>,
    /// An address at which this node is reachable from outside; repeat it, or separate several by commas
    #[arg(long, value_name = "MULTIADDR", value_delimiter = ',')]
    external: Option<Vec<String>>,
    /// Use relays while nobody can connect to this node [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    relays: Option<bool>,
    /// Be a relay for others [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    relay_server: Option<bool>,
    /// Carry sealed messages of others over several hops [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    carry: Option<bool>,
    /// The key file of a private network: connect only to those who hold the same key, over TCP only
    #[arg(long, value_name = "PATH")]
    private_network: Option<PathBuf>,
    /// Whose files to take: `none`, `pinned`, `known` or `all` [default: pinned]
    #[arg(long, value_name = "POLICY")]
    accept_files: Option<String>,
    /// Where received files go [default: `received` in the data directory]
    #[arg(long, value_name = "PATH")]
    received_dir: Option<PathBuf>,
    /// Serve the local API on a loopback port too, such as 127.0.0.1:4780, to those who have the token
    /// that `peer api token` prints; `off` for the socket alone [default: off]
    #[arg(long, value_name = "ADDRESS")]
    api: Option<String>,
}

impl From<Args> for Settings {
    fn from(args: Args) -> Self {
        Self {
            entity: args.entity,
            listen: args.listen,
            bootstrap: args.bootstrap,
            trust_policy: args.trust_policy,
            three_way: args.three_way,
            low_latency: args.low_latency,
            session_lifetime: args.session_lifetime,
            suites: args.suites,
            max_connections: args.max_connections,
            legacy: args.legacy,
            require_encryption: args.require_encryption,
            message_ttl: args.message_ttl,
            shutdown_grace: args.shutdown_grace,
            capabilities: args.capabilities,
            dht: args.dht,
            registry_file: args.registry_file,
            mdns: args.mdns,
            upnp: args.upnp,
            external: args.external,
            relays: args.relays,
            relay_server: args.relay_server,
            carry: args.carry,
            private_network: args.private_network,
            rate: None,
            trusted_rate: None,
            mailbox: None,
            api: args.api.map(|listen| ApiSettings { listen: Some(listen) }),
            mcp: None,
            a2a: None,
            gateway: None,
            wake: None,
            transfers: Some(TransferSettings {
                accept_files: args.accept_files,
                received_dir: args.received_dir,
                ..TransferSettings::default()
            }),
        }
    }
}

/// What is told once the node runs.
#[derive(Debug, Serialize)]
struct Started {
    entity: EntityId,
    fingerprint: Fingerprint,
    peer_id: String,
    listen: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<SocketAddr>,
    data_dir: PathBuf,
    socket: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    api: Option<SocketAddr>,
}

pub(super) async fn execute(
    args: Args,
    dir: &DataDir,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let config = super::configuration(dir, args.into())?;
    let grace = config.shutdown_grace();
    let api = *config.api();
    let files = Files::below(config.mcp_files(), dir)?;
    let listens = !config.listen().is_empty();
    let mut signals = Signals::new()?;
    dir.create()?;
    let config = config.with_transfer_dirs(dir.transfers(), dir.received());
    // Programs that the node starts may have another working directory.
    let root = std::path::absolute(dir.root()).unwrap_or_else(|_| dir.root().to_owned());
    let config = config.with_data_dir(root);
    let _lock = dir.lock()?;
    let key = match keystore::load(&dir.key()) {
        Err(KeyError::Missing { path }) => {
            let key = keystore::generate(&path)?;
            output.note(&format!("made a new key: {}", path.display()));
            key
        }
        key => key?,
    };
    let trust = TrustFile::load(&dir.trust(), config.trust_policy())?;
    let store = Store::open(&dir.store()).map_err(StartError::from)?;
    let (a2a, signer) = (config.a2a().clone(), CardSigner::new(&key));
    let capabilities = config.capabilities().iter().map(ToString::to_string).collect();
    let node = Node::start(config, key, trust, store).await?;
    let handle = node.handle();
    let a2a = a2a::start(&handle, &a2a, signer, capabilities)
        .map_err(|error| CliError::new("a2a", error.to_string(), "see the reason"))?;
    let mcp = crate::mcp::http::router(crate::mcp::Server::new(Client::new(dir), files));
    let app = App::new(handle.clone())
        .mount(mcp)
        .mount(metrics::router(node.metrics()))
        .mount(a2a.guarded)
        .mount_public(dashboard::router())
        .mount_public(a2a.public);
    let (server, api) = match serve(app, dir, api).await {
        Ok(served) => served,
        Err(error) => {
            handle.shutdown().await;
            return Err(error);
        }
    };
    let started = started(first_status(&handle, listens).await?, node.gateway(), dir, api);
    output.show(&started, describe)?;
    if let Err(error) = notify::tell(notify::READY) {
        output.note(&format!("cannot tell the service manager that the node is ready: {error}"));
    }

    let stopped = node.stopped();
    tokio::pin!(stopped);
    let exit = tokio::select! {
        () = &mut stopped => Exit::Ok,
        () = signals.next() => {
            output.note("stopping; a second signal stops at once");
            // A manager that does not hear of it sees the end all the same.
            let _ = notify::tell(notify::STOPPING);
            let draining = async {
                handle.shutdown().await;
                stopped.await;
            };
            tokio::select! {
                () = draining => Exit::Ok,
                () = signals.next() => {
                    output.note("stopped at once");
                    Exit::Failed
                }
                () = tokio::time::sleep(grace + LAST_RESORT) => {
                    output.note("stopped without waiting any longer");
                    Exit::Failed
                }
            }
        }
    };
    server.stop().await;
    Ok(exit)
}

/// Serves the local API, and says where besides its socket.
async fn serve(
    app: App,
    dir: &DataDir,
    config: ApiConfig,
) -> Result<(Server, Option<SocketAddr>), CliError> {
    let mut server = Server::start(&dir.socket(), app).await?;
    let Some(address) = config.listen else { return Ok((server, None)) };
    let address = server.listen(address, Token::load_or_create(&dir.api_token())?).await?;
    Ok((server, Some(address)))
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self, CliError> {
        let watch = |kind| {
            signal(kind).map_err(|error| CliError::system("cannot watch for signals", &error))
        };
        Ok(Self {
            interrupt: watch(SignalKind::interrupt())?,
            terminate: watch(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The node's status once it listens somewhere, if it is to listen at all.
async fn first_status(handle: &Handle, listens: bool) -> Result<Status, NodeError> {
    let begun = std::time::Instant::now();
    loop {
        let status = handle.status().await?;
        if !listens || !status.listen.is_empty() || begun.elapsed() > FIRST_ADDRESS {
            return Ok(status);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn started(
    status: Status,
    gateway: Option<SocketAddr>,
    dir: &DataDir,
    api: Option<SocketAddr>,
) -> Started {
    Started {
        entity: status.entity,
        fingerprint: status.fingerprint,
        peer_id: status.peer_id,
        listen: status.listen,
        gateway,
        data_dir: dir.root().to_owned(),
        socket: dir.socket(),
        api,
    }
}

fn describe(started: &Started) -> String {
    let api = started.api.map_or_else(String::new, |address| {
        format!("local API\n  http://{address} (`peer api url` prints it with the token)\n")
    });
    let gateway = started.gateway.map_or_else(String::new, |address| {
        format!("version 1.0 gateway, not encrypted\n  http://{address}\n")
    });
    format!(
        "{}{}{api}{gateway}",
        identity(&started.entity, &started.fingerprint, &started.peer_id),
        addresses(&started.listen)
    )
}

impl From<StartError> for CliError {
    fn from(error: StartError) -> Self {
        let (kind, next) = match &error {
            StartError::Listen { .. } => {
                ("listen", "stop what uses the address, or choose another: `--listen <multiaddr>`")
            }
            StartError::Gateway { .. } => (
                "gateway",
                "stop what uses the address, or choose another: `listen` below [gateway]",
            ),
            StartError::Identity(_) => ("config", "choose another entity id, or leave it out"),
            StartError::Config(_) => ("config", "correct the configuration"),
            StartError::RegistryFile(error) => ("registry_file", error.next_step()),
            StartError::Store(error) => {
                return Self::new("store", error.to_string(), error.next_step());
            }
            _ => ("start", "see the reason, and start it again with -v for more"),
        };
        Self::new(kind, error.to_string(), next)
    }
}
