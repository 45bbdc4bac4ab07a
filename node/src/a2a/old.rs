//! A2A 0.3: the same in other words. Parts have a `kind`, states and roles are other names, and events say
//! what they are.

use serde_json::{Map, Value, json};

use super::types::{Event, Part};

/// Roles and states in both versions.
const WORDS: [(&str, &str); 11] = [
    ("ROLE_USER", "user"),
    ("ROLE_AGENT", "agent"),
    ("TASK_STATE_UNSPECIFIED", "unknown"),
    ("TASK_STATE_SUBMITTED", "submitted"),
    ("TASK_STATE_WORKING", "working"),
    ("TASK_STATE_COMPLETED", "completed"),
    ("TASK_STATE_FAILED", "failed"),
    ("TASK_STATE_CANCELED", "canceled"),
    ("TASK_STATE_INPUT_REQUIRED", "input-required"),
    ("TASK_STATE_REJECTED", "rejected"),
    ("TASK_STATE_AUTH_REQUIRED", "auth-required"),
];
/// Says in the metadata of a part that its data is no object.
const WRAPPED: &str = "data_part_compat";

/// An event of 1.0 in 0.3.
pub(super) fn event(event: &Event) -> Value {
    let tagged = |kind: &str, mut value: Value| {
        put(&mut value, "kind", json!(kind));
        downgrade(&mut value);
        value
    };
    match event {
        Event::Task(task) => tagged("task", json!(task)),
        Event::Message(message) => tagged("message", json!(message)),
        Event::StatusUpdate(update) => {
            let mut value = tagged("status-update", json!(update));
            put(&mut value, "final", json!(update.status.state.is_settled()));
            value
        }
        Event::ArtifactUpdate(update) => tagged("artifact-update", json!(update)),
    }
}

/// What a 0.3 agent says, in 1.0; none if it is none of these.
pub(super) fn to_event(mut value: Value) -> Option<Event> {
    let kind = value.get("kind")?.as_str()?.to_owned();
    upgrade(&mut value);
    match kind.as_str() {
        "task" => serde_json::from_value(value).ok().map(Event::Task),
        "message" => serde_json::from_value(value).ok().map(Event::Message),
        "status-update" => serde_json::from_value(value).ok().map(Event::StatusUpdate),
        "artifact-update" => serde_json::from_value(value).ok().map(Event::ArtifactUpdate),
        _ => None,
    }
}

/// From 1.0 to 0.3, wherever there are messages, parts and states. What users and agents bring along, in
/// `data` and `metadata`, stays as it is.
fn downgrade(value: &mut Value) {
    walk(value, &mut |name, value| match name {
        "role" | "state" => translate(value, |(new, old)| (new, old)),
        "parts" => each(value, part_down),
        "message" | "history" => {
            let tag = |value: &mut Value| put(value, "kind", json!("message"));
            if value.is_array() { each(value, tag) } else { tag(value) }
        }
        _ => {}
    });
}

/// A message from 1.0 to 0.3.
pub(super) fn downgrade_message(value: &mut Value) {
    put(value, "kind", json!("message"));
    downgrade(value);
}

/// From 0.3 to 1.0.
pub(super) fn upgrade(value: &mut Value) {
    walk(value, &mut |name, value| match name {
        "role" | "state" => translate(value, |(new, old)| (old, new)),
        "parts" => each(value, part_up),
        _ => {}
    });
}

/// Calls `change` for all members but those inside of parts and metadata.
fn walk(value: &mut Value, change: &mut impl FnMut(&str, &mut Value)) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if !matches!(name.as_str(), "metadata" | "parts") {
                    walk(value, change);
                }
                change(name, value);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn each(value: &mut Value, change: impl FnMut(&mut Value)) {
    if let Value::Array(items) = value {
        items.iter_mut().for_each(change);
    }
}

fn put(value: &mut Value, name: &str, what: Value) {
    if let Value::Object(members) = value {
        members.insert(name.to_owned(), what);
    }
}

type Pair = (&'static str, &'static str);

fn translate(value: &mut Value, order: fn(Pair) -> Pair) {
    let found = value.as_str().and_then(|word| {
        WORDS.into_iter().map(order).find_map(|(from, to)| (from == word).then_some(to))
    });
    if let Some(to) = found {
        *value = json!(to);
    }
}

fn part_down(value: &mut Value) {
    let Value::Object(members) = value else { return };
    let part = Part(std::mem::take(members));
    let mut metadata = part.0.get("metadata").and_then(Value::as_object).cloned();
    let mut old = Map::new();
    if let Some(text) = part.0.get("text") {
        old.extend([("kind".to_owned(), json!("text")), ("text".to_owned(), text.clone())]);
    } else if let Some(data) = part.0.get("data") {
        let data = if data.is_object() {
            data.clone()
        } else {
            metadata.get_or_insert_default().insert(WRAPPED.to_owned(), json!(true));
            json!({ "value": data })
        };
        old.extend([("kind".to_owned(), json!("data")), ("data".to_owned(), data)]);
    } else {
        let mut file = Map::new();
        for (new, name) in
            [("raw", "bytes"), ("url", "uri"), ("mediaType", "mimeType"), ("filename", "name")]
        {
            if let Some(value) = part.0.get(new) {
                file.insert(name.to_owned(), value.clone());
            }
        }
        old.extend([("kind".to_owned(), json!("file")), ("file".to_owned(), Value::Object(file))]);
    }
    if let Some(metadata) = metadata {
        old.insert("metadata".to_owned(), Value::Object(metadata));
    }
    *value = Value::Object(old);
}

fn part_up(value: &mut Value) {
    let Value::Object(members) = value else { return };
    let mut new = Map::new();
    let mut metadata = members.remove("metadata");
    match members.get("kind").and_then(Value::as_str) {
        Some("text") => {
            new.extend(members.remove("text").map(|text| ("text".to_owned(), text)));
        }
        Some("data") => {
            let wrapped = metadata.as_mut().and_then(Value::as_object_mut);
            let wrapped = wrapped.and_then(|metadata| metadata.remove(WRAPPED));
            let mut data = members.remove("data");
            if wrapped == Some(json!(true)) {
                data = data.and_then(|mut data| data.get_mut("value").map(Value::take));
            }
            new.extend(data.map(|data| ("data".to_owned(), data)));
        }
        Some("file") => {
            for (old, name) in
                [("bytes", "raw"), ("uri", "url"), ("mimeType", "mediaType"), ("name", "filename")]
            {
                if let Some(value) = members.get("file").and_then(|file| file.get(old)) {
                    new.insert(name.to_owned(), value.clone());
                }
            }
        }
        // It is refused as a part that holds nothing.
        _ => {}
    }
    let empty = |metadata: &Value| metadata.as_object().is_some_and(Map::is_empty);
    if let Some(metadata) = metadata.filter(|metadata| !metadata.is_null() && !empty(metadata)) {
        new.insert("metadata".to_owned(), metadata);
    }
    *value = Value::Object(new);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_say_the_same() {
        let new = json!({
            "id": "t", "contextId": "c",
            "status": {"state": "TASK_STATE_INPUT_REQUIRED", "message": {
                "messageId": "m", "role": "ROLE_AGENT", "parts": [{"text": "which?"}]}},
            "artifacts": [{"artifactId": "a", "parts": [
                {"data": {"state": "TASK_STATE_WORKING", "parts": [1]}, "metadata": {"role": "ROLE_USER"}},
                {"data": [1, 2]}, {"raw": "AAEC", "filename": "x", "mediaType": "image/png"},
                {"url": "https://example.org"}]}],
            "history": [{"messageId": "u", "role": "ROLE_USER", "parts": [{"text": "role"}]}],
        });
        let old = json!({
            "kind": "task", "id": "t", "contextId": "c",
            "status": {"state": "input-required", "message": {
                "kind": "message", "messageId": "m", "role": "agent",
                "parts": [{"kind": "text", "text": "which?"}]}},
            "artifacts": [{"artifactId": "a", "parts": [
                {"kind": "data", "data": {"state": "TASK_STATE_WORKING", "parts": [1]},
                 "metadata": {"role": "ROLE_USER"}},
                {"kind": "data", "data": {"value": [1, 2]}, "metadata": {"data_part_compat": true}},
                {"kind": "file", "file": {"bytes": "AAEC", "name": "x", "mimeType": "image/png"}},
                {"kind": "file", "file": {"uri": "https://example.org"}}]}],
            "history": [{"kind": "message", "messageId": "u", "role": "user",
                "parts": [{"kind": "text", "text": "role"}]}],
        });
        let task = Event::Task(serde_json::from_value(new).unwrap());
        assert_eq!(event(&task), old);
        assert_eq!(to_event(old), Some(task));
    }

    #[test]
    fn what_is_no_event_is_none() {
        for value in [json!({}), json!({"kind": "x"}), json!({"kind": "task"}), json!([]), json!(1)]
        {
            assert_eq!(to_event(value), None);
        }
    }
}
