//! Every transition of both tables, legal and illegal, against tables written by hand from
//! `docs/PROTOCOL.md` §3.3 and §4.3.

use peer_protocol::error::ErrorCode;
use peer_protocol::handshake::{
    HandshakeError, InvalidState, InvalidThreeWayState, SessionState, Step, ThreeWayState,
    ThreeWayTransition, Transition,
};

/// One row a state: where each of the six steps, a failure and the end of time lead; `-` is illegal.
const SIX_STEP: &str = "
    INITIAL                HANDSHAKE_INIT_SENT  -  -  -  -  -                             -      -
    HANDSHAKE_INIT_SENT    -  HANDSHAKE_ACK_RECEIVED  -  -  -  -                          ERROR  EXPIRED
    HANDSHAKE_ACK_RECEIVED -  -  CHALLENGE_SENT  -  -  -                                  ERROR  EXPIRED
    CHALLENGE_SENT         -  -  -  SESSION_ESTABLISHED  -  -                             ERROR  EXPIRED
    SESSION_ESTABLISHED    -  -  -  -  SESSION_CONFIRMED  -                               ERROR  EXPIRED
    SESSION_CONFIRMED      -  -  -  -  -  READY                                           ERROR  EXPIRED
    READY                  -  -  -  -  -  -                                               ERROR  EXPIRED
    ERROR                  -  -  -  -  -  -                                               -      -
    EXPIRED                -  -  -  -  -  -                                               -      -
";

/// One row a state: where sending, confirming and closing lead.
const THREE_WAY: &str = "
    INIT            HANDSHAKE_SENT  -       -
    HANDSHAKE_SENT  -               ACTIVE  CLOSED
    ACTIVE          -               -       CLOSED
    CLOSED          -               -       -
";

fn rows(table: &str) -> Vec<Vec<&str>> {
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| !row.is_empty()).collect()
}

fn transitions() -> [Transition; 8] {
    let [s1, s2, s3, s4, s5, s6] = Step::ALL.map(Transition::Step);
    [s1, s2, s3, s4, s5, s6, Transition::Fail, Transition::Expire]
}

#[test]
fn the_nine_states_have_exactly_the_transitions_of_the_table() {
    let rows = rows(SIX_STEP);
    assert_eq!(rows.len(), 9);
    let mut legal = 0;
    for (row, state) in rows.iter().zip(SessionState::ALL) {
        let [name, cells @ ..] = row.as_slice() else { panic!("an empty row") };
        assert_eq!((*name, cells.len()), (state.as_str(), 8));
        for (cell, transition) in cells.iter().zip(transitions()) {
            let after = state.after(transition);
            if *cell == "-" {
                let error = InvalidState { state, transition };
                assert_eq!(after, Err(error), "{state} {transition:?}");
                let code = ErrorCode::from(&HandshakeError::from(error));
                assert_eq!(code.as_str(), "INVALID_STATE");
            } else {
                assert_eq!(after.map(SessionState::as_str), Ok(*cell), "{state} {transition:?}");
                legal += 1;
            }
        }
    }
    assert_eq!(legal, 6 + 6 + 6);
}

#[test]
fn the_four_states_have_exactly_the_transitions_of_the_table() {
    use ThreeWayTransition::{Close, Confirm, Send};
    let rows = rows(THREE_WAY);
    assert_eq!(rows.len(), 4);
    for (row, state) in rows.iter().zip(ThreeWayState::ALL) {
        let [name, cells @ ..] = row.as_slice() else { panic!("an empty row") };
        assert_eq!((*name, cells.len()), (state.as_str(), 3));
        for (cell, transition) in cells.iter().zip([Send, Confirm, Close]) {
            let after = state.after(transition);
            if *cell == "-" {
                let error = InvalidThreeWayState { state, transition };
                assert_eq!(after, Err(error), "{state} {transition:?}");
                let code = ErrorCode::from(&HandshakeError::from(error));
                assert_eq!(code.as_str(), "INVALID_STATE");
            } else {
                assert_eq!(after.map(ThreeWayState::as_str), Ok(*cell), "{state} {transition:?}");
            }
        }
    }
}
