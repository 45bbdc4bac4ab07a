//! Everything that one node tells another, checked at both ends.

use std::path::{Path, PathBuf};
use std::time::Duration;

use peer_tests::processes::{Agent, CommandFailed, Node, eventually};
use serde::Serialize;
use serde_json::Value;

/// How much of a real file travels: most of what one message may hold.
const FILE_LEN: usize = 512 << 10;

/// A real binary file to send.
pub(crate) struct Sample {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Sample {
    /// The head of the `peer` program itself.
    pub(crate) fn write(root: &Path) -> Result<Self, String> {
        let program = peer_tests::processes::program();
        let mut bytes = std::fs::read(&program).map_err(|error| error.to_string())?;
        bytes.truncate(FILE_LEN);
        let path = root.join("sample.bin");
        std::fs::write(&path, &bytes).map_err(|error| error.to_string())?;
        Ok(Self { path, bytes })
    }
}

/// What came of one pair.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) handshake: String,
    pub(crate) session: String,
    pub(crate) suite: String,
    pub(crate) round_trip_us: Option<u64>,
    pub(crate) failures: Vec<String>,
}

/// Lets `from` tell `to` everything; `agent` is the one that answers there, with what it was told.
pub(crate) fn pair(from: &Node, to: &Node, agent: &Agent, sample: &Sample) -> Row {
    let session = from.session(to.entity()).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let mut row = Row {
        from: from.entity().to_owned(),
        to: to.entity().to_owned(),
        handshake: text(&session["handshake"]),
        session: text(&session["id"]),
        suite: text(&session["suite"]),
        round_trip_us: None,
        failures: Vec::new(),
    };
    let mut check = |what: &str, result: Result<bool, CommandFailed>| match result {
        Ok(true) => {}
        Ok(false) => row.failures.push(format!("{what}: arrived changed, or not at all")),
        Err(error) => row.failures.push(format!("{what}: {error}")),
    };

    let question = format!("from {} to {}: どうですか?", from.entity(), to.entity());
    let talk = from.run(&["talk", to.entity(), &question]);
    check("talk", talk.map(|answer| answer["content"]["text"] == question.as_str()));

    let file = format!("@{}", sample.path.display());
    let sent = from.run(&["talk", to.entity(), &file]);
    check("file", sent.map(|answer| decoded(&answer["content"]) == sample.bytes));

    let status = format!("{} reports", from.entity());
    let report = from.run(&["report", to.entity(), &status]);
    let arrived = |id: &Value| {
        eventually(Duration::from_secs(10), || {
            agent.heard().iter().any(|heard| {
                heard["message_id"] == *id
                    && heard["status"] == status.as_str()
                    && heard["encrypted"] == true
            })
        })
    };
    check("report", report.map(|report| arrived(&report["message_id"])));

    let wake = from.run(&["wake", to.entity()]);
    check("wake", wake.map(|wake| wake["woken"] == true));

    let alive = from.run(&["alive", to.entity()]);
    let round_trip = alive.as_ref().ok().and_then(|life| life["round_trip_us"].as_u64());
    check("alive", alive.map(|life| life["alive"] == true && life["agent"] == true));

    let restart = from.run(&["restart", to.entity()]);
    check("restart", restart.map(|restart| restart["ok"] == true));

    row.round_trip_us = round_trip;
    row
}

/// The bytes of a content, given as text or base64.
fn decoded(content: &Value) -> Vec<u8> {
    serde_json::from_value::<peer_node::model::Content>(content.clone())
        .ok()
        .and_then(|content| content.to_bytes().ok())
        .unwrap_or_default()
}
