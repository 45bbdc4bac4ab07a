//! When a driver gives way to others, and for how many frames it does not.

use std::time::Duration;

use peer_protocol::time::Instant;

/// A turn that comes so late is one among many: whoever has to wait so long for the next one better takes
/// what there is, while it is at hand.
const LATE: Duration = Duration::from_millis(1);
/// Frames that are dealt with in such a turn.
const IN_A_ROW: usize = 4;

/// The turns of one driver. Normally it deals with a frame, and then the connection's task has its turn, so
/// that the answer is on its way before the next frame is dealt with. With a thousand busy peers nobody
/// waits for that answer alone, and whatever a frame needs of its peer has to come from memory each time.
#[derive(Debug, Default)]
pub(super) struct Turns {
    gives_way: bool,
    /// When the driver last asked for another turn.
    asked: Option<Instant>,
}

impl Turns {
    /// Whether others have their turn first.
    pub(super) const fn gives_way(&self) -> bool {
        self.gives_way
    }

    /// Frames have been dealt with.
    pub(super) const fn over(&mut self) {
        self.gives_way = true;
    }

    /// The driver asks for its next turn, for which it is woken once others had theirs.
    pub(super) const fn ask(&mut self, now: Instant) {
        self.gives_way = false;
        self.asked = Some(now);
    }

    /// How many frames may be dealt with in the turn that begins.
    pub(super) fn frames(&mut self, now: Instant) -> usize {
        let late = self.asked.take().is_some_and(|asked| now.since(asked) >= LATE);
        if late { IN_A_ROW } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::from_start(Duration::from_micros(micros))
    }

    #[test]
    fn whoever_gets_the_next_turn_soon_deals_with_one_frame() {
        let mut turns = Turns::default();
        assert_eq!(turns.frames(at(0)), 1);
        turns.over();
        assert!(turns.gives_way());
        turns.ask(at(10));
        assert!(!turns.gives_way());
        assert_eq!(turns.frames(at(1_009)), 1);
    }

    #[test]
    fn whoever_waits_long_for_a_turn_makes_the_most_of_that_one() {
        let mut turns = Turns::default();
        turns.over();
        turns.ask(at(10));
        assert_eq!(turns.frames(at(1_010)), IN_A_ROW);
        assert_eq!(turns.frames(at(1_011)), 1, "that one alone");
    }

    #[test]
    fn having_had_nothing_to_do_is_no_waiting() {
        let mut turns = Turns::default();
        turns.over();
        turns.ask(at(0));
        assert_eq!(turns.frames(at(20)), 1, "there was no frame");
        assert_eq!(turns.frames(at(5_000_000)), 1);
    }
}
