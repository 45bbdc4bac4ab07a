//! One run: a network grows, publishes, suffers, and is asked.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use peer_behaviours::{Clock as _, SystemClock};
use peer_protocol::identity::EntityId;
use peer_protocol::registry::{Capability, Key, Resolution};

use super::book::{Entity, Published};
use super::node::Node;
use super::world::World;
use crate::people::Trust;

/// Lookups at once.
const AT_ONCE: usize = 8;
/// Entities that can do the same.
const PROVIDERS: usize = 6;

/// A network, and what is asked in it.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Nodes in all, hostile ones included.
    pub nodes: usize,
    /// How many of a hundred nodes are hostile.
    pub hostile_percent: usize,
    /// Lookups of entities in each phase, by name or by key.
    pub lookups: usize,
    /// Searches in each phase for all that can do something.
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

/// What came of one phase.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Lookups of entities.
    pub entities: Tally,
    /// Further lookups by name of the entity that hostile nodes eclipse, if there are any.
    pub eclipsed: Tally,
    /// Searches for capabilities: right if all who have it were found, and nobody else.
    pub searches: Tally,
    /// Whatever was wrong, in words: the first few.
    pub wrongs: Vec<String>,
}

/// A network that has grown and published.
pub struct Network {
    scenario: Scenario,
    world: World,
    /// Peers in an honest node's routing table, on average.
    pub peers: f64,
    /// How many of a hundred of them are hostile.
    pub hostile_peers: f64,
    /// How many honest nodes keep a record by the entity's name; the mean, and the fewest.
    pub copies: (f64, usize),
    /// How long it took to come up.
    pub growing: Duration,
    /// How long publishing took.
    pub publishing: Duration,
    /// Keys that no node took.
    pub unpublished: usize,
}

impl Network {
    /// Grows a network; the hostile nodes come when half of the others are there.
    pub async fn grow(scenario: Scenario) -> Self {
        let mut world = World::new(scenario.seed);
        let hostile = scenario.nodes * scenario.hostile_percent / 100;
        let honest = scenario.nodes - hostile;
        let start = Instant::now();
        let mut entities = world.grow(honest / 2).await;
        if hostile > 0 {
            let target = Key::of_entity(entities[0].identity.entity());
            world.infest(hostile, &target).await;
        }
        entities.extend(world.grow(honest - honest / 2).await);
        world.settle().await;
        let growing = start.elapsed();

        let start = Instant::now();
        let publishers = &entities[..entities.len().min(60)];
        let unpublished = publish(&world, publishers).await;
        let publishing = start.elapsed();
        let (peers, hostile_peers) = peers(&world).await;
        let copies = copies(&world).await;
        Self { scenario, world, peers, hostile_peers, copies, growing, publishing, unpublished }
    }

    /// Asks; meanwhile so many of a hundred nodes are killed and replaced.
    pub async fn ask(&mut self, churn_percent: usize) -> Outcome {
        let questions = questions(&mut self.world, &self.scenario);
        let (count, mut killed) = (questions.len(), 0);
        let kills = self.scenario.nodes * churn_percent / 100;
        let mut outcome = Outcome::default();
        for (number, some) in questions.chunks(AT_ONCE).enumerate() {
            let due = kills * (number * AT_ONCE) / count.max(1);
            self.world.replace(due - killed).await;
            killed = due;
            let (honest, chance) = self.world.seekers();
            let mut asked: FuturesUnordered<_> = some
                .iter()
                .map(|question| answer(&honest[chance.below(honest.len())], question))
                .collect();
            while let Some((about, wrong, asked, took)) = asked.next().await {
                let tally = match about {
                    About::Entity => &mut outcome.entities,
                    About::Eclipsed => &mut outcome.eclipsed,
                    About::Capability => &mut outcome.searches,
                };
                tally.count(wrong.is_none(), asked, took);
                outcome.wrongs.extend(wrong);
            }
        }
        outcome.wrongs.truncate(10);
        outcome
    }
}

async fn publish(world: &World, publishers: &[Entity]) -> usize {
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

/// What a question is about.
#[derive(Clone, Copy)]
enum About {
    Entity,
    Eclipsed,
    Capability,
}

/// A question, and its answer.
#[derive(Clone)]
enum Question {
    ByName(Published, About),
    ByKey(Published),
    Search(Capability, Vec<EntityId>),
}

fn questions(world: &mut World, scenario: &Scenario) -> Vec<Question> {
    let published = world.book.published();
    let mut questions = Vec::new();
    for number in 0..scenario.lookups {
        let one = published[number % published.len()].clone();
        let by_name = world.chance().flip();
        questions.push(if by_name {
            Question::ByName(one, About::Entity)
        } else {
            Question::ByKey(one)
        });
    }
    if scenario.hostile_percent > 0 {
        let eclipsed = Question::ByName(published[0].clone(), About::Eclipsed);
        questions.extend(std::iter::repeat_n(eclipsed, scenario.lookups / 10));
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

/// Asks; returns what it was about, what was wrong, requests and time.
async fn answer(node: &Node, question: &Question) -> (About, Option<String>, usize, Duration) {
    match question {
        Question::ByName(published, about) => {
            let key = Key::of_entity(&published.id);
            let (wrong, asked, took) = look_up(node, key, published).await;
            (*about, wrong, asked, took)
        }
        Question::ByKey(published) => {
            let key = Key::of_entity(&EntityId::derived(&published.key));
            let (wrong, asked, took) = look_up(node, key, published).await;
            (About::Entity, wrong, asked, took)
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
            (About::Capability, wrong, searched.asked, searched.took)
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

async fn peers(world: &World) -> (f64, f64) {
    let (mut peers, mut hostile) = (0, 0);
    for node in &world.honest {
        let known = node.neighbours().await;
        peers += known.len();
        hostile += known.iter().filter(|peer| world.is_hostile(peer)).count();
    }
    (share(peers, world.honest.len()), 100.0 * share(hostile, peers))
}

async fn copies(world: &World) -> (f64, usize) {
    let mut kept: HashMap<[u8; 32], usize> = HashMap::new();
    for node in &world.honest {
        for key in node.keys().await {
            *kept.entry(key).or_default() += 1;
        }
    }
    let published = world.book.published();
    let copies =
        |one: &Published| kept.get(Key::of_entity(&one.id).as_bytes()).copied().unwrap_or(0);
    let all: usize = published.iter().map(copies).sum();
    (share(all, published.len()), published.iter().map(copies).min().unwrap_or(0))
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}
