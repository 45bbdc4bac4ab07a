//! What messages of this node are called in version 1.0, and the other way round
//! (`docs/PROTOCOL.md` §13).

use std::borrow::Cow;

use peer_behaviours::legacy::Outgoing;
use peer_protocol::error::ErrorCode;
use peer_protocol::id::MessageId;
use peer_protocol::legacy::{MAX_MESSAGE_LEN, Object, Value, canonical};
use peer_protocol::message::{
    AgentLife, Body, ErrorReport, Heartbeat, HeartbeatAck, Message, StatusReport, Task,
    TaskOutcome, TaskResult, WakeOutcome, WakeUp, WakeUpAck,
};

use crate::error::NodeError;

/// Bytes that a message has around its payload, at most.
const AROUND: usize = 2048;

/// Says a message in the words of version 1.0. `reply_to` is what the peer calls the message that
/// this one answers.
///
/// # Errors
/// [`NodeError`] if version 1.0 has no words for it, or not enough room.
pub(super) fn outgoing(message: &Message, reply_to: Option<&str>) -> Result<Outgoing, NodeError> {
    let body =
        message.decode().map_err(|error| NodeError::Invalid { detail: error.to_string() })?;
    let id = Value::from(message.id.to_string());
    let reply_to = reply_to.map_or(Value::Null, Value::from);
    let (msg_type, members) = match body {
        Body::Task(task) => {
            let mut members = vec![
                ("message", text(&task.content)?),
                ("msg_type", "direct_message".into()),
                ("session_id", optional(task.conversation)),
                ("message_id", id),
            ];
            members.extend(task.name.map(|name| ("name", name.into())));
            ("task_delegate", members)
        }
        Body::TaskResult(result) => {
            let done = result.outcome == TaskOutcome::Done;
            let status = if done { "done" } else { "failed" };
            let message = text(&result.content)?;
            let members =
                vec![("message", message), ("in_reply_to", reply_to), ("status", status.into())];
            ("task_result", members)
        }
        Body::StatusReport(report) => {
            let mut metadata = Object::new();
            if !report.content.is_empty() {
                metadata.insert("content".to_owned(), text(&report.content)?);
            }
            let members = vec![
                ("status", report.status.into()),
                ("next_action", optional(report.next_action)),
                ("session_id", Value::Null),
                ("metadata", Value::Object(metadata)),
                ("report_type", "progress".into()),
            ];
            ("status_report", members)
        }
        Body::WakeUp(wake) => {
            let members = vec![
                ("action", "wake_up".into()),
                ("request", "continue_tasks".into()),
                ("reason", wake.reason.into()),
                ("message_id", id),
            ];
            ("wake_up", members)
        }
        Body::WakeUpAck(ack) => {
            let status = ack.outcome.plain().as_str();
            let members = vec![
                ("status", status.into()),
                ("detail", ack.detail.into()),
                ("in_reply_to", reply_to),
            ];
            ("wake_up_ack", members)
        }
        Body::Heartbeat(_) => ("heartbeat", vec![("message_id", id)]),
        Body::HeartbeatAck(ack) => {
            let agent = ack.agent.plain().as_str();
            let idle = ack.agent_idle_ms.map_or(Value::Null, number);
            let members = vec![
                ("status", "alive".into()),
                ("agent", agent.into()),
                ("uptime_ms", number(ack.uptime_ms)),
                ("agent_idle_ms", idle),
                ("in_reply_to", reply_to),
            ];
            ("heartbeat_ack", members)
        }
        Body::CapabilityQuery(_)
        | Body::CapabilityResponse(_)
        | Body::Discovery(_)
        | Body::DiscoveryResponse(_)
        | Body::Chunk(_)
        | Body::ChunkAck(_)
        | Body::Mailbox(_)
        | Body::MailboxResult(_)
        | Body::Receipt(_)
        | Body::Error(_)
        | Body::SessionClose(_) => {
            let detail = format!("version 1.0, which the peer speaks, has no {}", message.kind);
            return Err(NodeError::Invalid { detail });
        }
    };
    let payload = members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let payload = fitting(payload)?;
    Ok(Outgoing { id: message.id, msg_type: msg_type.to_owned(), payload })
}

/// A message of a version 1.0 peer in this node's terms.
pub(crate) struct Incoming<'p> {
    pub(crate) body: Body<'p>,
    /// What the peer calls the message.
    pub(crate) id: Option<&'p str>,
    /// What it answers, in this node's or whatever words.
    pub(crate) in_reply_to: Option<&'p str>,
}

/// Reads a message of a version 1.0 peer.
///
/// # Errors
/// What the peer is told.
pub(crate) fn incoming<'p>(
    msg_type: &str,
    payload: &'p Object,
) -> Result<Incoming<'p>, ErrorReport> {
    let string = |field: &str| payload.get(field).and_then(Value::as_str);
    let owned = |field: &str| string(field).map(str::to_owned);
    let content = || -> Result<Cow<'p, [u8]>, ErrorReport> {
        match payload.get("message") {
            None | Some(Value::Null) => Err(malformed(msg_type, "message")),
            Some(Value::String(text)) => Ok(Cow::Borrowed(text.as_bytes())),
            // Some peers put structure where others put text.
            Some(value) => Ok(Cow::Owned(canonical(value).into_bytes())),
        }
    };
    let body = match msg_type {
        "task_delegate" => Body::Task(Task {
            name: owned("name"),
            content: content()?,
            transfer: None,
            content_type: "text/plain".to_owned(),
            conversation: owned("session_id"),
        }),
        "task_result" => Body::TaskResult(TaskResult {
            content: content()?,
            outcome: match string("status") {
                Some("failed") => TaskOutcome::Failed,
                _ => TaskOutcome::Done,
            },
            transfer: None,
            content_type: "text/plain".to_owned(),
        }),
        "status_report" => Body::StatusReport(StatusReport {
            status: owned("status").ok_or_else(|| malformed(msg_type, "status"))?,
            content: metadata(payload),
            transfer: None,
            next_action: owned("next_action"),
            content_type: "text/plain".to_owned(),
        }),
        "wake_up" => {
            Body::WakeUp(WakeUp { reason: owned("reason").unwrap_or_default(), attempt: 1 })
        }
        "wake_up_ack" => Body::WakeUpAck(WakeUpAck {
            detail: owned("detail").unwrap_or_default(),
            outcome: match string("status") {
                Some("no_agent") => WakeOutcome::NoAgent,
                Some("refused") => WakeOutcome::Refused,
                _ => WakeOutcome::HandedToAgent,
            },
        }),
        "heartbeat" => Body::Heartbeat(Heartbeat {}),
        "heartbeat_ack" => Body::HeartbeatAck(HeartbeatAck {
            agent: match string("agent") {
                Some("attached") => AgentLife::Attached,
                _ => AgentLife::Absent,
            },
            uptime_ms: integer(payload, "uptime_ms").unwrap_or_default(),
            agent_idle_ms: integer(payload, "agent_idle_ms"),
        }),
        _ => {
            let detail = format!("no message of type {msg_type} is known here");
            return Err(ErrorReport::new(ErrorCode::InvalidVersion, detail));
        }
    };
    Ok(Incoming { body, id: string("message_id"), in_reply_to: string("in_reply_to") })
}

/// The message that a version 1.0 message stands for.
///
/// # Errors
/// What the peer is told.
pub(super) fn message(
    body: &Body<'_>,
    id: MessageId,
    in_reply_to: Option<MessageId>,
) -> Result<Message, ErrorReport> {
    let bytes = body
        .encode()
        .map_err(|error| ErrorReport::new(ErrorCode::from(&error), error.to_string()))?;
    Ok(Message { id, kind: body.kind(), in_reply_to, order: None, body: bytes.into() })
}

/// What goes with a report: the content that this node puts there, or the whole metadata.
fn metadata(payload: &Object) -> Cow<'_, [u8]> {
    match payload.get("metadata") {
        Some(Value::Object(metadata)) if metadata.is_empty() => Cow::Borrowed(&[]),
        Some(Value::Object(metadata)) => match metadata.get("content") {
            Some(Value::String(text)) if metadata.len() == 1 => Cow::Borrowed(text.as_bytes()),
            _ => Cow::Owned(canonical(&Value::Object(metadata.clone())).into_bytes()),
        },
        _ => Cow::Borrowed(&[]),
    }
}

fn malformed(msg_type: &str, field: &str) -> ErrorReport {
    let detail = format!("the payload of a {msg_type} has no {field}");
    ErrorReport::new(ErrorCode::InvalidVersion, detail)
}

fn text(content: &[u8]) -> Result<Value, NodeError> {
    match std::str::from_utf8(content) {
        Ok(text) if text.len() > MAX_MESSAGE_LEN => Err(too_large(text.len())),
        Ok(text) => Ok(text.into()),
        Err(_) => Err(NodeError::Invalid {
            detail: "the peer speaks version 1.0, which carries text only, and this is not UTF-8"
                .to_owned(),
        }),
    }
}

fn fitting(payload: Object) -> Result<Object, NodeError> {
    let payload = Value::Object(payload);
    let len = canonical(&payload).len() + AROUND;
    match payload {
        Value::Object(payload) if len <= MAX_MESSAGE_LEN => Ok(payload),
        _ => Err(too_large(len)),
    }
}

fn too_large(len: usize) -> NodeError {
    let detail = format!(
        "a message to a version 1.0 peer has at most {MAX_MESSAGE_LEN} bytes of JSON, and this one \
         would have {len}; a character outside ASCII takes 6 or 12"
    );
    NodeError::TooLarge { detail }
}

fn optional(text: Option<String>) -> Value {
    text.map_or(Value::Null, Value::from)
}

fn number(value: u64) -> Value {
    Value::Number(value.into())
}

fn integer(payload: &Object, field: &str) -> Option<u64> {
    match payload.get(field) {
        Some(Value::Number(number)) => number.as_u64(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
