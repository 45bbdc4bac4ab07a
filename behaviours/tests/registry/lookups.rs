//! What is published is found.

use peer_protocol::registry::{Key, Resolution};

use crate::entities::{Entity, capability};
use crate::net::{Net, found};
use peer_protocol::identity::EntityId;

#[tokio::test]
async fn thirty_nodes_find_what_one_has_published() {
    let net = Net::new();
    let mut nodes = net.servers(30, 0).await;
    let now = net.clock.timestamp();
    let (keys, stored, announced) = nodes[3].publish(&["translate", "search"], now).await;
    assert_eq!((keys, stored, announced), (8, 8, 8));
    let key = *nodes[3].entity.identity.public_key();
    let id = nodes[3].entity.identity.entity().clone();
    let keys = [
        Key::of_entity(&id),
        Key::of_entity(&EntityId::derived(&key)),
        Key::of_capability(&id, &capability("search")),
    ];
    for seeker in [0, 9, 20, 29] {
        for key in keys {
            let record = found(nodes[seeker].resolve(key).await);
            assert_eq!(record.record().public_key, *nodes[3].entity.identity.public_key());
        }
    }
    let missing = nodes[0].resolve(Key::of_entity(&"nobody".parse().unwrap())).await;
    assert_eq!(missing, Ok(Resolution::Missing));
    let stranger = Entity::new("stranger", 900);
    let missing = nodes[0].resolve(Key::of_entity(stranger.identity.entity())).await;
    assert_eq!(missing, Ok(Resolution::Missing));
}
