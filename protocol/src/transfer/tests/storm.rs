//! Both ends over a link that loses, delays, reorders and repeats, while either side is killed and the
//! connection breaks, on virtual time. Whatever happens, the transfer ends with every byte on disk, and
//! each break costs at most what was in flight.

use std::collections::{BTreeMap, HashMap};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::error::ErrorCode;

const BLOCK: u64 = K64;
const WINDOW: u64 = 24 * BLOCK;

/// What travels, or comes due.
#[derive(Debug, Clone, Copy)]
enum Event {
    ToReceiver { id: u64, life: u32, step: Step },
    Report { life: u32, step: Step, fate: Fate },
    ToSender { life: u32, answers: Option<u32>, ack: ChunkAck },
    Synced { life: u32, received: u64 },
    Verified { life: u32 },
}

#[derive(Debug, Clone, Copy)]
enum Fate {
    Arrived,
    Lost,
    Refused,
}

struct World {
    rng: StdRng,
    now: Instant,
    queue: BTreeMap<(Instant, u64), Event>,
    numbers: u64,
    total: u64,
    /// How often each side was started.
    lives: [u32; 2],
    sender: Sender,
    /// What the sender's disk says.
    sender_row: u64,
    receiver: Option<Receiver>,
    /// What the receiver's disk says: whether it knows the transfer, how far it is, whether it is whole.
    row: Option<(u64, bool)>,
    /// Blocks on the receiver's disk: which block was written there.
    disk: HashMap<u64, u64>,
    syncing: bool,
    /// Ids that the receiver's link remembers.
    seen: HashMap<u64, ()>,
    /// Offers whose answer waits for the digest.
    owed: Option<u32>,
    sent: u64,
    breaks: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let total = rng.random_range(0..120 * BLOCK);
        Self {
            sender: sender(total, 0, at(0)),
            rng,
            now: at(0),
            queue: BTreeMap::new(),
            numbers: 0,
            total,
            lives: [0, 0],
            sender_row: 0,
            receiver: None,
            row: None,
            disk: HashMap::new(),
            syncing: false,
            seen: HashMap::new(),
            owed: None,
            sent: 0,
            breaks: 0,
        }
    }

    fn after(&mut self, most: u64, event: Event) {
        let pause = Duration::from_millis(self.rng.random_range(0..=most));
        self.numbers += 1;
        self.queue.insert((self.now + pause, self.numbers), event);
    }

    /// The link: loses, repeats, reports.
    fn send(&mut self, step: Step) {
        let life = self.lives[0];
        if let Step::Piece { len, .. } = step {
            self.sent += u64::from(len);
        }
        self.numbers += 1;
        let id = self.numbers;
        match self.rng.random_range(0..100) {
            0..2 => self.after(8_000, Event::Report { life, step, fate: Fate::Lost }),
            2..10 => {
                // Arrives twice, and late: the link removes duplicates while it lives.
                self.after(900, Event::ToReceiver { id, life, step });
                self.after(3_000, Event::ToReceiver { id, life, step });
            }
            _ => self.after(120, Event::ToReceiver { id, life, step }),
        }
    }

    fn run(&mut self) {
        for round in 0..200_000 {
            while let Some(step) = self.sender.poll(self.now) {
                self.send(step);
            }
            self.sync();
            if self.sender.ended().is_some() {
                return;
            }
            if self.breaks < 12 && self.rng.random_range(0..60) == 0 {
                self.break_something();
                continue;
            }
            let due = self.sender.poll_timeout();
            let sync = self.receiver.as_ref().filter(|_| !self.syncing);
            let sync = sync.map(Receiver::poll_timeout);
            let next = self.queue.first_key_value().map(|((at, _), _)| *at);
            let soonest = [due, sync, next].into_iter().flatten().min().expect("something is due");
            self.now = self.now.max(soonest);
            if next.is_some_and(|at| at <= self.now)
                && let Some((_, event)) = self.queue.pop_first()
            {
                self.on_event(event);
            }
            self.sender.handle_timeout(self.now);
            assert!(round < 199_999, "it does not come to an end: {:?}", self.sender);
        }
    }

    fn break_something(&mut self) {
        self.breaks += 1;
        match self.rng.random_range(0..4) {
            0 => {
                self.lives[0] += 1;
                self.sender = sender(self.total, self.sender_row, self.now);
            }
            1 | 2 => {
                self.lives[1] += 1;
                self.seen.clear();
                self.owed = None;
                self.syncing = false;
                // What was not synced may be there or not, or be garbage.
                let durable = self.row.map_or(0, |(received, _)| received);
                let chance = self.rng.random_range(0..3);
                for (block, content) in &mut self.disk {
                    if block * BLOCK >= durable && chance > 0 {
                        *content = u64::MAX;
                    }
                }
                self.receiver = self.row.map(|(received, complete)| {
                    let mut receiver = receiver(self.total, received, self.now);
                    if complete {
                        receiver.complete();
                    }
                    receiver
                });
                self.sender.interrupted();
            }
            _ => self.sender.interrupted(),
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::ToReceiver { id, life, step } => {
                let fate = if self.seen.insert(id, ()).is_some() {
                    Fate::Arrived
                } else {
                    self.take(step)
                };
                self.after(100, Event::Report { life, step, fate });
            }
            Event::Report { life, step, fate } if life == self.lives[0] => match (step, fate) {
                (Step::Offer { .. }, Fate::Arrived) => self.sender.offer_arrived(self.now),
                (Step::Offer { attempt }, Fate::Lost) => self.sender.offer_lost(attempt, self.now),
                (Step::Offer { .. }, Fate::Refused) => {
                    self.sender.refused(ErrorCode::ChunkError, "refused");
                }
                (Step::Piece { offset, .. }, Fate::Arrived) => {
                    self.sender.arrived(offset, self.now);
                }
                (Step::Piece { offset, .. }, Fate::Lost) => self.sender.lost(offset, self.now),
                (Step::Piece { offset, .. }, Fate::Refused) => {
                    self.sender.piece_refused(offset, ErrorCode::ChunkError, "refused");
                }
                (Step::Cancel, _) => {}
            },
            Event::ToSender { life, answers, ack } if life == self.lives[0] => {
                self.sender.handle_ack(answers, &ack, self.now);
                self.sender_row = self.sender.received();
            }
            Event::Synced { life, received } if life == self.lives[1] => {
                self.syncing = false;
                self.row = Some((received, false));
                let receiver = self.receiver.as_mut().expect("it is open");
                receiver.synced(received, self.now);
                if receiver.durable() == self.total {
                    self.after(400, Event::Verified { life });
                } else {
                    self.tell(None);
                }
            }
            Event::Verified { life } if life == self.lives[1] => {
                for block in 0..self.total.div_ceil(BLOCK) {
                    assert_eq!(self.disk.get(&block), Some(&block), "the digest is wrong");
                }
                self.row = Some((self.total, true));
                self.receiver.as_mut().expect("it is open").complete();
                let owed = self.owed.take();
                self.tell(owed);
            }
            Event::Report { .. }
            | Event::ToSender { .. }
            | Event::Synced { .. }
            | Event::Verified { .. } => {}
        }
    }

    /// The receiver's node takes a chunk in.
    fn take(&mut self, step: Step) -> Fate {
        let (total, now) = (self.total, self.now);
        match step {
            Step::Offer { attempt } => {
                if self.receiver.is_none() {
                    self.row = Some((0, false));
                    self.receiver = Some(receiver(total, 0, now));
                }
                let known = self.receiver.as_ref().expect("it was opened");
                known.check_offer(&offer(), total).expect("the same offer");
                if known.ack(transfer()).is_none() {
                    self.owed = Some(attempt);
                    if !self.syncing {
                        self.after(400, Event::Verified { life: self.lives[1] });
                    }
                } else {
                    self.tell(Some(attempt));
                }
                Fate::Arrived
            }
            Step::Piece { offset, len } => {
                let Some(receiver) = &mut self.receiver else { return Fate::Refused };
                let taken = receiver.take(offset, u64::from(len), total, now);
                match taken.expect("an honest sender is never refused") {
                    Taken::New => {
                        let end = offset + u64::from(len);
                        for block in offset / BLOCK..end.div_ceil(BLOCK) {
                            self.disk.insert(block, block);
                        }
                    }
                    Taken::Repeated => {}
                }
                Fate::Arrived
            }
            Step::Cancel => panic!("nobody cancels"),
        }
    }

    /// The receiver's disk.
    fn sync(&mut self) {
        let Some(receiver) = &self.receiver else { return };
        if !self.syncing && receiver.is_due(self.now) {
            self.syncing = true;
            let (life, received) = (self.lives[1], receiver.contiguous());
            self.after(60, Event::Synced { life, received });
        }
    }

    fn tell(&mut self, answers: Option<u32>) {
        let ack = self.receiver.as_ref().and_then(|receiver| receiver.ack(transfer()));
        let Some(ack) = ack else { return };
        // A sender that was killed in between does not get it, or cannot tell what it answers.
        let life = self.lives[0];
        if self.rng.random_range(0..40) != 0 {
            self.after(150, Event::ToSender { life, answers, ack });
        }
    }
}

fn sender(total: u64, received: u64, now: Instant) -> Sender {
    let limits = Limits { window: WINDOW, under_way: 8 * BLOCK, ..Limits::new(128 << 10) };
    Sender::new(total, received, limits, now)
}

fn receiver(total: u64, received: u64, now: Instant) -> Receiver {
    Receiver::new(offer(), total, received, now).unwrap()
}

#[test]
fn whatever_breaks_every_byte_arrives_and_little_is_sent_again() {
    let count: u64 = std::env::var("SIM_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(400);
    let one = std::env::var("SIM_SEED").ok().and_then(|n| n.parse().ok());
    let seeds = one.map_or(1..=count, |seed: u64| seed..=seed);
    let (mut total, mut sent, mut breaks) = (0, 0, 0);
    for seed in seeds {
        let ran = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            world.run();
            assert_eq!(world.sender.ended(), Some(&Ended::Complete));
            assert_eq!(world.row, Some((world.total, true)));
            // Breaks, and offers after silence, cost a window each; lost pieces were sent twice.
            let again = world.sent - world.total.min(world.sent);
            let most = (world.breaks + 1) * WINDOW + world.total / 10 + 8 * BLOCK;
            assert!(again <= most, "{again} bytes again, {} breaks", world.breaks);
            (world.total, world.sent, world.breaks)
        });
        let Ok((this_total, this_sent, this_breaks)) = ran else {
            panic!("seed {seed} failed: SIM_SEED={seed} runs it alone")
        };
        total += this_total;
        sent += this_sent;
        breaks += this_breaks;
    }
    println!("{total} bytes, {breaks} breaks, {sent} bytes sent");
    assert!(one.is_some() || breaks > 400, "{breaks} breaks test nothing");
}
