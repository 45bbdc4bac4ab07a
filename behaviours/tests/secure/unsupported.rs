//! Peers that speak something else.

use libp2p_core::upgrade::Version;
use libp2p_identity::Keypair;
use libp2p_swarm::dummy;
use libp2p_swarm_test::SwarmExt as _;
use peer_behaviours::secure::{EventKind, GateConfig};

use crate::common::{PATIENCE, behaviour, custom, listen};

#[tokio::test]
async fn it_is_told_whichever_way_protocols_are_negotiated() {
    for version in [Version::V1, Version::V1Lazy] {
        let own = Keypair::generate_ed25519();
        let secure = behaviour("entity_a", own.clone(), GateConfig::default(), |_| {});
        let mut a = custom(&own, version, secure);
        let mut b = custom(&Keypair::generate_ed25519(), version, dummy::Behaviour);
        let (address, peer) = (listen(&mut b).await, *b.local_peer_id());
        a.dial(address).unwrap();
        a.behaviour_mut().open(peer).unwrap();
        tokio::spawn(b.loop_on_next());
        tokio::time::timeout(PATIENCE, async {
            while a.next_behaviour_event().await.kind != EventKind::Unsupported {}
        })
        .await
        .unwrap_or_else(|_| panic!("nobody tells with {version:?}"));
    }
}
