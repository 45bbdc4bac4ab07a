//! The side that answers.

use std::io::Write as _;
use std::pin::Pin;

use peer_contest::Failure;
use rcgen::ExtendedKeyUsagePurpose;
use tokio::net::TcpListener;
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

use crate::certificates::Authority;
use crate::channel::{CONNECTION_WINDOW, FRAME, Place, STREAM_WINDOW};
use crate::payload::Payload;
use crate::service::contest_server::{Contest, ContestServer};

struct Answers;

#[tonic::async_trait]
impl Contest for Answers {
    type ExchangeStream = Pin<Box<dyn Stream<Item = Result<Payload, Status>> + Send>>;

    async fn call(&self, request: Request<Payload>) -> Result<Response<Payload>, Status> {
        Ok(Response::new(request.into_inner().answer()))
    }

    async fn exchange(
        &self,
        request: Request<Streaming<Payload>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        let answers = request.into_inner().map(|payload| payload.map(Payload::answer));
        Ok(Response::new(Box::pin(answers)))
    }
}

/// Prints where it listens and what a client needs, and answers until the process is killed.
pub(crate) async fn serve() -> Result<(), Failure> {
    let authority = Authority::new()?;
    let own = authority.certify(ExtendedKeyUsagePurpose::ServerAuth)?;
    let client = authority.certify(ExtendedKeyUsagePurpose::ClientAuth)?;
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(own.certificate, own.key))
        .client_ca_root(Certificate::from_pem(&authority.certificate));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let place = Place {
        address: listener.local_addr()?,
        authority: authority.certificate,
        certificate: client.certificate,
        key: client.key,
    };
    writeln!(std::io::stdout(), "{}", place.line()?)?;
    Server::builder()
        .tls_config(tls)?
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .add_service(ContestServer::new(Answers))
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
        .await?;
    Ok(())
}
