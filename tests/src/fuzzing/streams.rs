//! Session streams from strangers: frames of either side, in pieces of any kind.

use std::collections::HashSet;
use std::time::Duration;

use peer_protocol::limits::MAX_ENVELOPE_LEN;
use peer_protocol::link::RequestId;
use peer_protocol::stream::{
    Answered, Answering, Asking, CREDIT_LEN, Credit, FrameId, HEAD_LEN, Head, Kind,
};
use peer_protocol::time::Instant;

const PATIENCE: Duration = Duration::from_secs(10);
/// Small enough to be reached by short inputs.
const GRANT: Credit = Credit { frames: 4, bytes: 300 };

/// The bytes of one side, after a byte that says which: no account ever holds more than was granted,
/// and everything that was asked ends once.
pub fn stream(data: &[u8]) {
    match data.split_first() {
        Some((first, frames)) if first % 2 == 0 => from_asking(frames),
        Some((_, frames)) => from_answering(frames),
        None => {}
    }
}

/// The next frame: its head, and as much of its body as there is.
fn frame<'a>(bytes: &mut &'a [u8]) -> Option<(Head, &'a [u8])> {
    let (head, rest) = bytes.split_first_chunk::<HEAD_LEN>()?;
    let head = Head::decode(*head).ok()?;
    assert!(head.len as usize <= MAX_ENVELOPE_LEN, "memory is taken for it");
    assert_eq!(head.encode()[..5], bytes[..5]);
    let (body, rest) = rest.split_at_checked(head.len as usize)?;
    *bytes = rest;
    Some((head, body))
}

fn from_asking(mut bytes: &[u8]) {
    let mut answering = Answering::new(GRANT);
    let (mut open, mut held) = (Vec::new(), 0);
    while let Some((head, body)) = frame(&mut bytes) {
        if !head.kind.asks() || answering.asked(head.id, body.len()).is_err() {
            break;
        }
        open.push((head.id, body.len()));
        held += body.len();
        assert!(open.len() <= GRANT.frames as usize && held <= GRANT.bytes as usize);
        assert_eq!(answering.unanswered(), open.len());
        // The body says whether something is answered.
        if let Some(byte) = body.first() {
            let (id, len) = open.swap_remove(usize::from(*byte) % open.len());
            held -= len;
            let answer = answering.answer(id, (byte % 3 > 0).then_some(body.len()));
            let answer = answer.expect("it is open");
            assert_eq!((answer.id, answer.kind.asks()), (id, false));
            assert_eq!(answering.answer(id, None), None, "answered twice");
        }
    }
    for (id, _) in open {
        assert_eq!(answering.answer(id, None).map(|head| head.kind), Some(Kind::Drop));
    }
    assert_eq!(answering.unanswered(), 0);
}

fn from_answering(mut bytes: &[u8]) {
    let mut asking = Asking::new();
    let mut open = HashSet::new();
    let mut now = Instant::from_start(Duration::from_secs(1));
    let mut next = 0;
    assert_eq!(asking.ask(RequestId(next), 0, now), None, "nothing is granted yet");
    while let Some((head, body)) = frame(&mut bytes) {
        now = now + Duration::from_millis(700);
        let ended = match (head.kind, <[u8; CREDIT_LEN]>::try_from(body)) {
            (Kind::Credit, Ok(credit)) => asking.grant(Credit::decode(credit)).map(|()| None),
            (Kind::Answer | Kind::Drop, _) => asking.answered(head.id, now).map(Some),
            _ => break,
        };
        match ended {
            Ok(Some(Answered::Request(id))) => assert!(open.remove(&id), "answered twice"),
            Ok(Some(Answered::Late) | None) => {}
            Err(_) => break,
        }
        for len in [body.len(), 1] {
            if let Some(head) = asking.ask(RequestId(next), len, now) {
                assert!(asking.fits(len));
                assert_eq!((head.kind, head.id), (Kind::Request, FrameId(next as u32)));
                open.insert(RequestId(next));
                next += 1;
            }
        }
        for given_up in asking.give_up(PATIENCE, now) {
            assert!(open.remove(&given_up), "given up twice");
        }
        assert_eq!(asking.unanswered(), open.len());
        let due = asking.next_timeout(PATIENCE);
        assert!(due.is_none_or(|due| due > now), "a timer does not let time pass");
    }
    let closed = asking.close();
    assert_eq!(closed.len(), open.len());
    assert!(closed.iter().all(|id| open.remove(id)));
}

/// A conversation of each side.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let frame = |kind, id, body: &[u8]| {
        let len = u32::try_from(body.len()).expect("short");
        [Head { len, kind, id: FrameId(id) }.encode().as_slice(), body].concat()
    };
    let asks = [
        vec![0],
        frame(Kind::Request, 0, b"first"),
        frame(Kind::Request, 1, b""),
        frame(Kind::Request, 2, &[9; 100]),
        frame(Kind::Request, 3, b"last"),
    ];
    let grant = |frames, bytes| frame(Kind::Credit, 0, &Credit { frames, bytes }.encode());
    let answers = [
        vec![1],
        grant(4, 300),
        frame(Kind::Answer, 0, b"an answer"),
        frame(Kind::Drop, 2, b""),
        grant(8, 3_000),
        frame(Kind::Answer, 1, b""),
    ];
    vec![asks.concat(), answers.concat()]
}
