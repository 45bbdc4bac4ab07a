//! Programs.

use std::collections::BTreeMap;

use super::*;

fn program(text: &'static str) -> impl FnOnce(&Path) -> Adapter {
    move |dir| {
        let path = script(dir, "agent", text);
        let dir = dir.display().to_string();
        let command = vec![path.display().to_string(), "--resume".to_owned(), dir];
        Adapter::Command { command, replace: false }
    }
}

/// Writes down what it was started as.
const RECORD: &str =
    r#"cat /proc/$$/cmdline > "$2/argv"; cat /proc/$$/environ > "$2/environ"; cat > "$2/stdin""#;

fn variables(environ: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8(environ.to_vec()).unwrap();
    let pair =
        |pair: &str| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    text.split('\0').filter_map(pair).collect()
}

#[tokio::test]
async fn nothing_that_a_peer_says_changes_what_runs() {
    let long = "x".repeat(65_536);
    let mut first: Option<(Vec<u8>, Vec<String>)> = None;
    for reason in ["please go on"].into_iter().chain(HOSTILE).chain([long.as_str()]) {
        let mut rig = Rig::new(program(RECORD));
        rig.start(1, reason, false);
        assert_eq!(rig.ended().await, Ok(()), "{reason:?}");
        let dir = rig.dir.path().display().to_string();
        let argv =
            String::from_utf8(rig.file("argv").await).unwrap().replace(&dir, "DIR").into_bytes();
        let variables = variables(&rig.file("environ").await);
        let names: Vec<_> = variables.keys().cloned().collect();
        assert_eq!(variables["PEER_WAKE_NONCE"], NONCE);
        assert_eq!(variables["PEER_WAKE_FROM"], "bob");
        assert_eq!(variables["PEER_DATA_DIR"], format!("{dir}/data"));
        let told = &variables["PEER_WAKE_REASON"];
        assert!(told.len() <= 1024 && !told.chars().any(char::is_control), "{told:?}");
        let document: serde_json::Value = serde_json::from_slice(&rig.file("stdin").await).unwrap();
        assert_eq!(document["nonce"], NONCE);
        assert!(reason.starts_with(document["reason"].as_str().unwrap()));
        rig.untouched();
        let first = first.get_or_insert_with(|| (argv.clone(), names.clone()));
        assert_eq!((&first.0, &first.1), (&argv, &names), "{reason:?}");
        let parts: Vec<&[u8]> = argv.split(|byte| *byte == 0).collect();
        assert_eq!(parts, [&b"/bin/sh"[..], b"DIR/agent", b"--resume", b"DIR", b""], "{reason:?}");
    }
}

#[tokio::test]
async fn what_hangs_is_killed_with_all_that_it_started() {
    let text = r#"(sleep 60; touch "$2/late") & echo $! > "$2/child.new"; mv "$2/child.new" "$2/child"; sleep 60"#;
    let mut rig = Rig::new(program(text));
    rig.start(1, "", false);
    let child = String::from_utf8(rig.file("child").await).unwrap();
    assert!(is_alive(child.trim()));
    rig.runner.stop(1);
    assert!(matches!(rig.ended().await, Err(AdapterError::TimedOut { .. })));
    eventually(|| !is_alive(child.trim())).await;
    assert!(!rig.path("late").exists());
}

#[tokio::test]
async fn what_is_left_behind_is_killed_too_unless_it_proves_to_be_the_agent() {
    let text = r#"sleep 60 & echo $! > "$2/child.new"; mv "$2/child.new" "$2/child""#;
    for proven in [false, true] {
        let mut rig = Rig::new(program(text));
        rig.start(1, "", false);
        let child = String::from_utf8(rig.file("child").await).unwrap();
        if proven {
            rig.runner.release(1);
            assert_eq!(rig.ended().await, Ok(()));
            drop(rig);
            assert!(is_alive(child.trim()));
            let pid: i32 = child.trim().parse().unwrap();
            nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid),
                nix::sys::signal::Signal::SIGKILL,
            )
            .unwrap();
        } else {
            rig.runner.stop(1);
            assert!(matches!(rig.ended().await, Err(AdapterError::TimedOut { .. })));
            eventually(|| !is_alive(child.trim())).await;
        }
    }
}

#[tokio::test]
async fn an_agent_lives_on_until_it_is_known_to_be_stuck() {
    let mut rig =
        Rig::new(program(r#"echo $$ > "$2/pid.new"; mv "$2/pid.new" "$2/pid"; exec sleep 60"#));
    rig.start(1, "", false);
    let pid = String::from_utf8(rig.file("pid").await).unwrap();
    rig.runner.release(1);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(is_alive(pid.trim()));
    rig.runner.stop(1);
    assert!(rig.ended().await.is_err());
    assert!(!is_alive(pid.trim()));
}

#[tokio::test]
async fn a_node_that_ends_leaves_its_agent_alone_and_nothing_else() {
    for proven in [true, false] {
        let text =
            r#"echo $$ > "$2/pid.new"; mv "$2/pid.new" "$2/pid"; exec sleep 60 <&- >&- 2>&-"#;
        let mut rig = Rig::new(program(text));
        rig.start(1, "", false);
        let pid = String::from_utf8(rig.file("pid").await).unwrap();
        if proven {
            rig.runner.release(1);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        drop(rig);
        if proven {
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert!(is_alive(pid.trim()));
            let pid: i32 = pid.trim().parse().unwrap();
            nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid),
                nix::sys::signal::Signal::SIGKILL,
            )
            .unwrap();
        } else {
            eventually(|| !is_alive(pid.trim())).await;
        }
    }
}

#[tokio::test]
async fn floods_are_read_and_forgotten() {
    let mut rig =
        Rig::new(program(r#"head -c 200000000 /dev/zero; head -c 100000000 /dev/zero >&2"#));
    rig.start(1, "", false);
    assert_eq!(rig.ended().await, Ok(()));
    let mut rig = Rig::new(program("trap '' PIPE; exec yes"));
    rig.start(1, "", false);
    tokio::time::sleep(Duration::from_millis(200)).await;
    rig.runner.stop(1);
    assert!(rig.ended().await.is_err());
}

#[tokio::test]
async fn failures_say_why_without_showing_paths_to_peers() {
    let mut rig = Rig::new(program("echo secret >&2; exit 3"));
    rig.start(1, "", false);
    let error = rig.ended().await.unwrap_err();
    assert_eq!(error.to_string(), "its program failed (exit status: 3)");
    let missing = |_: &Path| Adapter::Command {
        command: vec!["/nonexistent/agent".to_owned()],
        replace: false,
    };
    let mut rig = Rig::new(missing);
    rig.start(1, "", false);
    let error = rig.ended().await.unwrap_err();
    assert_eq!(error.to_string(), "its program could not be started");
    assert!(error.reason().contains("/nonexistent/agent"), "{}", error.reason());
}
