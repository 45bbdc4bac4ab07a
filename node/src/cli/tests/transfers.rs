//! `peer send` and `peer transfers`.

use super::*;
use crate::api::fake::transfers::RUNNING;

#[tokio::test]
async fn sending_ends_when_the_peer_has_it() {
    let rig = Rig::start().await;
    let ended = rig.peer(&["send", "entity_b", "a.bin"]).await;
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Ok, ""), "{}", ended.err);
    assert!(ended.err.contains("a.bin: entity_b has it, 3.0 MiB"), "{}", ended.err);
    let sent = rig.fake.look(|memory| memory.files.remove(0));
    assert!(sent.path.is_absolute() && !sent.spooled);
    assert_eq!((sent.path.file_name().unwrap().to_str(), sent.name), (Some("a.bin"), None));

    let ended = rig.peer(&["--json", "send", "entity_b", "a.bin", "--name", "b"]).await;
    let last: Value = serde_json::from_str(ended.out.lines().last().unwrap()).unwrap();
    assert_eq!((&last["state"], &last["id"]), (&"complete".into(), &RUNNING.into()));
    let sent = rig.fake.look(|memory| memory.files.remove(0));
    assert_eq!(sent.name.as_deref(), Some("b"));

    let ended = rig.peer(&["send", "--detach", "entity_b", "a.bin"]).await;
    assert_eq!(ended.out, "a.bin (3.0 MiB) goes to entity_b: `peer transfers show 0f0e0d0c`\n");
}

#[tokio::test]
async fn misuse_and_refusals_say_what_next() {
    let rig = Rig::start().await;
    for (arguments, exit, said) in [
        (&["send", "nobody", "a"][..], Exit::Unreachable, "nobody"),
        (&["send", "refuses", "a"], Exit::Refused, "refuse"),
        (&["send", "entity_b", "-"], Exit::Usage, "standard input has no name"),
        (
            &["send", "entity_b", "a", "b", "--name", "c"],
            Exit::Usage,
            "--name is for a single file",
        ),
        (&["transfers", "show", "ffffffff"], Exit::Failed, "no transfer"),
    ] {
        let ended = rig.peer(arguments).await;
        assert_eq!(ended.exit, exit, "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains(said) && ended.err.contains("next: "), "{}", ended.err);
    }
    let rig = Rig::without_node();
    assert_eq!(rig.peer(&["send", "entity_b", "a"]).await.exit, Exit::NoNode);
}

#[tokio::test]
async fn transfers_are_listed_shown_cancelled_and_tried_again() {
    let rig = Rig::start().await;
    let ended = rig.peer(&["transfers"]).await;
    assert_eq!(ended.exit, Exit::Ok, "{}", ended.err);
    let lines: Vec<_> = ended.out.lines().collect();
    assert_eq!(lines.len(), 2, "{}", ended.out);
    for part in ["0f0e0d0c", "entity_b", "a.bin", "3.0 MiB", "33 %", "512.0 KiB/s", "running"] {
        assert!(lines[1].contains(part), "{part}: {}", lines[1]);
    }
    let ended = rig.peer(&["transfers", "show", "0f0e"]).await;
    for part in
        [RUNNING, "entity_b (12D3KooWExample)", "complete", "3.0 MiB (3145728 bytes)", "100 %"]
    {
        assert!(ended.out.contains(part), "{part}: {}", ended.out);
    }
    let ended = rig.peer(&["transfers", "cancel", "0f0e"]).await;
    assert_eq!(ended.out, "a.bin to entity_b is given up\n");
    let ended = rig.peer(&["transfers", "retry", "0f0e", "ffff"]).await;
    assert_eq!(ended.out, "a.bin to entity_b is sent again, as 0f0e0d0c\n");
    assert!(ended.exit != Exit::Ok && ended.err.contains("no transfer"), "{}", ended.err);
    let json = rig.peer(&["--json", "transfers", "list", "--all"]).await.json();
    assert_eq!((&json[0]["state"], &json[0]["rate"]), (&"running".into(), &524_288.into()));
}
