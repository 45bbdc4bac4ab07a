//! Makes the service's client and server; no `.proto` file, and so no protocol compiler, is needed.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let method = |name: &str, route: &str| {
        Method::builder()
            .name(name)
            .route_name(route)
            .input_type("crate::payload::Payload")
            .output_type("crate::payload::Payload")
            .codec_path("tonic_prost::ProstCodec")
    };
    let service = Service::builder()
        .name("Contest")
        .package("peers")
        .method(method("call", "Call").build())
        .method(method("exchange", "Exchange").client_streaming().server_streaming().build())
        .build();
    Builder::new().compile(&[service]);
}
