//! A2A messages as contents of peer messages and back. What is one plain text stays one, so that any agent
//! can read and answer it; all else goes as [`MEDIA_TYPE`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::fault::{Fault, FaultKind};
use super::types::{Artifact, Event, Message, Part, Role, State, Task};
use crate::model::Content;

/// A message or a task of A2A 1.0 as JSON.
pub(super) const MEDIA_TYPE: &str = "application/a2a+json";
/// Says that whoever asks takes [`Updates`] before the answer.
const WANTS_UPDATES: &str = "updates=a2a";
/// [`Updates`] in a status report.
pub(super) const UPDATES: &str = "application/a2a-updates+json";
/// [`Cancel`] in a status report.
pub(super) const CANCEL: &str = "application/a2a-cancel+json";

/// What happened to a task before its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Updates {
    /// The peer message that asked.
    pub(super) task: String,
    pub(super) events: Vec<Event>,
}

/// A task is to be given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cancel {
    /// The peer message that asked.
    pub(super) task: String,
}

/// JSON under a media type.
pub(super) fn json<T: Serialize>(media_type: &str, value: &T) -> Result<Content, Fault> {
    let text = serde_json::to_string(value)
        .map_err(|error| Fault::new(FaultKind::Internal, error.to_string()))?;
    let content_type = Some(media_type.to_owned());
    Ok(Content { text: Some(text), content_type, ..Content::default() })
}

/// Whether a content is of this media type, whatever its parameters.
pub(super) fn is(content: &Content, media_type: &str) -> bool {
    let base = content.media_type().split(';').next().unwrap_or_default();
    base.trim().eq_ignore_ascii_case(media_type)
}

/// Whether whoever asks takes updates.
pub(super) fn wants_updates(content: &Content) -> bool {
    content.media_type().split(';').skip(1).any(|parameter| parameter.trim() == WANTS_UPDATES)
}

/// The content of a task for a peer. `remote` is what its agent calls the task that goes on.
pub(super) fn of_message(message: &Message, remote: Option<String>) -> Result<Content, Fault> {
    if let ([part], None, None) = (message.parts.as_slice(), &message.metadata, &remote)
        && let Some(text) = part.only_text()
        && message.extensions.is_empty()
        && message.reference_task_ids.is_empty()
    {
        let content_type = Some(format!("text/plain;{WANTS_UPDATES}"));
        return Ok(Content { text: Some(text.to_owned()), content_type, ..Content::default() });
    }
    // Contexts are named by the conversation, and tasks as their agent calls them.
    let message = Message { context_id: None, task_id: remote, ..message.clone() };
    json(&format!("{MEDIA_TYPE};{WANTS_UPDATES}"), &Event::Message(Box::new(message)))
}

/// The message that a peer's task is, under the id of that.
pub(super) fn to_message(content: &Content, id: &str) -> Result<Message, String> {
    if !is(content, MEDIA_TYPE) {
        let mut message = Message::of_agent(id.to_owned(), vec![to_part(content)]);
        message.role = Role::User;
        return Ok(message);
    }
    let event = parse(content)?;
    let Event::Message(message) = event else {
        return Err(format!("a task as {MEDIA_TYPE} is no message"));
    };
    if message.parts.is_empty() || !message.parts.iter().all(Part::is_valid) {
        return Err("a message without parts, or with one that is none".to_owned());
    }
    // Ids that others chose are not this one's.
    Ok(Message { message_id: id.to_owned(), context_id: None, role: Role::User, ..*message })
}

/// What a peer's answer to the task `id` says.
pub(super) fn of_answer(content: &Content, done: bool, id: &str) -> Event {
    if is(content, MEDIA_TYPE) {
        match parse(content) {
            Ok(Event::Task(task)) => return Event::Task(task),
            Ok(Event::Message(message)) if done => return Event::Message(message),
            // It is shown as it is.
            Ok(_) | Err(_) => {}
        }
    }
    let mut task = Task { id: id.to_owned(), ..Task::default() };
    let part = to_part(content);
    if done {
        task.status.state = State::Completed;
        task.artifacts.push(Artifact {
            artifact_id: "answer".to_owned(),
            name: None,
            description: None,
            parts: vec![part],
            metadata: None,
            extensions: Vec::new(),
        });
    } else {
        task.status.state = State::Failed;
        task.status.message = Some(Message::of_agent(format!("{id}-failed"), vec![part]));
    }
    Event::Task(Box::new(task))
}

/// What an agent made of a task, for whoever asked; and whether it did it. All of it as A2A if they know
/// that, or if there is no simpler way to say it.
pub(super) fn of_task(mut task: Task, faithful: bool) -> Result<(Content, bool), Fault> {
    let done = task.status.state == State::Completed;
    if !faithful && let Some(simple) = simply(&task) {
        return Ok((simple, done));
    }
    // Whoever asked has what was said.
    task.history.clear();
    Ok((json(MEDIA_TYPE, &Event::Task(Box::new(task)))?, done))
}

/// Texts one after the other, or the only file.
fn simply(task: &Task) -> Option<Content> {
    let said = task.status.message.iter().flat_map(|message| &message.parts);
    let made: Vec<_> = task.artifacts.iter().flat_map(|artifact| &artifact.parts).collect();
    let parts: Vec<&Part> = if made.is_empty() { said.collect() } else { made };
    if let [part] = parts.as_slice()
        && let Some(raw) = part.str("raw")
    {
        let bytes = STANDARD.decode(raw).ok()?;
        let content = Content::compact(bytes);
        let content_type = part.str("mediaType").map(str::to_owned).or(content.content_type);
        return Some(Content { content_type, ..content });
    }
    let texts: Option<Vec<&str>> = parts.iter().map(|part| part.only_text()).collect();
    let text = texts?.join("\n");
    let text = if text.is_empty() && task.status.state != State::Completed {
        format!("the agent left the task as {:?}", task.status.state).to_lowercase()
    } else {
        text
    };
    Some(Content { text: Some(text), ..Content::default() })
}

/// What this node says of a task in the agent's place.
pub(super) fn said(id: &str, text: &str) -> Message {
    Message::of_agent(format!("{id}-node"), vec![Part::text(text)])
}

/// A content that is no A2A as the part that it would be.
fn to_part(content: &Content) -> Part {
    let media_type = content.content_type.as_deref().and_then(|it| it.split(';').next());
    let mut part = match &content.text {
        Some(text) => {
            let mut part = Part::text(text);
            part.set("mediaType", media_type.filter(|it| *it != "text/plain"));
            part
        }
        None => {
            let mut part = Part::default();
            part.set("raw", Some(content.base64.as_deref().unwrap_or_default()));
            part.set("mediaType", Some(media_type.unwrap_or("application/octet-stream")));
            part
        }
    };
    part.set("filename", content.name.as_deref());
    part
}

fn parse(content: &Content) -> Result<Event, String> {
    let bytes = content.to_bytes().map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| format!("{MEDIA_TYPE}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, from_value, json};

    fn message(parts: &Value) -> Message {
        let message =
            json!({"messageId": "m", "contextId": "c", "role": "ROLE_USER", "parts": parts});
        from_value(message).unwrap()
    }

    #[test]
    fn one_plain_text_stays_one() {
        let content = of_message(&message(&json!([{"text": "hello"}])), None).unwrap();
        assert_eq!(content.text.as_deref(), Some("hello"));
        assert!(wants_updates(&content) && !is(&content, MEDIA_TYPE));
        let back = to_message(&content, "id").unwrap();
        assert_eq!((back.message_id.as_str(), back.role), ("id", Role::User));
        assert_eq!(back.parts, [Part::text("hello")]);
    }

    #[test]
    fn all_else_is_carried_as_it_is() {
        let parts = json!([
            {"text": "look"}, {"data": {"a": [1, 2.5, null]}, "metadata": {"k": "v"}}, {"data": null},
            {"raw": "AAEC", "filename": "x.bin", "mediaType": "image/png"}, {"url": "https://example.org/x"}
        ]);
        for (parts, remote) in [
            (parts, None),
            (json!([{"text": "a", "mediaType": "text/markdown"}]), None),
            (json!([{"text": "yes"}]), Some("agent-7".to_owned())),
        ] {
            let content = of_message(&message(&parts), remote.clone()).unwrap();
            assert!(is(&content, MEDIA_TYPE) && wants_updates(&content));
            let back = to_message(&content, "id").unwrap();
            assert_eq!(json!(back.parts), parts);
            assert_eq!((back.task_id, back.context_id), (remote, None));
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for text in [
            "",
            "{}",
            "{\"task\": {\"id\": \"t\"}}",
            "{\"message\": {\"messageId\": \"m\", \"role\": \"ROLE_USER\"}}",
        ] {
            let content_type = Some(MEDIA_TYPE.to_owned());
            let content =
                Content { text: Some(text.to_owned()), content_type, ..Content::default() };
            to_message(&content, "id").unwrap_err();
        }
        assert!(!from_value::<Part>(json!({"text": "a", "url": "b"})).unwrap().is_valid());
        assert!(!from_value::<Part>(json!({"text": 1})).unwrap().is_valid());
        assert!(!from_value::<Part>(json!({"filename": "b"})).unwrap().is_valid());
    }

    #[test]
    fn answers_of_any_agent_end_a_task() {
        let text = Content { text: Some("HELLO".to_owned()), ..Content::default() };
        let mut task = Task { id: "t".to_owned(), ..Task::default() };
        task.apply(of_answer(&text, true, "t"));
        assert_eq!(task.status.state, State::Completed);
        assert_eq!(task.artifacts[0].parts, [Part::text("HELLO")]);

        let mut task = Task { id: "t".to_owned(), ..Task::default() };
        task.apply(of_answer(&text, false, "t"));
        assert_eq!(task.status.state, State::Failed);
        let said = task.status.message.clone().unwrap();
        assert_eq!((said.parts, said.task_id.as_deref()), (vec![Part::text("HELLO")], Some("t")));
        task.apply(of_answer(&text, true, "t"));
        assert_eq!(task.status.state, State::Failed, "what ended has ended");

        let bytes = Content { base64: Some("AAEC".to_owned()), ..Content::default() };
        let Event::Task(task) = of_answer(&bytes, true, "t") else { panic!() };
        let part = json!({"raw": "AAEC", "mediaType": "application/octet-stream"});
        assert_eq!(json!(task.artifacts[0].parts), json!([part]));
    }

    #[test]
    fn whoever_knows_no_a2a_gets_plain_contents_where_that_can_be() {
        let made = |parts: Value| -> Task {
            from_value(json!({"id": "t", "status": {"state": "TASK_STATE_COMPLETED"},
                "artifacts": [{"artifactId": "a", "parts": parts}]}))
            .unwrap()
        };
        let (content, done) = of_task(made(json!([{"text": "a"}, {"text": "b"}])), false).unwrap();
        assert_eq!((content.text.as_deref(), done), (Some("a\nb"), true));
        let file = made(json!([{"raw": "AAH/", "mediaType": "image/png"}]));
        let (content, _) = of_task(file, false).unwrap();
        assert_eq!(content.to_bytes().unwrap(), [0, 1, 255]);
        assert_eq!(content.content_type.as_deref(), Some("image/png"));
        for (parts, faithful) in
            [(json!([{"text": "a"}]), true), (json!([{"data": {"a": 1}}]), false)]
        {
            let (content, _) = of_task(made(parts), faithful).unwrap();
            assert!(is(&content, MEDIA_TYPE));
        }
    }
}
