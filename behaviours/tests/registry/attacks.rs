//! Nodes that write what is not true, and nodes that answer it.

use std::time::Duration;

use bytes::Bytes;
use peer_behaviours::registry::{Behaviour, Mode};
use peer_protocol::identity::EntityId;
use peer_protocol::limits::{MAX_RECORD_LEN, RECORD_TTL};
use peer_protocol::registry::{Key, Reason, Shard};

use crate::entities::{Entity, capability};
use crate::hostile::{Liar, Lies, announcement, put, put_nonsense, say};
use crate::net::{Net, Node, found};

async fn refused(node: &Node, reason: Reason) -> u64 {
    node.call(Behaviour::table).await.refused_records.get(reason)
}

fn forged(record: &Bytes) -> Bytes {
    let mut bytes = record.to_vec();
    let last = bytes.len() - 1;
    // The last capability gets another name.
    bytes[last] ^= 1;
    bytes.into()
}

#[tokio::test]
async fn writers_see_that_bad_records_are_refused() {
    let net = Net::new();
    let victim = net.server(Entity::new("victim", 1)).await;
    let now = net.clock.timestamp();
    let (author, writer) = (Entity::new("author", 2), Entity::new("writer", 3));
    let key = Key::of_entity(author.identity.entity());
    let record = author.record(&["translate"], now);
    let expired = author.short_lived(Duration::from_secs(60), now - Duration::from_secs(61));
    let future = author.record(&[], now + Duration::from_secs(120));
    let cases = [
        (key, forged(&record), Reason::Signature),
        (Key::of_entity(writer.identity.entity()), record.clone(), Reason::WrongKey),
        (key, expired, Reason::Expired),
        (key, future, Reason::Future),
        (key, Bytes::from(vec![0; MAX_RECORD_LEN + 1]), Reason::TooLong),
        (key, Bytes::from_static(b"nonsense"), Reason::Malformed),
    ];
    for (key, value, reason) in cases {
        assert!(!put(&writer.keypair, &victim, key.as_bytes(), value).await, "{reason:?}");
        assert_eq!(refused(&victim, reason).await, 1, "{reason:?}");
    }
    assert!(!put(&writer.keypair, &victim, b"no key", record.clone()).await);
    assert_eq!(victim.call(Behaviour::table).await.foreign_records, 0);

    // Anybody may bring what is valid.
    assert!(put(&writer.keypair, &victim, key.as_bytes(), record.clone()).await);
    let newer = author.record(&[], now + Duration::from_secs(1));
    assert!(put(&writer.keypair, &victim, key.as_bytes(), newer).await);
    assert!(!put(&writer.keypair, &victim, key.as_bytes(), record).await);
    assert_eq!(refused(&victim, Reason::Superseded).await, 1);
    assert_eq!(victim.call(Behaviour::table).await.foreign_records, 1);
}

#[tokio::test]
async fn a_connection_over_which_nonsense_comes_is_closed_before_it_is_full() {
    let net = Net::new();
    let victim = net.server(Entity::new("victim", 1)).await;
    let refused = put_nonsense(&Entity::new("writer", 2).keypair, &victim).await;
    assert!((15..=16).contains(&refused), "{refused}");
}

#[tokio::test]
async fn one_peer_fills_no_more_than_its_share() {
    let net = Net::new();
    let limit = |config: &mut peer_behaviours::registry::Config| {
        config.record_limits.per_source = 3;
        config.record_limits.total = 5;
    };
    let victim = net.node(Entity::new("victim", 1), Mode::Server, limit).await;
    let now = net.clock.timestamp();
    let (greedy, other) = (Entity::new("greedy", 2), Entity::new("other", 3));
    let mut taken = 0;
    for number in 0..6 {
        let author = Entity::new(&format!("author-{number}"), 10 + number);
        let key = Key::of_entity(author.identity.entity());
        let record = author.record(&[], now);
        taken += u32::from(put(&greedy.keypair, &victim, key.as_bytes(), record).await);
    }
    assert_eq!((taken, refused(&victim, Reason::SourceFull).await), (3, 3));
    let key = Key::of_entity(other.identity.entity());
    assert!(put(&other.keypair, &victim, key.as_bytes(), other.record(&[], now)).await);
    for number in 0..12 {
        let author = Entity::new(&format!("many-{number}"), 100 + number);
        let key = Key::of_entity(author.identity.entity());
        put(&author.keypair, &victim, key.as_bytes(), author.record(&[], now)).await;
    }
    assert_eq!(victim.call(Behaviour::table).await.foreign_records, 5);
    assert!(refused(&victim, Reason::Full).await > 0);
}

#[tokio::test]
async fn a_provider_entry_for_somebody_else_is_refused() {
    let net = Net::new();
    let victim = net.server(Entity::new("victim", 1)).await;
    let (speaker, other) = (Entity::new("speaker", 2), Entity::new("other", 3));
    let key = Key::of_providers(&capability("translate"), &Shard::root());
    say(&speaker.keypair, &victim, announcement(&key, &other.peer())).await;
    assert_eq!(victim.call(Behaviour::table).await.providers, 0);
    say(&speaker.keypair, &victim, announcement(&key, &speaker.peer())).await;
    assert_eq!(victim.call(Behaviour::table).await.providers, 1);
}

#[tokio::test]
async fn bad_answers_never_outvote_the_newest_valid_record() {
    let net = Net::new();
    let mut nodes = net.servers(8, 0).await;
    let then = net.clock.timestamp();
    let author = Entity::new("author", 50);
    let key = Key::of_entity(author.identity.entity());
    let stale = author.record(&["old"], then);
    net.clock.advance(Duration::from_secs(10));
    let now = net.clock.timestamp();
    let valid = author.record(&["new"], now);
    let answers = [
        stale,
        forged(&valid),
        Entity::new("author-2", 51).record(&[], now),
        author.record(&[], now + Duration::from_secs(600)),
        Bytes::from(vec![0; MAX_RECORD_LEN + 1]),
        Bytes::from(vec![0; 40 << 10]),
        Bytes::new(),
    ];
    let mut liars = Vec::new();
    for number in 0..14 {
        let values = [(key, answers[number % answers.len()].clone())].into();
        let lies = Lies { values, ..Lies::default() };
        let keypair = Entity::new("liar", 200 + u16::try_from(number).unwrap()).keypair;
        liars.push(Liar::new(&net, &keypair, lies, &nodes).await);
    }
    // One honest node has it.
    let holder = &nodes[5];
    assert!(put(&author.keypair, holder, key.as_bytes(), valid.clone()).await);
    for seeker in [0, 7] {
        let lookup = nodes[seeker].lookup(key).await;
        let refusals = lookup.refusals().clone();
        for reason in [Reason::Signature, Reason::WrongKey, Reason::Future, Reason::TooLong] {
            assert_eq!(refusals.get(reason), 2, "{reason:?} of {refusals:?}");
        }
        assert_eq!(refusals.get(Reason::Malformed), 2);
        let record = found(lookup.finish(&crate::net::Trust::default()));
        assert_eq!(record.as_bytes(), &valid);
    }
}

#[tokio::test]
async fn who_keeps_lying_leaves_the_routing_table_and_stays_out() {
    let net = Net::new();
    let mut nodes = net.servers(2, 0).await;
    let author = Entity::new("author", 50);
    let key = Key::of_entity(author.identity.entity());
    let lie = forged(&author.record(&["new"], net.clock.timestamp()));
    let lies = Lies { values: [(key, lie)].into(), ..Lies::default() };
    let liar = Liar::new(&net, &Entity::new("liar", 60).keypair, lies, &nodes).await;
    let knows = async |node: &Node| {
        let neighbours = node.call(Behaviour::neighbours).await;
        neighbours.iter().any(|(peer, _)| *peer == liar.peer)
    };
    assert!(knows(&nodes[0]).await);
    for lied in 1..=3 {
        let lookup = nodes[0].lookup(key).await;
        assert_eq!(lookup.refusals().get(Reason::Signature), 1);
        assert_eq!(knows(&nodes[0]).await, lied < 3);
    }
    let (peer, address) = (liar.peer, "/memory/77".parse().unwrap());
    assert!(!nodes[0].call(move |registry| registry.add_address(peer, address)).await);
    net.clock.advance(Duration::from_secs(3_601));
    let address = "/memory/77".parse().unwrap();
    assert!(nodes[0].call(move |registry| registry.add_address(peer, address)).await);
}

#[tokio::test]
async fn who_does_not_say_himself_that_he_can_is_rejected() {
    let net = Net::new();
    let mut nodes = net.servers(8, 0).await;
    let now = net.clock.timestamp();
    nodes[2].publish(&["translate"], now).await;
    nodes[3].publish(&["dance"], now).await;
    let root = Key::of_providers(&capability("translate"), &Shard::root());
    // Some that do not exist, and one that can do something else.
    let claimed: Vec<_> = (0..4).map(|number| Entity::new("x", 300 + number).peer()).collect();
    let claimed = [claimed, vec![nodes[3].entity.peer()]].concat();
    let mut liars = Vec::new();
    for number in 0..4 {
        let lies = Lies { providers: [(root, claimed.clone())].into(), ..Lies::default() };
        let keypair = Entity::new("liar", 60 + number).keypair;
        liars.push(Liar::new(&net, &keypair, lies, &nodes).await);
    }
    let (names, searched) = nodes[0].search("translate", 10).await;
    assert_eq!(names, ["node-2"]);
    assert_eq!((searched.rejected, searched.keys), (5, 1));
    // The key, who is found, and the others twice: their mirror is asked too.
    let walks = 1 + 1 + 2 * 5;
    assert!(searched.asked > walks * 8 && searched.asked <= walks * 16, "{searched:?}");
}

#[tokio::test]
async fn providers_that_one_node_invents_are_not_even_looked_up() {
    let net = Net::new();
    let mut nodes = net.servers(12, 0).await;
    nodes[2].publish(&["translate"], net.clock.timestamp()).await;
    let root = Key::of_providers(&capability("translate"), &Shard::root());
    let invented = (0..20).map(|number| Entity::new("x", 300 + number).peer()).collect();
    let lies = Lies { providers: [(root, invented)].into(), ..Lies::default() };
    let _liar = Liar::new(&net, &Entity::new("liar", 60).keypair, lies, &nodes).await;
    let (names, searched) = nodes[0].search("translate", 10).await;
    assert_eq!(names, ["node-2"]);
    assert_eq!((searched.rejected, searched.keys), (20, 1));
    assert!(searched.asked <= 60, "{searched:?}");
}

/// As if hostile nodes surrounded the key.
#[tokio::test]
async fn what_is_held_back_under_its_key_is_found_under_either_mirror() {
    for mirror in 0..2 {
        let net = Net::new();
        let mut nodes = net.servers(4, 0).await;
        let author = Entity::new("author", 50);
        let key = Key::of_entity(author.identity.entity());
        let record = author.record(&[], net.clock.timestamp());
        let place = key.mirrors().nth(mirror).unwrap();
        assert!(put(&author.keypair, &nodes[3], place.as_bytes(), record.clone()).await);
        assert_eq!(found(nodes[0].resolve(key).await).as_bytes(), &record);
    }
}

#[tokio::test]
async fn providers_that_are_held_back_under_the_root_are_found_below_it() {
    let net = Net::new();
    let mut nodes = net.servers(4, 0).await;
    let now = net.clock.timestamp();
    let author = Entity::new("author", 50);
    let own = Key::of_entity(&EntityId::derived(author.identity.public_key()));
    let record = author.record(&["translate"], now);
    assert!(put(&author.keypair, &nodes[3], own.as_bytes(), record).await);
    let shard = &Shard::all_of(author.identity.public_key())[1];
    let key = Key::of_providers(&capability("translate"), shard);
    say(&author.keypair, &nodes[2], announcement(&key, &author.peer())).await;
    let (names, searched) = nodes[0].search("translate", 1).await;
    assert_eq!((names, searched.keys), (vec!["author".to_owned()], 5));
}

#[tokio::test]
async fn a_record_with_the_longest_life_dies_on_time() {
    let net = Net::new();
    let victim = net.server(Entity::new("victim", 1)).await;
    let author = Entity::new("author", 2);
    let now = net.clock.timestamp();
    let key = Key::of_entity(author.identity.entity());
    assert!(put(&author.keypair, &victim, key.as_bytes(), author.record(&[], now)).await);
    net.clock.advance(RECORD_TTL);
    // Any event lets the node look at its clock.
    victim.call(|registry| registry.set_mode(Mode::Client)).await;
    tokio::task::yield_now().await;
    assert_eq!(victim.call(Behaviour::table).await.foreign_records, 0);
}
