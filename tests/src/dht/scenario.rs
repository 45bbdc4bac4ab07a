//! One run: a network grows, publishes, suffers, and is asked.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use peer_behaviours::{Clock as _, SystemClock};
use peer_protocol::identity::EntityId;
use peer_protocol::registry::{Capability, Key, Resolution};

use super::book::Published;
use super::node::Node;
use super::world::World;
use crate::people::Trust;

/// Lookups at once.
const AT_ONCE: usize = 8;
/// Entities that can do the same.
const PROVIDERS: usize = 6;

/// What happens to a network.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Nodes in all, hostile ones included.
    pub nodes: usize,
    /// How many of a hundred nodes are hostile.
    pub hostile_percent: usize,
    /// How many of a hundred nodes are killed and replaced while the lookups go on.
    pub churn_percent: usize,
    /// Lookups of entities, by name and by key in turn.
    pub lookups: usize,
    /// Searches for all that can do something.
    pub searches: usize,
    /// What everything follows from.
    pub seed: u64,
}

/// What came of lookups of one kind.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// How many there were.
    pub all: usize,
    /// How many brought exactly what was published last.
    pub right: usize,
    /// Requests that they sent.
    pub asked: usize,
    /// How long each took.
    pub times: Vec<Duration>,
}

impl Tally {
    /// How many of a hundred were right.
    #[must_use]
    pub fn percent(&self) -> f64 {
        100.0 * share(self.right, self.all)
    }

    /// Requests for each.
    #[must_use]
    pub fn requests(&self) -> f64 {
        share(self.asked, self.all)
    }

    /// The time within which this share of them was done.
    #[must_use]
    pub fn time(&self, percent: usize) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        let last = times.len().saturating_sub(1);
        times.get(last * percent / 100).copied().unwrap_or_default()
    }

    fn count(&mut self, right: bool, asked: usize, took: Duration) {
        self.all += 1;
        self.right += usize::from(right);
        self.asked += asked;
        self.times.push(took);
    }
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Lookups of entities.
    pub entities: Tally,
    /// Searches for capabilities: right if all who have it were found, and nobody else.
    pub searches: Tally,
    /// Peers in a routing table, on average.
    pub peers: f64,
    /// How long the network took to come up.
    pub growing: Duration,
    /// How long publishing took.
    pub publishing: Duration,
    /// Records that no node took.
    pub unpublished: usize,
    /// Whatever was wrong, in words: the first few.
    pub wrongs: Vec<String>,
}

/// Runs a scenario.
pub async fn run(scenario: &Scenario) -> Outcome {
    let mut world = World::new(scenario.seed);
    let hostile = scenario.nodes * scenario.hostile_percent / 100;
    let start = Instant::now();
    let entities = world.grow(scenario.nodes - hostile).await;
    let publishers = &entities[..entities.len().min(60)];
    let target = Key::of_entity(publishers[publishers.len() / 2].identity.entity());
    if hostile > 0 {
        world.infest(hostile, &target).await;
    }
    world.refresh().await;
    let growing = start.elapsed();

    let start = Instant::now();
    let unpublished = publish(&world, publishers).await;
    let publishing = start.elapsed();
    let peers = mean_peers(&world).await;

    let mut asking =
        Asking { entities: Tally::default(), searches: Tally::default(), wrongs: Vec::new() };
    asking.ask(&mut world, scenario).await;
    let Asking { entities, searches, wrongs } = asking;
    Outcome { entities, searches, peers, growing, publishing, unpublished, wrongs }
}

async fn publish(world: &World, publishers: &[super::book::Entity]) -> usize {
    let now = SystemClock::new().now().timestamp;
    let mut unpublished = 0;
    let mut publishing = FuturesUnordered::new();
    for (number, entity) in publishers.iter().enumerate() {
        let capability = format!("capability-{}", number / PROVIDERS).parse().expect("a name");
        let record = world.book.publish(entity, capability, now);
        let node = world.honest.iter().find(|node| node.peer == entity.peer());
        publishing.extend(node.map(|node| node.publish(record)));
        if publishing.len() >= AT_ONCE {
            unpublished += publishing.next().await.unwrap_or(0);
        }
    }
    while let Some(failed) = publishing.next().await {
        unpublished += failed;
    }
    unpublished
}

struct Asking {
    entities: Tally,
    searches: Tally,
    wrongs: Vec<String>,
}

/// A question, and where in the list of published entities its answer is.
#[derive(Clone)]
enum Question {
    ByName(Published),
    ByKey(Published),
    Search(Capability, Vec<EntityId>),
}

impl Asking {
    async fn ask(&mut self, world: &mut World, scenario: &Scenario) {
        let questions = questions(world, scenario);
        let (count, mut killed) = (questions.len(), 0);
        let kills = scenario.nodes * scenario.churn_percent / 100;
        for (number, some) in questions.chunks(AT_ONCE).enumerate() {
            while killed < kills * (number * AT_ONCE) / count.max(1) {
                world.replace().await;
                killed += 1;
            }
            let seekers: Vec<_> = some.iter().map(|_| world.chance().below(usize::MAX)).collect();
            let mut asked: FuturesUnordered<_> = some
                .iter()
                .zip(seekers)
                .map(|(question, seeker)| {
                    answer(&world.honest[seeker % world.honest.len()], question)
                })
                .collect();
            while let Some((search, wrong, asked, took)) = asked.next().await {
                let tally = if search { &mut self.searches } else { &mut self.entities };
                tally.count(wrong.is_none(), asked, took);
                self.wrongs.extend(wrong);
            }
            self.wrongs.truncate(10);
        }
    }
}

fn questions(world: &mut World, scenario: &Scenario) -> Vec<Question> {
    let published = world.book.published();
    let mut questions = Vec::new();
    for number in 0..scenario.lookups {
        let one = published[number % published.len()].clone();
        let by_name = world.chance().flip();
        questions.push(if by_name { Question::ByName(one) } else { Question::ByKey(one) });
    }
    for number in 0..scenario.searches {
        let capability = published[(number * PROVIDERS) % published.len()].capability.clone();
        let able = published.iter().filter(|one| one.capability == capability);
        let able = able.map(|one| one.id.clone()).collect();
        let place = world.chance().below(questions.len() + 1);
        questions.insert(place, Question::Search(capability, able));
    }
    questions
}

/// Asks; returns whether it was a search, what was wrong, requests and time.
async fn answer(node: &Node, question: &Question) -> (bool, Option<String>, usize, Duration) {
    match question {
        Question::ByName(published) => {
            let key = Key::of_entity(&published.id);
            let (wrong, asked, took) = look_up(node, key, published).await;
            (false, wrong, asked, took)
        }
        Question::ByKey(published) => {
            let key = Key::of_entity(&EntityId::derived(&published.key));
            let (wrong, asked, took) = look_up(node, key, published).await;
            (false, wrong, asked, took)
        }
        Question::Search(capability, able) => {
            let searched = node.search(capability.clone(), 100).await;
            let mut found: Vec<_> =
                searched.found.iter().map(|record| record.record().entity.clone()).collect();
            found.sort_unstable();
            let own = |id: &&EntityId| !found.contains(id);
            let missing: Vec<_> = able.iter().filter(own).collect();
            let more = found.iter().any(|id| !able.contains(id));
            // A search is for others: the one that searches may be the one that is missing.
            let fine = !more
                && (missing.is_empty() || missing.len() == 1 && is_node(node, missing[0]).await);
            let wrong = (!fine).then(|| {
                format!(
                    "{capability}: found {} of {}, rejected {}, asked {}, in {:?}",
                    found.len(),
                    able.len(),
                    searched.rejected,
                    searched.asked,
                    searched.took
                )
            });
            (true, wrong, searched.asked, searched.took)
        }
    }
}

async fn is_node(node: &Node, id: &EntityId) -> bool {
    let own = node.lookup(Key::of_entity(id)).await.lookup.finish(&Trust::default());
    let key = peer_behaviours::secure::key_of(&node.peer);
    matches!(own, Ok(Resolution::Found { record, .. }) if Some(record.record().public_key) == key)
}

async fn look_up(
    node: &Node,
    key: Key,
    published: &Published,
) -> (Option<String>, usize, Duration) {
    let looked_up = node.lookup(key).await;
    let refusals = looked_up.lookup.refusals().total();
    let resolution = looked_up.lookup.finish(&Trust::default());
    let right = matches!(
        &resolution,
        Ok(Resolution::Found { record, .. }) if *record.as_bytes() == published.record
    );
    let wrong = (!right).then(|| {
        let what = match resolution {
            Ok(Resolution::Found { .. }) => "an older record",
            Ok(Resolution::Withdrawn { .. }) => "a withdrawal",
            Ok(Resolution::Missing) => "nothing",
            Err(_) => "a contest",
        };
        let (asked, took) = (looked_up.asked, looked_up.took);
        format!("{}: {what}, {refusals} bad answers, asked {asked}, in {took:?}", published.id)
    });
    (wrong, looked_up.asked, looked_up.took)
}

async fn mean_peers(world: &World) -> f64 {
    let mut peers = 0;
    for node in &world.honest {
        peers += node.table().await.peers;
    }
    share(peers, world.honest.len())
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}
