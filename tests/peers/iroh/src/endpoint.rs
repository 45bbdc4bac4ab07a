//! Endpoints on loopback.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use iroh::endpoint::{Connection, QuicTransportConfig, presets};
use iroh::{Endpoint, EndpointAddr, RelayMode};
use peer_contest::Failure;

const ALPN: &[u8] = b"/peers/1";
/// An endpoint that only loopback reaches. Every connection has a whole handshake: nothing is resumed. Windows
/// are the library's: with larger ones the receiver ends connections for too many gaps in a stream.
pub(crate) async fn bind() -> Result<Endpoint, Failure> {
    let transport = QuicTransportConfig::builder()
        .max_concurrent_bidi_streams(1024_u32.into())
        .keep_alive_interval(Duration::from_secs(5))
        .build();
    let endpoint = Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Disabled)
        .clear_address_lookup()
        .clear_ip_transports()
        .bind_addr("127.0.0.1:0")?
        .alpns(vec![ALPN.to_vec()])
        .max_tls_tickets(0)
        .transport_config(transport)
        .bind()
        .await?;
    Ok(endpoint)
}

/// Prints the key and the address, for [`parse`].
pub(crate) fn print(endpoint: &Endpoint) -> Result<(), Failure> {
    let address = endpoint.bound_sockets().into_iter().find(SocketAddr::is_ipv4);
    let address = address.ok_or("not bound")?;
    writeln!(std::io::stdout(), "{} {address}", endpoint.id())?;
    Ok(())
}

/// The endpoint that the other side printed.
pub(crate) fn parse(line: &str) -> Result<EndpointAddr, Failure> {
    let (id, address) = line.split_once(' ').ok_or("no address")?;
    Ok(EndpointAddr::new(id.parse()?).with_ip_addr(address.parse()?))
}

/// Connects.
pub(crate) async fn dial(own: &Endpoint, other: EndpointAddr) -> Result<Connection, Failure> {
    Ok(own.connect(other, ALPN).await?)
}
