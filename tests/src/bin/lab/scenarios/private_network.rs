//! A network with a key of its own.

use std::time::Duration;

use super::Scenario;
use crate::finding::{Finding, expect};
use crate::network::{Family, PORT};
use crate::stage::Stage;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "private-network",
    shows: "nodes with one pre-shared key talk over TCP; one with another key, and one without any, \
            connect to nobody; QUIC is refused with the reason",
    short: true,
    needs: &["--private-network"],
    play,
};

fn play(stage: &Stage) -> Result<(), Finding> {
    let ours = key(stage, "ours", '1')?;
    let theirs = key(stage, "theirs", '2')?;
    let tcp = || vec![format!("/ip4/0.0.0.0/tcp/{PORT}")];
    let start = |name: &str, args: &[&str]| {
        let host = stage.network().public(name, Family::Both)?;
        stage.start_listening(host, tcp(), args)
    };
    let alice = start("alice", &["--private-network", &ours])?;
    let bob = start("bob", &["--private-network", &ours])?;
    let mallory = start("mallory", &["--private-network", &theirs])?;
    let eve = start("eve", &[])?;
    bob.attach("cat")?;
    alice.connect(&bob.address())?;
    alice.says("bob", "among ourselves", Duration::from_secs(5))?;
    for stranger in [&mallory, &eve] {
        for (from, to) in [(stranger, &bob), (&alice, stranger)] {
            let result = from.try_run(&["connect", &to.address(), "--timeout", "3s"]);
            let what = format!("{} does not connect to {}", from.name(), to.name());
            expect(result.is_err(), &what, || "a session".to_owned())?;
        }
    }
    let log = bob.log();
    let connected = ["mallory", "eve"].iter().any(|name| bob.session(name).is_some());
    expect(!connected, "bob has no session with strangers", || log)?;

    let host = stage.network().public("quic", Family::Both)?;
    let quic = vec![format!("/ip4/0.0.0.0/udp/{PORT}/quic-v1")];
    let refused = match stage.start_listening(host, quic, &["--private-network", &ours]) {
        Err(Finding::Start { said, .. }) => said,
        Err(finding) => return Err(finding),
        Ok(_) => "it started".to_owned(),
    };
    expect(refused.contains("QUIC"), "QUIC is refused with the reason", || refused.clone())
}

/// A file with a key made of `digit`.
fn key(stage: &Stage, name: &str, digit: char) -> Result<String, Finding> {
    let path = stage.root().join(format!("{name}.key"));
    let digits: String = std::iter::repeat_n(digit, 64).collect();
    std::fs::write(&path, format!("/key/swarm/psk/1.0.0/\n/base16/\n{digits}\n"))
        .map_err(Finding::system("write a key"))?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&path, mode).map_err(Finding::system("protect a key"))?;
    Ok(path.display().to_string())
}
