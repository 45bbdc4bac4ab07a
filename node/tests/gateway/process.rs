//! The binary, as an operator configures it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Old, Stub, request, say};

/// A running `peer`, ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn peer(dir: &std::path::Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peer"));
    command.env_clear().env("HOME", dir).env("PEER_MDNS", "off").env("PEER_UPNP", "off");
    command.env("PEER_LISTEN", "/ip4/127.0.0.1/tcp/0");
    command.arg("--data-dir").arg(dir).args(arguments);
    command.stdin(Stdio::null()).stderr(Stdio::null());
    command
}

fn output(dir: &std::path::Path, arguments: &[&str]) -> String {
    let output = peer(dir, arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_node_takes_posts_and_lists_what_is_not_encrypted() {
    let old = Old::new("old", 1);
    let mut stub = Stub::receiving().await;
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        "entity = \"new\"\n[gateway]\nlisten = \"127.0.0.1:0\"\n\n[[gateway.peer]]\nentity = \"old\"\n\
         public_key = \"{}\"\nurl = \"{}\"\n",
        old.key_hex(),
        stub.url
    );
    std::fs::write(dir.path().join("config.toml"), config).unwrap();
    let mut child = peer(dir.path(), &["run", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let _running = Running(child);
    let started: Value = serde_json::from_str(&first).unwrap();
    let at = started["gateway"].as_str().unwrap().parse().unwrap();

    assert_eq!(request(at, "GET", "/health", "").await.body["entity_id"], "new");
    let report = old.report("new", "half way");
    say(at, &report).await.taken();
    say(at, &report).await.refused(409, "REPLAY_DETECTED");
    let wrong = Old::new("old", 2).report("new", "x");
    say(at, &wrong).await.refused(403, "INVALID_SIGNATURE");

    let listed: Value = serde_json::from_str(&output(dir.path(), &["peers", "--json"])).unwrap();
    assert_eq!((&listed[0]["entity"], &listed[0]["encrypted"]), (&json!("old"), &json!(false)));
    let table = output(dir.path(), &["peers"]);
    assert!(table.contains("old") && table.contains("NO") && table.contains("http"), "{table}");
    let told = output(dir.path(), &["listen", "--once"]);
    assert!(told.contains("NOT ENCRYPTED") && told.contains("half way"), "{told}");
    output(dir.path(), &["report", "old", "done"]);
    assert_eq!(stub.next().await["payload"]["status"], "done");
}

#[test]
fn a_wrong_configuration_is_told_with_its_place() {
    let refused = |text: &str, part: &str| {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.toml"), text).unwrap();
        let output = peer(dir.path(), &["run"]).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(part), "{said}");
        assert!(said.contains("next: "), "{said}");
    };
    refused("[gateway]\nlisten = \"localhost\"\n", "line 2");
    refused("[gateway]\nlisten = \"127.0.0.1:0\"\nlegacy = true\n", "unknown field");
    refused("legacy = false\n[gateway]\nlisten = \"127.0.0.1:0\"\n", "switched off");
    let peer = "[[gateway.peer]]\nentity = \"old\"\npublic_key = \"00\"\n";
    refused(peer, "public_key");
}
