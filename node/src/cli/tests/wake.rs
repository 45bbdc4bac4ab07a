//! Waking, and proving to be awake.

use super::*;
use crate::api::fake::task;
use crate::cli::listen;
use crate::model::Incoming;

const NONCE: &str = "00112233445566778899aabbccddeeff";

fn wake_up() -> Incoming {
    let mut message = task("wake-1", "go on");
    message.kind = IncomingKind::WakeUp;
    message.wake_nonce = Some(NONCE.to_owned());
    message
}

fn nonces(rig: &Rig) -> Vec<String> {
    rig.fake.look(|memory| memory.nonces.clone())
}

#[tokio::test]
async fn outcomes_have_words_and_exit_codes() {
    let rig = Rig::start().await;
    for (peer, exit, word) in [
        ("entity_b", Exit::Ok, "awake in "),
        ("hung", Exit::Ok, "told, no word from it yet in "),
        ("sleepy", Exit::Failed, "not woken in "),
        ("closed", Exit::Refused, "refused in "),
    ] {
        let ended = rig.peer(&["wake", peer]).await;
        assert_eq!(ended.exit, exit, "{peer}");
        assert!(ended.out.starts_with(word), "{}", ended.out);
    }
    let json = rig.peer(&["--json", "wake", "hung"]).await.json();
    assert_eq!((&json["outcome"], &json["woken"]), (&"handed_to_agent".into(), &true.into()));
}

#[tokio::test]
async fn agents_that_do_not_respond_are_not_said_to_be_alive() {
    let rig = Rig::start().await;
    for (peer, agent, words) in [
        ("entity_b", true, "attached, idle for 1 s"),
        ("hung", false, "attached, but does not respond"),
        ("curl", false, "whether it responds cannot be told"),
        ("sleepy", false, "none attached"),
    ] {
        let ended = rig.peer(&["alive", peer]).await;
        assert!(ended.out.contains(words), "{}", ended.out);
        assert_eq!(rig.peer(&["--json", "alive", peer]).await.json()["agent"], agent);
    }
}

#[tokio::test]
async fn a_restart_says_what_each_attempt_came_to() {
    let rig = Rig::start().await;
    // Told, but still not there: that is no success.
    let hung = rig.peer(&["restart", "hung", "--attempts", "2"]).await;
    assert_eq!(hung.exit, Exit::Failed);
    assert_eq!(hung.out.matches("then: its agent does not respond").count(), 2, "{}", hung.out);
    // Told, and nobody can say more.
    let curl = rig.peer(&["--json", "restart", "curl"]).await;
    assert_eq!((curl.exit, curl.json()["attempts"].as_array().unwrap().len()), (Exit::Ok, 1));
    let closed = rig.peer(&["restart", "closed"]).await;
    assert_eq!(closed.exit, Exit::Refused);
    assert!(closed.out.contains("does not allow this node"), "{}", closed.out);
    let json = rig.peer(&["--json", "restart", "closed"]).await.json();
    assert_eq!(json["attempts"].as_array().unwrap().len(), 1, "asking again is pointless");
    let sleepy = rig.peer(&["--json", "restart", "sleepy"]).await.json();
    let pauses: Vec<_> = sleepy["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["pause_ms"].as_u64().unwrap())
        .collect();
    assert!(pauses[0] == 0 && (375..=625).contains(&pauses[1]), "{pauses:?}");
}

#[tokio::test]
async fn a_nonce_is_given_back_once() {
    let rig = Rig::start().await;
    let ended = rig.peer(&["awake", NONCE]).await;
    assert_eq!(
        (ended.exit, ended.out.as_str()),
        (Exit::Ok, "awake after 412 ms; told to entity_b\n")
    );
    assert_eq!(nonces(&rig), [NONCE]);
    let again = rig.peer(&["awake", NONCE]).await;
    assert_eq!(again.exit, Exit::Failed);
    assert!(again.err.contains("no wake-up waits for this nonce"), "{}", again.err);
    assert!(again.err.contains("\nnext: "), "{}", again.err);
}

#[tokio::test]
async fn a_program_proves_by_succeeding() {
    for (script, proven) in
        [("test \"$PEER_WAKE_NONCE\" = 00112233445566778899aabbccddeeff", 1), ("false", 0)]
    {
        let rig = Rig::start().await;
        let feed = rig.fake.deliver(wake_up());
        let arguments = ["listen", "--once", "--exec", script];
        let (_, ()) = tokio::join!(rig.peer(&arguments), feed);
        assert_eq!(nonces(&rig).len(), proven, "{script}");
    }
}

#[tokio::test]
async fn who_only_prints_a_wake_up_proves_nothing_but_shows_how() {
    let rig = Rig::start().await;
    let (ended, ()) = tokio::join!(rig.peer(&["listen", "--once"]), rig.fake.deliver(wake_up()));
    assert!(ended.out.contains(&format!("nonce: {NONCE}")), "{}", ended.out);
    assert!(nonces(&rig).is_empty());
}

#[tokio::test]
async fn attaching_is_the_proof_of_an_agent_that_was_woken() {
    let rig = Rig::start().await;
    let dir = DataDir::resolve(Some(rig.temp.path().to_owned())).unwrap();
    let client = Client::new(&dir);
    let cli = Cli::try_parse_from(["peer", "listen", "--once"]).unwrap();
    let Command::Listen(args) = cli.command else { panic!("another command") };
    let (mut output, _, err) = captured::output(false, false);
    let nonce = Some(NONCE.to_owned());
    let listening = listen::attend(&args, &dir, &client, nonce.clone(), &mut output);
    let (ended, ()) = tokio::join!(listening, rig.fake.deliver(task("task-1", "x")));
    assert_eq!(ended.unwrap(), Exit::Ok);
    assert_eq!(nonces(&rig), [NONCE]);
    // Whoever comes too late listens all the same.
    rig.fake.look(|memory| memory.subscribers.clear());
    let listening = listen::attend(&args, &dir, &client, nonce, &mut output);
    let (ended, ()) = tokio::join!(listening, rig.fake.deliver(task("task-2", "x")));
    assert_eq!(ended.unwrap(), Exit::Ok);
    let notes = String::from_utf8(err.take()).unwrap();
    assert!(notes.contains("the proof of being awake was not taken"), "{notes}");
}
