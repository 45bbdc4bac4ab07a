//! Questions to agents on a virtual clock.

use super::*;

const T0: Instant = Instant::from_start(Duration::from_secs(100));

fn key(number: u8) -> AgentKey {
    AgentKey([number; 16])
}

fn asked(keys: &[AgentKey]) -> Attached {
    Attached { asked: keys.to_vec(), ..Attached::default() }
}

/// An agent that waits for its next question.
fn poll<T: fmt::Debug>(
    probes: &mut Probes<T>,
    key: AgentKey,
    answer: Option<u64>,
) -> (Settled<T>, oneshot::Receiver<u64>) {
    let (question, asked) = oneshot::channel();
    (probes.poll(key, answer, question).unwrap(), asked)
}

#[test]
fn what_needs_no_question_is_settled_at_once() {
    let mut probes = Probes::default();
    let program = Attached { programs: 1, silent: 1, asked: vec![key(1)] };
    let silent = Attached { silent: 1, ..Attached::default() };
    for (attached, life) in [
        (program, AgentLife::Attached),
        (silent, AgentLife::Unknown),
        (Attached::default(), AgentLife::Absent),
    ] {
        assert_eq!(probes.ask(vec!["a"], attached, T0).told, [("a", life)]);
    }
}

#[test]
fn an_answer_settles_it_and_silence_does_too() {
    let mut probes = Probes::default();
    let (_, mut question) = poll(&mut probes, key(1), None);
    assert!(probes.ask(vec!["a"], asked(&[key(1)]), T0).told.is_empty());
    let number = question.try_recv().unwrap();
    let (settled, mut question) = poll(&mut probes, key(1), Some(number));
    assert_eq!(settled.told, [("a", AgentLife::Attached)]);

    assert!(probes.ask(vec!["b"], asked(&[key(1)]), T0).told.is_empty());
    assert_ne!(question.try_recv().unwrap(), number);
    let there = || asked(&[key(1)]);
    assert!(probes.tick(there, T0 + PROBE - Duration::from_millis(1)).told.is_empty());
    assert_eq!(probes.tick(there, T0 + PROBE).told, [("b", AgentLife::Unresponsive)]);
}

#[test]
fn an_answer_to_an_earlier_question_is_none() {
    let mut probes = Probes::default();
    let (_, mut question) = poll(&mut probes, key(1), None);
    probes.ask(vec!["a"], asked(&[key(1)]), T0);
    let old = question.try_recv().unwrap();
    // It stops right there; what it sent before arrives late.
    probes.tick(|| asked(&[key(1)]), T0 + PROBE);
    probes.ask(vec!["b"], asked(&[key(1)]), T0 + PROBE);
    let (settled, mut question) = poll(&mut probes, key(1), Some(old));
    assert!(settled.told.is_empty());
    assert_eq!(question.try_recv().unwrap(), old + 1, "it is asked again");
}

#[test]
fn whoever_asks_while_a_question_is_under_way_gets_one_of_his_own() {
    let mut probes = Probes::default();
    let (_, mut question) = poll(&mut probes, key(1), None);
    probes.ask(vec!["a"], asked(&[key(1)]), T0);
    probes.ask(vec!["b"], asked(&[key(1)]), T0);
    let number = question.try_recv().unwrap();
    let (settled, mut question) = poll(&mut probes, key(1), Some(number));
    assert_eq!(settled.told, [("a", AgentLife::Attached)]);
    assert_eq!(settled.again, ["b"]);
    assert!(probes.ask(vec!["b"], asked(&[key(1)]), T0).told.is_empty());
    let number = question.try_recv().unwrap();
    let (settled, _question) = poll(&mut probes, key(1), Some(number));
    assert_eq!(settled.told, [("b", AgentLife::Attached)]);
}

#[test]
fn all_who_wait_share_the_next_question() {
    let mut probes = Probes::default();
    let (_, _hung) = poll(&mut probes, key(1), None);
    for caller in 0..100 {
        probes.ask(vec![caller], asked(&[key(1)]), T0);
    }
    let there = || asked(&[key(1)]);
    let first = probes.tick(there, T0 + PROBE);
    assert_eq!((first.told.len(), first.again.len()), (1, 99));
    assert!(probes.ask(first.again, there(), T0 + PROBE).told.is_empty());
    let second = probes.tick(there, T0 + 2 * PROBE);
    assert_eq!((second.told.len(), second.again.len()), (99, 0));
}

#[test]
fn one_agent_that_answers_is_enough_and_one_that_cannot_be_asked_leaves_doubt() {
    let mut probes = Probes::default();
    let (_, _hung) = poll(&mut probes, key(1), None);
    let (_, mut question) = poll(&mut probes, key(2), None);
    probes.ask(vec!["a"], asked(&[key(1), key(2)]), T0);
    let number = question.try_recv().unwrap();
    let (settled, _question) = poll(&mut probes, key(2), Some(number));
    assert_eq!(settled.told, [("a", AgentLife::Attached)]);
    let mixed = || Attached { silent: 1, ..asked(&[key(1)]) };
    probes.ask(vec!["b"], mixed(), T0);
    assert_eq!(probes.tick(mixed, T0 + PROBE).told, [("b", AgentLife::Unknown)]);
}

#[test]
fn agents_that_leave_are_not_waited_for() {
    let mut probes = Probes::default();
    let (_, _question) = poll(&mut probes, key(1), None);
    probes.ask(vec!["a"], asked(&[key(1)]), T0);
    assert_eq!(probes.tick(Attached::default, T0).told, [("a", AgentLife::Absent)]);
    // Another has come in its place: it was not asked yet.
    probes.ask(vec!["b"], asked(&[key(1)]), T0);
    assert_eq!(probes.tick(|| asked(&[key(2)]), T0).again, ["b"]);
}

#[test]
fn an_answer_of_somebody_else_is_none() {
    let mut probes = Probes::default();
    let (_, mut question) = poll(&mut probes, key(1), None);
    probes.ask(vec!["a"], asked(&[key(1)]), T0);
    let number = question.try_recv().unwrap();
    let (settled, _question) = poll(&mut probes, key(2), Some(number));
    assert!(settled.told.is_empty());
}

#[test]
fn memory_is_bounded() {
    let mut probes = Probes::default();
    let mut open = Vec::new();
    let mut refused = 0;
    for number in 0..1000_u32 {
        let mut name = [0; 16];
        name[..4].copy_from_slice(&number.to_be_bytes());
        let (question, asked) = oneshot::channel();
        refused += usize::from(probes.poll(AgentKey(name), None, question).is_err());
        open.push(asked);
    }
    assert_eq!(refused, 1000 - MAX_AGENTS);
    drop(open);
    poll(&mut probes, key(1), None);
    assert_eq!(probes.waiting.len(), 1, "those that have left are forgotten");
    let attached = || asked(&[key(1)]);
    let mut told = 0;
    for _ in 0..2000 {
        told += probes.ask(vec![()], attached(), T0).told.len();
    }
    assert_eq!(told, 2000 - MAX_ASKING - 1);
}
