//! Every kind of envelope at every stage of both roles and both handshakes.

use peer_protocol::envelope::EnvelopeKind;
use peer_protocol::error::ErrorCode;
use peer_protocol::handshake::{Expected, HandshakeKind, Phase, Role};

use crate::rig::{Run, all_stages, steps};
use crate::wire::{Item, Letter};

/// The kinds of a handshake's messages, in order.
fn kinds(kind: HandshakeKind) -> &'static [EnvelopeKind] {
    use EnvelopeKind as K;
    match kind {
        HandshakeKind::SixStep => &[
            K::HandshakeInit,
            K::HandshakeInitAck,
            K::ChallengeResponse,
            K::SessionEstablished,
            K::SessionConfirm,
            K::Ready,
        ],
        HandshakeKind::ThreeWay => &[K::Handshake, K::HandshakeAck, K::HandshakeConfirm],
    }
}

/// `message`, correctly signed by the other side, but of another kind.
fn as_kind(run: &Run, side: usize, message: &[u8], kind: EnvelopeKind) -> Vec<u8> {
    let mut letter = Letter::parse(message);
    letter.set("msg_type", Item::text(kind.as_str()));
    if kind == EnvelopeKind::Sealed {
        letter.set("encrypted", Item::Bool(true));
    }
    letter.set("recipient_id", Item::text(run.nodes[side].entity().as_str()));
    letter.set("sender_id", Item::text(run.nodes[1 - side].entity().as_str()));
    letter.signed(&run.nodes[1 - side].signing)
}

/// What a side waits for when `made` messages are made, if it waits for any.
fn awaited(run: &Run, side: usize) -> Option<EnvelopeKind> {
    let made = run.sent.len();
    let next = if side == run.receiver() { made - 1 } else { made };
    kinds(run.kind).get(next).copied()
}

#[test]
fn each_stage_takes_only_its_own_kind_of_envelope() {
    for (handshake, made) in all_stages() {
        let mut run = Run::at(handshake, made);
        for side in [run.receiver(), run.sender()] {
            let awaited = awaited(&run, side);
            for kind in EnvelopeKind::ALL.into_iter().filter(|kind| Some(*kind) != awaited) {
                // A responder that has nothing yet takes either kind of first message.
                if run.phase(side).is_none() && kind.starts_handshake() {
                    continue;
                }
                let envelope = as_kind(&run, side, &run.pending(), kind);
                let refusal = run.refused(side, &envelope);
                let code = refusal.code();
                assert_eq!(code, ErrorCode::InvalidState, "{handshake} {made} {side}: {kind}");
            }
        }
        let side = run.receiver();
        run.step();
        assert!(run.phase(side).is_some());
        run.finish();
    }
}

/// Nothing follows the last message either.
#[test]
fn a_finished_handshake_takes_nothing_more() {
    for handshake in [HandshakeKind::SixStep, HandshakeKind::ThreeWay] {
        let mut run = Run::at(handshake, steps(handshake));
        run.step();
        for side in 0..2 {
            for kind in EnvelopeKind::ALL {
                let envelope = as_kind(&run, side, &run.pending(), kind);
                assert_eq!(run.refused(side, &envelope).code(), ErrorCode::InvalidState);
            }
        }
        run.finish();
    }
}

/// The phase that each side shows after each message, and that a failure or the end of time ends it.
#[test]
fn both_sides_show_the_state_of_the_step_that_is_complete() {
    let six = [
        "HANDSHAKE_INIT_SENT",
        "HANDSHAKE_ACK_RECEIVED",
        "CHALLENGE_SENT",
        "SESSION_ESTABLISHED",
        "SESSION_CONFIRMED",
        "READY",
    ];
    for made in 1..=6 {
        let mut run = Run::at(HandshakeKind::SixStep, made);
        let sender = run.sender();
        assert_eq!(run.phase(sender).map(Phase::as_str), Some(six[made - 1]));
        let receiver = run.receiver();
        run.step();
        // The receiver has answered already, unless there is nothing to answer.
        let shown = run.phase(receiver).map(Phase::as_str);
        assert_eq!(shown, Some(six[made.min(5)]), "after message {made}");
    }
    let three = ["HANDSHAKE_SENT", "HANDSHAKE_SENT", "ACTIVE"];
    for made in 1..=3 {
        let run = Run::at(HandshakeKind::ThreeWay, made);
        assert_eq!(run.phase(run.sender()).map(Phase::as_str), Some(three[made - 1]));
    }
    let mut run = Run::at(HandshakeKind::ThreeWay, 3);
    run.step();
    assert_eq!(run.phase(1).map(Phase::as_str), Some("ACTIVE"));
}

#[test]
fn a_handshake_that_fails_or_runs_out_of_time_says_so() {
    for (kind, [failed, expired]) in [
        (HandshakeKind::SixStep, ["ERROR", "EXPIRED"]),
        (HandshakeKind::ThreeWay, ["CLOSED", "CLOSED"]),
    ] {
        let mut run = Run::new(kind);
        let (machine, e1) = run.nodes[0].begin(kind, run.expected[0].clone());
        let (answering, _) = run.nodes[1].answer(&e1, &Expected::default()).unwrap();
        assert_eq!((machine.role(), answering.role()), (Role::Initiator, Role::Responder));
        for machine in [machine, answering] {
            assert_eq!(machine.kind(), kind);
            assert_eq!(machine.end(false).as_str(), failed);
            assert_eq!(machine.end(true).as_str(), expired);
        }
    }
}
