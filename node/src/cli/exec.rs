//! A program as an agent: `peer listen --exec`.
//!
//! The program gets the message on standard input and everything else in environment variables. No
//! part of a message ever becomes shell syntax.

use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use peer_protocol::limits::MAX_LONG_CONTENT_LEN;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::content::compact;
use crate::model::{Content, Incoming};
use crate::process::{Group, read_tail};

/// How much of standard error goes into the answer when the program fails, in bytes.
const TAIL_LEN: usize = 4096;
/// How long output may still come once the program has ended; a process that it left behind may
/// hold the pipe forever.
const LINGER: Duration = Duration::from_millis(500);

/// A shell command that is run for each message.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) command: String,
    pub(super) timeout: Duration,
    pub(super) data_dir: PathBuf,
}

/// What came of it: an answer, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ran {
    pub(super) done: bool,
    pub(super) content: Content,
}

impl Ran {
    fn failed(why: &str) -> Self {
        Self { done: false, content: compact(why.as_bytes()) }
    }
}

impl Program {
    /// Runs the program for `message`. It is killed if this is dropped.
    pub(super) async fn run(&self, message: &Incoming) -> Ran {
        let Ok(content) = message.content.to_bytes() else {
            return Ran::failed("the content of the message is broken");
        };
        match self.spawn(message) {
            Ok(child) => self.attend(child, &content).await,
            Err(error) => Ran::failed(&format!("the program could not be started: {error}")),
        }
    }

    fn spawn(&self, message: &Incoming) -> io::Result<Child> {
        let mut command = Command::new("sh");
        command.arg("-c").arg(&self.command).env("PEER_DATA_DIR", &self.data_dir);
        for (name, value) in environment(message) {
            match value {
                // The operating system ends a variable at its first zero byte.
                Some(value) => command.env(name, value.replace('\0', "\u{fffd}")),
                None => command.env_remove(name),
            };
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }

    async fn attend(&self, mut child: Child, content: &[u8]) -> Ran {
        let mut group = Group::of(&child);
        let (input, output, errors) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (mut answer, mut tail) = (Vec::new(), Vec::new());
        let work = async {
            let feeding = async {
                if let Some(mut input) = input {
                    // A program that does not read its input is free to.
                    let _ = input.write_all(content).await;
                }
            };
            let streaming = async {
                tokio::join!(
                    feeding,
                    read_answer(output, &mut answer, &group),
                    read_tail::<TAIL_LEN>(errors, &mut tail)
                )
            };
            tokio::pin!(streaming);
            tokio::select! {
                status = child.wait() => {
                    let _ = tokio::time::timeout(LINGER, &mut streaming).await;
                    status
                }
                _ = &mut streaming => child.wait().await,
            }
        };
        let ended = tokio::time::timeout(self.timeout, work).await;
        let Ok(status) = ended else {
            group.kill();
            return Ran::failed(&format!(
                "the program was stopped after {}",
                crate::config::format_duration(self.timeout)
            ));
        };
        group.let_go();
        judge(status, &answer, &tail)
    }
}

fn judge(status: io::Result<ExitStatus>, answer: &[u8], tail: &[u8]) -> Ran {
    if answer.len() > MAX_LONG_CONTENT_LEN {
        return Ran::failed(&format!(
            "the program was stopped: its answer has more than {MAX_LONG_CONTENT_LEN} bytes (64 MiB)"
        ));
    }
    match status {
        Ok(status) if status.success() => Ran { done: true, content: compact(answer) },
        Ok(status) => {
            let said = String::from_utf8_lossy(tail);
            Ran::failed(format!("the program failed ({status})\n{said}").trim_end())
        }
        Err(error) => Ran::failed(&format!("the program was lost: {error}")),
    }
}

/// What the program learns about `message`; `None` is unset, whatever it is outside.
fn environment(message: &Incoming) -> [(&'static str, Option<String>); 19] {
    let file = message.file.as_ref();
    [
        ("PEER_MESSAGE_ID", Some(message.message_id.clone())),
        ("PEER_KIND", Some(message.kind.as_str().to_owned())),
        ("PEER_FROM", Some(message.from.to_string())),
        ("PEER_FROM_PEER_ID", Some(message.from_peer_id.clone())),
        ("PEER_TRUST", message.trust.map(|trust| super::trust::level(trust).to_owned())),
        ("PEER_ENCRYPTED", Some(message.encrypted.to_string())),
        ("PEER_RECEIVED_AT", Some(message.received_at.as_millis().to_string())),
        ("PEER_CONTENT_TYPE", Some(message.content.media_type().to_owned())),
        ("PEER_NAME", message.content.name.clone()),
        ("PEER_STATUS", message.status.clone()),
        ("PEER_NEXT_ACTION", message.next_action.clone()),
        ("PEER_CONVERSATION", message.conversation.clone()),
        ("PEER_INBOX_NUMBER", message.inbox_number.map(|number| number.to_string())),
        ("PEER_IN_REPLY_TO", message.in_reply_to.clone()),
        ("PEER_DONE", message.done.map(|done| done.to_string())),
        ("PEER_FILE", file.map(|file| file.path.clone())),
        ("PEER_FILE_SIZE", file.map(|file| file.size.to_string())),
        ("PEER_FILE_DIGEST", file.map(|file| file.digest.clone())),
        ("PEER_WAKE_NONCE", message.wake_nonce.clone()),
    ]
}

/// Reads at most one byte more than an answer may have; a program that writes more is killed.
async fn read_answer(output: Option<impl AsyncRead + Unpin>, answer: &mut Vec<u8>, group: &Group) {
    if let Some(output) = output {
        // What was read before an error still counts.
        let _ = output.take(MAX_LONG_CONTENT_LEN as u64 + 1).read_to_end(answer).await;
        if answer.len() > MAX_LONG_CONTENT_LEN {
            group.kill();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use nix::sys::signal::Signal;
    use nix::unistd::Pid;

    use super::*;
    use crate::api::fake::task;

    fn program(command: &str) -> Program {
        Program {
            command: command.to_owned(),
            timeout: Duration::from_secs(20),
            data_dir: "/data".into(),
        }
    }

    fn said(ran: &Ran) -> String {
        String::from_utf8(ran.content.to_bytes().unwrap()).unwrap()
    }

    #[tokio::test]
    async fn content_is_input_and_output_is_the_answer() {
        let ran = program("tr a-z A-Z").run(&task("task-1", "hello\n")).await;
        assert_eq!((ran.done, said(&ran).as_str()), (true, "HELLO\n"));
    }

    #[tokio::test]
    async fn nothing_in_a_message_is_shell_syntax() {
        let dir = tempfile::tempdir().unwrap();
        let evil = format!("$(touch {0}/a) `touch {0}/b`; touch {0}/c\0\n", dir.path().display());
        let mut message = task(&evil, &evil);
        message.status = Some(evil.clone());
        message.conversation = Some(evil.clone());
        let script = r#"cat >&2; printf '%s|%s|%s|%s|%s' "$PEER_STATUS" "$PEER_FROM" "$PEER_KIND" "$PEER_TRUST" "${PEER_NAME-unset}""#;
        let ran = program(script).run(&message).await;
        let status = evil.replace('\0', "\u{fffd}");
        assert_eq!(said(&ran), format!("{status}|entity_b|task|seen|unset"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_failure_says_why() {
        let ran = program("echo ignored; echo broken >&2; exit 3").run(&task("task-1", "x")).await;
        assert!(!ran.done);
        assert_eq!(said(&ran), "the program failed (exit status: 3)\nbroken");
        let noisy = "i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done; exit 1";
        let ran = program(noisy).run(&task("task-1", "x")).await;
        assert!(said(&ran).len() < 5000 && said(&ran).ends_with("line 2999"));
    }

    #[tokio::test]
    async fn large_input_and_output_at_once_do_not_lock_up() {
        let mut message = task("task-1", "");
        message.content = Content::from_bytes(&vec![0xee; MAX_LONG_CONTENT_LEN]);
        let ran = program("cat").run(&message).await;
        assert_eq!(ran.content.to_bytes().unwrap().len(), MAX_LONG_CONTENT_LEN);
        let ran = program("exit 0").run(&message).await;
        assert_eq!((ran.done, said(&ran).as_str()), (true, ""));
    }

    #[tokio::test]
    async fn too_much_output_is_stopped() {
        // One that does not mind that nobody reads its output.
        let stubborn = "trap '' PIPE; yes 2>/dev/null; sleep 60";
        let ran = program(stubborn).run(&task("task-1", "x")).await;
        assert!(!ran.done);
        assert!(said(&ran).contains("67108864"), "{}", said(&ran));
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_stopped_with_all_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("late");
        let script = format!("(sleep 1; touch {}) & sleep 60", mark.display());
        let mut program = program(&script);
        program.timeout = Duration::from_millis(200);
        let ran = program.run(&task("task-1", "x")).await;
        assert_eq!(said(&ran), "the program was stopped after 200ms");
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert!(!mark.exists());
    }

    #[tokio::test]
    async fn what_a_program_leaves_behind_does_not_hold_its_answer_up() {
        let begun = Instant::now();
        let ran = program("sleep 30 & echo $!").run(&task("task-1", "x")).await;
        assert!(begun.elapsed() < Duration::from_secs(10));
        assert!(ran.done);
        let left: i32 = said(&ran).trim().parse().unwrap();
        nix::sys::signal::kill(Pid::from_raw(left), Signal::SIGKILL).unwrap();
    }
}
