//! The files as they are served, and what they may not contain.

use std::collections::BTreeSet;
use std::path::Path;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, Response, StatusCode};
use tower::ServiceExt as _;

use super::assets::ASSETS;
use super::router;

async fn ask(method: Method, path: &str, known: Option<&str>) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(known) = known {
        request = request.header("if-none-match", known);
    }
    router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn get(path: &str) -> Response<Body> {
    ask(Method::GET, path, None).await
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

fn assert_guarded(response: &Response<Body>, path: &str) {
    let policy = header(response, "content-security-policy");
    assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{path}: {policy}");
    assert!(policy.contains("require-trusted-types-for 'script'"), "{path}: {policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(header(response, name), value, "{path}: {name}");
    }
}

#[tokio::test]
async fn every_file_is_served_with_its_type_and_strict_headers() {
    for asset in &*ASSETS {
        let path = format!("/dashboard/{}", asset.name);
        let response = get(&path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_guarded(&response, &path);
        assert_eq!(header(&response, "content-type"), asset.content_type, "{path}");
        assert_ne!(asset.content_type, "application/octet-stream", "{path} has no type");
        assert_eq!(header(&response, "cache-control"), "no-cache", "{path}");
        assert_eq!(header(&response, "etag"), asset.etag, "{path}");
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        assert_eq!(body, asset.body.as_bytes(), "{path}");
    }
    let page = get("/").await;
    assert_guarded(&page, "/");
    assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
}

#[tokio::test]
async fn a_file_that_the_browser_has_is_not_sent_again() {
    let etag = header(&get("/dashboard/app.js").await, "etag").to_owned();
    for known in [etag.clone(), format!("\"other\", W/{etag}"), "*".to_owned()] {
        let response = ask(Method::GET, "/dashboard/app.js", Some(&known)).await;
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{known}");
        assert_guarded(&response, &known);
        assert!(to_bytes(response.into_body(), 1).await.unwrap().is_empty());
    }
    let other = ask(Method::GET, "/dashboard/app.js", Some("\"other\"")).await;
    assert_eq!(other.status(), StatusCode::OK);
    assert_ne!(header(&get("/dashboard/api.js").await, "etag"), etag);
}

#[tokio::test]
async fn what_is_not_in_the_table_is_not_there() {
    for path in [
        "/dashboard/none.js",
        "/dashboard/views",
        "/dashboard/views/",
        "/dashboard//app.js",
        "/dashboard/../Cargo.toml",
        "/dashboard/views/../app.js",
        "/dashboard/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/dashboard/%2e%2e/%2e%2e/etc/passwd",
        "/dashboard/%2fetc%2fpasswd",
        "/dashboard/..%5c..%5cetc",
        "/dashboard/app.js%00",
        "/dashboard/app.js%20",
        "/dashboard/APP.JS",
    ] {
        let response = get(path).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_guarded(&response, path);
        assert_eq!(header(&response, "cache-control"), "no-store", "{path}");
    }
    for path in ["/dashboard", "/dashboard/", "/index.html", "/app.js"] {
        assert_eq!(get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let posted = ask(Method::POST, "/dashboard/app.js", None).await;
    assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
}

/// The table and the directory say the same, so that no file is forgotten.
#[test]
fn every_file_of_the_directory_is_compiled_in() {
    fn walk(directory: &Path, below: &str, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{below}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), &format!("{name}/"), found);
            } else {
                found.insert(name);
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dashboard/assets"), "", &mut found);
    let compiled: BTreeSet<_> = ASSETS.iter().map(|asset| asset.name.to_owned()).collect();
    assert_eq!(found, compiled);
}

/// The policy would stop the browser; this stops whoever writes it.
#[test]
fn nothing_comes_from_elsewhere_and_no_text_becomes_markup() {
    let namespaces = ["http://www.w3.org/2000/svg"];
    for asset in &*ASSETS {
        let mut body = asset.body.to_owned();
        for known in namespaces {
            body = body.replace(known, "");
        }
        for forbidden in [
            "http://",
            "https://",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "DOMParser",
            "eval(",
            "new Function",
            "javascript:",
            " style=",
            "<style",
            "@import",
            "url(",
        ] {
            assert!(!body.contains(forbidden), "{} has {forbidden:?}", asset.name);
        }
        let inline = asset.name.ends_with(".html") && body.contains("<script>");
        assert!(!inline, "{} has a script of its own", asset.name);
    }
}

/// Every module and style that a file names is there.
#[test]
fn every_import_leads_somewhere() {
    let exists = |name: &str| ASSETS.iter().any(|asset| asset.name == name);
    for asset in &*ASSETS {
        for line in asset.body.lines() {
            let Some((_, from)) = line.split_once(" from '") else { continue };
            let Some(target) = from.strip_suffix('\'') else { continue };
            let directory = asset.name.rsplit_once('/').map_or("", |(directory, _)| directory);
            let resolved = match target.strip_prefix("../") {
                Some(above) => above.to_owned(),
                None => format!("{directory}/{}", target.trim_start_matches("./")),
            };
            let resolved = resolved.trim_start_matches('/');
            assert!(exists(resolved), "{} imports {target}", asset.name);
        }
        for part in asset.body.split("\"/dashboard/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(exists(name), "{} names {name}", asset.name);
        }
    }
}
