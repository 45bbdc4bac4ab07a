//! Everybody who can do something is found.

use peer_protocol::limits::MAX_PROVIDERS_PER_KEY;

use crate::entities::Entity;
use crate::net::Net;

/// More providers than one key shows, three at each of twenty nodes: the others are clients.
#[tokio::test]
async fn sixty_providers_of_one_capability_are_all_found() {
    const SERVERS: u16 = 12;
    const CLIENTS: u16 = 48;
    let net = Net::new();
    let mut nodes = net.servers(SERVERS, 0).await;
    for number in 0..CLIENTS {
        let entity = Entity::new(&format!("client-{number}"), 100 + number);
        let client = net.node(entity, peer_behaviours::registry::Mode::Client, |_| {}).await;
        client.join(&nodes[0]).await;
        nodes.push(client);
    }
    let now = net.clock.timestamp();
    for node in &mut nodes {
        let (keys, stored, announced) = node.publish(&["translate"], now).await;
        assert_eq!((keys, stored, announced), (7, 7, 4));
    }
    let mut seeker = net.server(Entity::new("seeker", 500)).await;
    seeker.join(&nodes[1]).await;
    let (names, searched) = seeker.search("translate", 1_000).await;
    let mut all: Vec<_> =
        nodes.iter().map(|node| node.entity.identity.entity().to_string()).collect();
    all.sort();
    assert_eq!(names, all);
    assert_eq!(searched.rejected, 0);
    assert!(searched.keys > 1, "{searched:?}");

    // Who wants few asks few.
    let (names, _) = seeker.search("translate", 3).await;
    assert!(names.len() >= 3 && names.len() <= MAX_PROVIDERS_PER_KEY, "{names:?}");
    assert_eq!(seeker.search("dance", 3).await.0, Vec::<String>::new());
    // A search is for others.
    assert_eq!(nodes[0].search("translate", 1_000).await.0.len(), all.len() - 1);
}
