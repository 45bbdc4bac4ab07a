//! Request–response that answers with what it is asked.

use libp2p::StreamProtocol;
use libp2p::request_response::{self, Event, ProtocolSupport};
use peer_tests::framed::Framed;

/// The behaviour.
pub(crate) type Asking = request_response::Behaviour<Framed>;

/// One that answers and asks.
pub(crate) fn asking() -> Asking {
    let config = request_response::Config::default();
    Asking::new([(StreamProtocol::new("/memory/1"), ProtocolSupport::Full)], config)
}

/// Answers a request with what it says.
pub(crate) fn answer(asking: &mut Asking, event: Event<Vec<u8>, Vec<u8>>) {
    if let Event::Message { message, .. } = event
        && let request_response::Message::Request { request, channel, .. } = message
    {
        // Whoever has gone does not want it.
        let _ = asking.send_response(channel, request);
    }
}
