//! Units; the program that starts them is a stand-in that writes down what it is asked.

use super::*;

fn unit(user: bool, text: &'static str) -> impl FnOnce(&Path) -> Adapter {
    move |dir| {
        let program = script(dir, "systemctl", &format!("cd {}\n{text}", dir.display()));
        Adapter::Systemd { unit: "agent@1.service".to_owned(), user, program }
    }
}

const RECORD: &str = r#"cp -p data/wake/agent@1.service.env data/wake/agent@1.service.json .
printf '%s|' "$@" > asked.new; mv asked.new asked; env | grep -c PEER_WAKE > leaks || true"#;

#[tokio::test]
async fn the_unit_is_started_and_finds_the_nonce_in_private_files() {
    for (user, replaces, asked) in [
        (true, false, "--user|--no-ask-password|start|--|agent@1.service|"),
        (true, true, "--user|--no-ask-password|restart|--|agent@1.service|"),
        (false, false, "--no-ask-password|start|--|agent@1.service|"),
    ] {
        for reason in HOSTILE {
            let mut rig = Rig::new(unit(user, RECORD));
            rig.start(1, reason, replaces);
            assert_eq!(rig.file("asked").await, asked.as_bytes(), "{reason:?}");
            // Until it is known whether the agent is awake.
            let env = rig.path("data/wake/agent@1.service.env");
            assert_eq!(
                std::fs::read_to_string(&env).unwrap(),
                format!("PEER_WAKE_NONCE={NONCE}\n")
            );
            for file in [&env, &rig.path("data/wake/agent@1.service.json")] {
                assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
            }
            let dir = std::fs::metadata(rig.path("data/wake")).unwrap();
            assert_eq!(dir.permissions().mode() & 0o777, 0o700);
            let json = rig.file("agent@1.service.json").await;
            let document: serde_json::Value = serde_json::from_slice(&json).unwrap();
            assert_eq!(document["reason"], reason);
            rig.runner.release(1);
            assert_eq!(rig.ended().await, Ok(()));
            assert_eq!(std::fs::read_dir(rig.path("data/wake")).unwrap().count(), 0);
            assert_eq!(rig.file("leaks").await, b"0\n", "not in anybody's environment");
            rig.untouched();
        }
    }
}

#[tokio::test]
async fn a_unit_that_does_not_start_leaves_no_files() {
    let mut rig = Rig::new(unit(true, "echo 'Unit agent@1.service not found.' >&2; exit 5"));
    rig.start(1, "", false);
    let error = rig.ended().await.unwrap_err();
    assert_eq!(error, AdapterError::Failed { status: "exit status: 5".to_owned() });
    assert_eq!(std::fs::read_dir(rig.path("data/wake")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_manager_that_hangs_is_not_waited_for() {
    let mut rig = Rig::new(unit(true, "echo $$ > pid.new; mv pid.new pid; sleep 60"));
    rig.timeout = Duration::from_millis(500);
    rig.start(1, "", false);
    let pid = String::from_utf8(rig.file("pid").await).unwrap();
    assert!(matches!(rig.ended().await, Err(AdapterError::TimedOut { .. })));
    eventually(|| !is_alive(pid.trim())).await;
    assert_eq!(std::fs::read_dir(rig.path("data/wake")).unwrap().count(), 0);
}
