//! Opening the listeners, and waiting until each says where it is.

use std::io::ErrorKind;
use std::net::{IpAddr, TcpListener};
use std::time::Duration;

use futures::StreamExt as _;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::SwarmEvent;

use super::EventLoop;
use crate::error::StartError;

/// Time for all listeners to come up.
const TIMEOUT: Duration = Duration::from_secs(2);

impl EventLoop {
    /// Listens on every configured address.
    pub(crate) async fn listen(&mut self) -> Result<(), StartError> {
        let mut waiting = Vec::new();
        let mut unavailable = None;
        for address in self.config.listen().to_vec() {
            if let Err(error) = check_free(&address) {
                return Err(StartError::Listen { address, reason: error.to_string() });
            }
            match self.swarm.listen_on(address.clone()) {
                Ok(id) => {
                    self.listeners.push(id);
                    waiting.push((id, address));
                }
                Err(error) => {
                    let reason = reason(&error);
                    let failed = StartError::Listen { address: address.clone(), reason };
                    // A machine may lack IPv6 altogether; then the other addresses do.
                    if !matches!(address.iter().next(), Some(Protocol::Ip6(_))) {
                        return Err(failed);
                    }
                    tracing::warn!(%address, error = %failed, "not listening there");
                    unavailable = Some(failed);
                }
            }
        }
        if let (true, Some(failed)) = (waiting.is_empty(), unavailable) {
            return Err(failed);
        }
        let deadline = tokio::time::Instant::now() + TIMEOUT;
        while !waiting.is_empty() {
            match tokio::time::timeout_at(deadline, self.swarm.select_next_some()).await {
                Ok(SwarmEvent::NewListenAddr { listener_id, .. }) => {
                    waiting.retain(|(id, _)| *id != listener_id);
                }
                Ok(SwarmEvent::ListenerClosed { listener_id, reason, .. }) => {
                    if let Some((_, address)) = waiting.iter().find(|(id, _)| *id == listener_id) {
                        let reason = reason.err().map_or_else(String::new, |e| e.to_string());
                        return Err(StartError::Listen { address: address.clone(), reason });
                    }
                }
                Ok(event) => self.on_swarm_event(event),
                // A listener without any address, such as one for IPv6 on a machine without it.
                Err(_) => {
                    for (_, address) in &waiting {
                        tracing::warn!(%address, "no address to listen on yet");
                    }
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// Whether nobody listens on a TCP port yet. Punching holes needs ports that are shared, so that the
/// system would let two nodes have the same, and each connection go to either.
fn check_free(address: &Multiaddr) -> std::io::Result<()> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next() {
        Some(Protocol::Ip4(ip)) => ip.into(),
        Some(Protocol::Ip6(ip)) => ip.into(),
        _ => return Ok(()),
    };
    let Some(Protocol::Tcp(port)) = parts.next() else { return Ok(()) };
    match TcpListener::bind((ip, port)) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => Err(error),
        // Whatever else is wrong, the transport says better.
        _ => Ok(()),
    }
}

/// The innermost cause, such as "Address already in use".
fn reason(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
