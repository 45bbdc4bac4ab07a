//! Terminals of a tmux server of the test's own.

use std::process::Command;

use super::*;

/// A server with a session `agent` in which what is typed goes to a file.
struct Server {
    socket: String,
}

impl Server {
    fn start(dir: &Path) -> Option<Self> {
        let name = dir.file_name().unwrap().to_string_lossy().into_owned();
        let server = Self { socket: format!("peer-{}-{name}", std::process::id()) };
        let typed = format!("stty -echo; touch {0}/ready; exec cat > {0}/typed", dir.display());
        let new =
            ["-f", "/dev/null", "new-session", "-d", "-s", "agent", "-x", "80", "-y", "24", &typed];
        match server.command(&new) {
            Some(true) => Some(server),
            other => {
                assert!(other.is_none(), "tmux is there, but does not start");
                None
            }
        }
    }

    /// Whether a command succeeded; `None` if there is no tmux.
    fn command(&self, arguments: &[&str]) -> Option<bool> {
        let status = Command::new("tmux")
            .env_remove("TMUX")
            .args(["-L", &self.socket])
            .args(arguments)
            .status();
        status.ok().map(|status| status.success())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.command(&["kill-server"]);
    }
}

fn pane(socket: &str, target: &str, text: &str) -> Adapter {
    Adapter::Tmux {
        target: target.to_owned(),
        text: text.to_owned(),
        enter: true,
        socket: Some(socket.to_owned()),
        program: PathBuf::from("tmux"),
    }
}

fn skipped() {
    eprintln!("skipped: there is no tmux");
}

#[tokio::test]
async fn the_operators_text_is_typed_as_it_is_and_nothing_of_the_peers() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(dir.path()) else { return skipped() };
    eventually(|| dir.path().join("ready").exists()).await;
    let text = "-l go on; Enter $(touch pwned) '#{pane_id}' é: peer awake {nonce} ;";
    let mut rig = Rig::new(|_| pane(&server.socket, "agent:0", text));
    let typed = dir.path().join("typed");
    for (number, reason) in HOSTILE.into_iter().enumerate() {
        if number % 2 == 1 {
            // Somebody scrolls back.
            assert_eq!(server.command(&["copy-mode", "-t", "agent:0"]), Some(true));
        }
        rig.start(number as u64, reason, false);
        assert_eq!(rig.ended().await, Ok(()), "{reason:?}");
        let line = text.replace("{nonce}", NONCE) + "\n";
        let expected = line.repeat(number + 1);
        eventually(|| std::fs::read_to_string(&typed).unwrap_or_default().len() >= expected.len())
            .await;
        assert_eq!(std::fs::read_to_string(&typed).unwrap(), expected, "{reason:?}");
    }
    rig.untouched();
}

#[tokio::test]
async fn a_pane_that_is_not_there_is_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(dir.path()) else { return skipped() };
    let mut rig = Rig::new(|_| pane(&server.socket, "other:0", "go"));
    rig.start(1, "", false);
    assert!(matches!(rig.ended().await, Err(AdapterError::Failed { .. })));
    let mut rig = Rig::new(|_| pane("peer-nobody-serves-this", "agent:0", "go"));
    rig.start(1, "", false);
    assert!(matches!(rig.ended().await, Err(AdapterError::Failed { .. })));
}
