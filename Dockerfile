# A small image: the program, certificates for webhooks, an empty data directory. docs/operations.md.
#
#   docker build -t peer .
#   docker run -d --name peer -p 4711:4711 -p 4711:4711/udp -v peer:/data peer
#   docker exec peer /peer status
FROM docker.io/library/rust:1.95.0-bookworm AS build
WORKDIR /src
COPY . .
# The C library goes into the program, so that nothing else has to be in the image. The target is named, or
# the flag would apply to build scripts and procedural macros as well, which cannot be static.
ARG TARGET=x86_64-unknown-linux-gnu
ENV RUSTFLAGS="-C target-feature=+crt-static"
RUN cargo build --profile dist --locked --target "$TARGET" --package peer-node \
    && mkdir -p -m 700 /image/owned/data \
    && strip -o /image/peer "target/$TARGET/dist/peer"

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# What is in `owned` becomes the user's, and keeps its mode; a directory that is only named here would not.
COPY --from=build --chown=65532:65532 /image/owned/ /
COPY --from=build /image/peer /peer
USER 65532:65532
ENV PEER_DATA_DIR=/data
VOLUME /data
EXPOSE 4711/tcp 4711/udp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/peer", "status"]
ENTRYPOINT ["/peer"]
CMD ["run"]
