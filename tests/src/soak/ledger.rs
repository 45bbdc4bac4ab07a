//! What was said, and what was heard of it.

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

/// Faults that are kept; what follows the first few tells nothing more.
const MOST_FAULTS: usize = 20;

/// Every message of a run, by its number.
#[derive(Debug)]
pub(super) struct Ledger {
    seed: u64,
    said: Vec<Said>,
    faults: Vec<String>,
    again: usize,
}

#[derive(Debug)]
struct Said {
    to: String,
    accepted: bool,
    heard: Option<Heard>,
}

#[derive(Debug)]
struct Heard {
    id: String,
    taken: bool,
}

/// What came of all messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Account {
    /// Messages that were accepted for nodes that stay or come back.
    pub accepted: usize,
    /// Those of which nobody knows whether they were accepted, because a node died or had no time.
    pub unheard: usize,
    /// Messages that their receiver's agent heard.
    pub heard: usize,
    /// How often one was handed over again, because it had not been acknowledged.
    pub again: usize,
}

impl Ledger {
    pub(super) const fn new(seed: u64) -> Self {
        Self { seed, said: Vec::new(), faults: Vec::new(), again: 0 }
    }

    /// The number and content of the next message, which is for `to`.
    pub(super) fn say(&mut self, to: &str) -> (usize, Vec<u8>) {
        let number = self.said.len();
        self.said.push(Said { to: to.to_owned(), accepted: false, heard: None });
        (number, content(self.seed, number))
    }

    /// The node said that it has message `number`, and will bring it.
    pub(super) fn accept(&mut self, number: usize) {
        if let Some(said) = self.said.get_mut(number) {
            said.accepted = true;
        }
    }

    /// The agent at `at` was handed message `number`, with its content if it has one.
    pub(super) fn hear(&mut self, at: &str, number: usize, id: &str, bytes: Option<&[u8]>) {
        let expected = content(self.seed, number);
        let fault = match self.said.get_mut(number) {
            None => Some("was never sent"),
            Some(said) if said.to != at => Some("came to somebody else"),
            Some(_) if bytes.is_some_and(|bytes| bytes != expected) => {
                Some("was changed on its way")
            }
            Some(said) => match &said.heard {
                None => {
                    said.heard = Some(Heard { id: id.to_owned(), taken: false });
                    None
                }
                Some(heard) if heard.id != id => Some("came twice, under two ids"),
                Some(heard) if heard.taken => Some("was acknowledged, and came again"),
                Some(_) => {
                    self.again += 1;
                    None
                }
            },
        };
        if let Some(fault) = fault {
            self.fault(format!("message {number} {fault} (at {at}, {id})"));
        }
    }

    /// The node said that message `number` counts as taken.
    pub(super) fn take(&mut self, number: usize) {
        if let Some(heard) = self.said.get_mut(number).and_then(|said| said.heard.as_mut()) {
            heard.taken = true;
        }
    }

    /// Something is wrong.
    pub(super) fn fault(&mut self, fault: String) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(fault);
        }
    }

    /// How many accepted messages nobody has heard yet.
    pub(super) fn missing(&self) -> usize {
        self.said.iter().filter(|said| said.accepted && said.heard.is_none()).count()
    }

    pub(super) fn account(&self) -> Account {
        let count = |what: fn(&&Said) -> bool| self.said.iter().filter(what).count();
        Account {
            accepted: count(|said| said.accepted),
            unheard: count(|said| !said.accepted),
            heard: count(|said| said.heard.is_some()),
            again: self.again,
        }
    }

    /// Everything that is wrong, lost messages included.
    pub(super) fn faults(&self) -> Vec<String> {
        let lost = self.said.iter().enumerate();
        let lost = lost.filter(|(_, said)| said.accepted && said.heard.is_none());
        let lost = lost.map(|(number, said)| format!("message {number} to {} was lost", said.to));
        self.faults.iter().cloned().chain(lost.take(MOST_FAULTS)).collect()
    }
}

/// What message `number` says: mostly small, now and then as long as one message may be.
fn content(seed: u64, number: usize) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(seed ^ (number as u64) << 20);
    let len = match rng.random_range(0..100) {
        0 => rng.random_range(40_000..64_000),
        1..10 => rng.random_range(2_000..16_000),
        _ => rng.random_range(0..1_500),
    };
    let mut bytes = vec![0; len];
    rng.fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(tell: impl FnOnce(&mut Ledger, usize, &[u8])) -> Vec<String> {
        let mut ledger = Ledger::new(1);
        let (number, bytes) = ledger.say("bob");
        ledger.accept(number);
        tell(&mut ledger, number, &bytes);
        ledger.faults()
    }

    #[test]
    fn what_is_lost_changed_or_repeated_is_a_fault() {
        let well = faults(|ledger, number, bytes| {
            ledger.hear("bob", number, "a", Some(bytes));
            ledger.hear("bob", number, "a", Some(bytes));
            ledger.take(number);
        });
        assert_eq!(well, Vec::<String>::new());
        assert!(faults(|_, _, _| {})[0].contains("was lost"));
        assert!(
            faults(|it, at, bytes| it.hear("eve", at, "a", Some(bytes)))[0].contains("somebody")
        );
        assert!(faults(|it, at, _| it.hear("bob", at, "a", Some(b"other")))[0].contains("changed"));
        assert!(
            faults(|it, at, bytes| it.hear("bob", at + 1, "a", Some(bytes)))[0].contains("never")
        );
        let twice = faults(|ledger, number, bytes| {
            ledger.hear("bob", number, "a", Some(bytes));
            ledger.hear("bob", number, "b", Some(bytes));
        });
        assert!(twice[0].contains("came twice"), "{twice:?}");
        let again = faults(|ledger, number, bytes| {
            ledger.hear("bob", number, "a", Some(bytes));
            ledger.take(number);
            ledger.hear("bob", number, "a", Some(bytes));
        });
        assert!(again[0].contains("came again"), "{again:?}");
    }
}
