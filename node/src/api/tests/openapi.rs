//! The description of the API, and whether it is true.

use std::collections::BTreeSet;

use super::*;

async fn document(rig: &Rig) -> Value {
    let (status, head, body) = raw(rig, "GET", "/openapi.json", b"").await;
    assert!(status == 200 && head.contains("content-type: application/json"), "{head}");
    serde_json::from_slice(&body).unwrap()
}

fn operations(document: &Value) -> impl Iterator<Item = (String, String, &Value)> {
    document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        let each =
            |(method, operation)| (String::clone(method).to_uppercase(), path.clone(), operation);
        item.as_object().unwrap().iter().map(each)
    })
}

#[tokio::test]
async fn every_request_is_described_and_no_other() {
    let rig = rig().await;
    let document = document(&rig).await;
    assert_eq!(document["openapi"], "3.1.0");
    let described: BTreeSet<_> =
        operations(&document).map(|(method, path, _)| format!("{method} {path}")).collect();

    // Routes come with their description; only `routes!` adds some.
    for source in [include_str!("../routes.rs"), include_str!("../app.rs")] {
        assert!(!source.contains(".route("), "a route without a description");
    }
    let listed: BTreeSet<_> = include_str!("../mod.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `")?.split('`').next())
        .map(str::to_owned)
        .collect();
    assert_eq!(described, listed, "described, and listed in the module's documentation");

    for (method, path, _) in operations(&document) {
        // Streams do not end, and after the last one nothing answers.
        if ["/v1/events", "/v1/messages", "/v1/shutdown"].contains(&path.as_str()) {
            continue;
        }
        let path = path.replace("{id}", "abcd");
        let (status, _, body) = raw(&rig, &method, &path, b"").await;
        let body = String::from_utf8(body).unwrap();
        let kind = "urn:peer:not_found";
        assert!(status != 405 && !body.contains(kind), "{method} {path}: {status} {body}");
        for other in ["PUT", "DELETE", "PATCH"] {
            assert_eq!(raw(&rig, other, &path, b"").await.0, 405, "{other} {path}");
        }
    }
}

#[tokio::test]
async fn every_request_says_how_it_fails_and_all_references_lead_somewhere() {
    let rig = rig().await;
    let document = document(&rig).await;
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id.to_owned()), "{id} is there twice");
        assert!(operation["summary"].is_string(), "{method} {path}");
        for status in ["401", "403", "413", "421", "default"] {
            let content = &operation["responses"][status]["content"];
            let schema = &content["application/problem+json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/Problem", "{method} {path} {status}");
        }
        let keyed = operation.to_string().contains("Idempotency-Key");
        let once = ["talk", "report", "wake", "restart", "send_file"].contains(&id);
        assert_eq!(keyed, once, "{method} {path}");
    }
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer} leads nowhere");
    }
    assert_eq!(document["components"]["securitySchemes"]["token"]["scheme"], "bearer");
}

#[tokio::test]
async fn the_log_is_asked_for_by_its_last_lines() {
    let rig = rig().await;
    assert!(rig.client.log(1000).await.unwrap().lines.len() <= 1000);
    for lines in [0, 1001] {
        assert_eq!(rig.client.log(lines).await.unwrap_err().into_failure().kind, "invalid");
    }
}
