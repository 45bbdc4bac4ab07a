//! Requests that nobody answers, on a connection that looks alive.

use super::*;

/// Moves everything for `time`, in small steps; requests of side 0 fail after ten seconds.
fn pass_in_silence(pair: &mut Pair, time: Duration) -> Vec<Duration> {
    let start = pair.now.instant;
    let mut pending: VecDeque<(Instant, RequestId)> = VecDeque::new();
    let mut told = Vec::new();
    while pair.now.instant.since(start) < time {
        pair.now = pair.now + Duration::from_millis(100);
        let (now, link) = (pair.now, &mut pair.links[0]);
        while let Some((_, id)) = pending.pop_front_if(|(at, _)| *at <= now.instant) {
            link.handle_failure(id, now);
        }
        link.handle_timeout(now);
        while let Some(transmit) = link.poll_transmit() {
            if let Transmit::Request { id, .. } = transmit {
                pending.push_back((now.instant + Duration::from_secs(10), id));
            }
        }
        while let Some(event) = link.poll_event() {
            if event == Event::Unresponsive {
                told.push(now.instant.since(start));
            }
        }
    }
    told
}

#[test]
fn silence_is_told_again_and_again_until_something_is_heard() {
    let mut pair = Pair::new(|_| {});
    pair.links[0].open(pair.now);
    pair.settle();
    let message = Message::new(&mut pair.ids, &task("x").into(), None).unwrap();
    let deadline = pair.now.instant + Duration::from_secs(3600);
    pair.links[0].send(message, deadline, pair.now).unwrap();
    let told = pass_in_silence(&mut pair, Duration::from_secs(600));
    // After 2 s; then after 2, 4, 8, 16 and 30 s each.
    assert!((20..=25).contains(&told.len()), "{told:?}");
    let pauses: Vec<_> = told.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses[0] >= Duration::from_secs(2) && pauses[0] < Duration::from_secs(4));
    assert!(pauses.iter().all(|pause| *pause <= Duration::from_secs(45)), "{pauses:?}");
    let last = pair.now.instant;
    pair.links[0].heard(last);
    let told = pass_in_silence(&mut pair, Duration::from_secs(20));
    assert!(told.len() >= 2, "it begins anew: {told:?}");
}
