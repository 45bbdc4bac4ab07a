use std::collections::HashSet;

use peer_protocol::crypto::PublicKey;
use peer_protocol::id::MessageId;
use peer_protocol::mailbox::{MailStatus, Output};
use peer_protocol::message::{Body, Mailbox, MailboxResult};
use peer_protocol::time::Now;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::node::{Conduct, Node};
use super::receiver::ReceiverNode;
use super::sender::SenderNode;
use crate::people::{at, identity, key_of, rng};

/// Milliseconds of one step.
const STEP: u64 = 500;
/// Steps for which one of the two is there before the other one is.
const TURN: u64 = 1_200;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) messages: usize,
    /// One node dies for good at a random time.
    pub(crate) killed: bool,
    /// Part of requests that get lost, or whose answers do.
    pub(crate) loss: f64,
    /// Part of steps in which somebody crashes and comes back.
    pub(crate) crashes: f64,
    /// Part of messages that are cancelled, once they may lie somewhere.
    pub(crate) cancelled: f64,
    pub(crate) conduct: [Conduct; 3],
    /// One-time prekeys at each node.
    pub(crate) prekeys: usize,
    /// Whether each message goes into an item of its own.
    pub(crate) apart: bool,
    /// Most items that the receiver has open, if not what it has by itself.
    pub(crate) open: Option<usize>,
}

impl Default for Rules {
    fn default() -> Self {
        let conduct = [Conduct::Honest; 3];
        Self {
            messages: 100,
            killed: false,
            loss: 0.0,
            crashes: 0.0,
            cancelled: 0.0,
            conduct,
            prekeys: 128,
            apart: false,
            open: None,
        }
    }
}

pub(crate) struct World {
    seed: u64,
    rules: Rules,
    rng: StdRng,
    now: Now,
    step: u64,
    pub(crate) nodes: Vec<Node>,
    pub(crate) sender: SenderNode,
    pub(crate) receiver: ReceiverNode,
    dies_at: u64,
    cancelled: HashSet<MessageId>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Sender,
    Receiver,
}

impl World {
    #[expect(clippy::print_stdout, reason = "a failure is repeated by its seed")]
    pub(crate) fn new(seed: u64, rules: Rules) -> Self {
        println!("mailbox simulation, seed {seed}: {rules:?}");
        let mut rng = rng(seed);
        let now = at(0);
        let nodes: Vec<_> =
            (0..3).map(|one| Node::new(10 + one, rules.conduct[usize::from(one)], now)).collect();
        let keys: Vec<PublicKey> = nodes.iter().map(Node::key).collect();
        let receiver = ReceiverNode::new(key_of(&identity("sender", 1)), keys.clone(), rules);
        let sender = SenderNode::new(receiver.key(), keys, &mut rng);
        // At any time between when the receiver first registers and when it has fetched.
        let dies_at = if rules.killed { rng.random_range(20..TURN * 3) } else { u64::MAX };
        Self {
            seed,
            rules,
            rng,
            now,
            step: 0,
            nodes,
            sender,
            receiver,
            dies_at,
            cancelled: HashSet::new(),
        }
    }

    /// Turns: the receiver registers, the sender puts, the receiver fetches, the sender collects, and so
    /// on. They are never there together.
    pub(crate) fn run(&mut self) {
        self.turn(Who::Receiver);
        for _ in 0..8 {
            self.turn(Who::Sender);
            self.turn(Who::Receiver);
            if self.is_over() {
                break;
            }
        }
    }

    fn is_over(&self) -> bool {
        let all = self.sender.accepted.len() == self.rules.messages;
        all && self.sender.outbox.is_empty()
    }

    pub(crate) fn turn(&mut self, who: Who) {
        for _ in 0..TURN {
            self.step += 1;
            self.now = at(self.step * STEP);
            if self.step >= self.dies_at {
                let one = usize::try_from(self.dies_at).unwrap() % 3;
                self.nodes[one].alive = false;
            }
            if self.step == 1 {
                let prekey = self.receiver.published(self.now, &mut self.rng);
                self.sender.know(prekey);
            }
            self.crash();
            match who {
                Who::Sender => self.sender_step(),
                Who::Receiver => self.receiver_step(),
            }
        }
    }

    fn crash(&mut self) {
        if !self.rng.random_bool(self.rules.crashes) {
            return;
        }
        match self.rng.random_range(0..3) {
            0 => self.sender.restart(),
            1 => self.receiver.crash(),
            _ => {
                let one = self.rng.random_range(0..3);
                self.nodes[one].restart(self.now);
            }
        }
    }

    fn sender_step(&mut self) {
        let left = self.rules.messages - self.sender.accepted.len();
        for _ in 0..left.min(self.rng.random_range(0..20)) {
            self.sender.accept(&mut self.rng, self.now, self.rules.apart);
        }
        if self.rng.random_bool(self.rules.cancelled / 4.0)
            && self.cancelled.len() < (self.rules.messages as f64 * self.rules.cancelled) as usize
        {
            let numbers: Vec<_> = self.sender.outbox.keys().copied().collect();
            if !numbers.is_empty() {
                let number = numbers[self.rng.random_range(0..numbers.len())];
                self.cancelled.extend(self.sender.cancel(number));
            }
        }
        for output in self.sender.poll(self.now, &mut self.rng) {
            match output {
                Output::Save(changes) => self.sender.save(changes),
                Output::Ask { node, request } => {
                    let from = self.sender.key();
                    let answer = self.carry(&from, &node, &request);
                    self.sender.on_answer(&node, answer, self.now);
                }
            }
        }
        if self.step.is_multiple_of(600) {
            self.sender.tick(self.now.timestamp);
        }
    }

    fn receiver_step(&mut self) {
        for output in self.receiver.poll(self.now, &mut self.rng) {
            match output {
                Output::Save(changes) => self.receiver.save(changes),
                Output::Ask { node, request } => {
                    let from = self.receiver.key();
                    let answer = self.carry(&from, &node, &request);
                    self.receiver.on_answer(&node, answer, self.now);
                }
            }
        }
        if self.rng.random_bool(0.5) {
            self.receiver.write();
        }
        if self.rng.random_bool(0.1) {
            self.receiver.process(self.now.timestamp);
        }
    }

    /// A request travels as a message does, and so does its answer; either may get lost.
    fn carry(
        &mut self,
        from: &PublicKey,
        to: &PublicKey,
        request: &Mailbox,
    ) -> Option<MailboxResult> {
        let body = Body::from(request.clone());
        let bytes = body.encode().unwrap();
        let Body::Mailbox(request) = Body::decode(body.kind(), &bytes).unwrap() else { panic!() };
        if self.rng.random_bool(self.rules.loss) {
            return None;
        }
        let node = self.nodes.iter_mut().find(|node| node.key() == *to && node.alive)?;
        let answer = Body::from(node.ask(from, &request, self.now, &mut self.rng));
        if self.rng.random_bool(self.rules.loss) {
            return None;
        }
        let bytes = answer.encode().unwrap();
        match Body::decode(answer.kind(), &bytes).unwrap() {
            Body::MailboxResult(answer) => Some(answer),
            _ => panic!(),
        }
    }

    /// Everything that was not cancelled has arrived once and in order, and its sender knows.
    pub(crate) fn check(&self) {
        let seed = self.seed;
        let taken: Vec<_> = self.receiver.inbox.taken.iter().map(|(id, _)| *id).collect();
        let once: HashSet<_> = taken.iter().collect();
        assert_eq!(once.len(), taken.len(), "once; seed {seed}");
        let order: Vec<_> = self.sender.accepted.iter().filter(|id| once.contains(id)).collect();
        assert!(order.into_iter().eq(&taken), "in the order of accepting; seed {seed}");
        let missing: Vec<_> = self.sender.accepted.iter().filter(|id| !once.contains(id)).collect();
        assert!(
            missing.iter().all(|id| self.cancelled.contains(id)),
            "{} of {} did not arrive; seed {seed}",
            missing.len(),
            self.rules.messages
        );
        assert_eq!(self.sender.accepted.len(), self.rules.messages);
        assert!(self.sender.outbox.is_empty(), "{}; seed {seed}", self.sender.outbox.len());
        for id in taken {
            let status = self.sender.status.get(&id);
            let known = status.is_some_and(|status| *status >= MailStatus::Delivered);
            assert!(known || self.cancelled.contains(&id), "{status:?}; seed {seed}");
        }
    }
}
