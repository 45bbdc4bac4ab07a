//! The files of the dashboard, as they are compiled in.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::LazyLock;

/// One file.
#[derive(Debug)]
pub(super) struct Asset {
    /// Its name below `/dashboard/`.
    pub(super) name: &'static str,
    pub(super) content_type: &'static str,
    pub(super) body: &'static str,
    /// Changes with the body.
    pub(super) etag: String,
}

impl Asset {
    /// The file of that name, if there is one.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        ASSETS.iter().find(|asset| asset.name == name)
    }

    /// Whether `tag`, from a list that a browser sent, stands for this file as it is.
    pub(super) fn is(&self, tag: &str) -> bool {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.etag
    }

    fn new(name: &'static str, body: &'static str) -> Self {
        let content_type = match name.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "application/octet-stream",
        };
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        Self { name, content_type, body, etag: format!("\"{:016x}\"", hasher.finish()) }
    }
}

/// All of them.
pub(super) static ASSETS: LazyLock<Vec<Asset>> =
    LazyLock::new(|| FILES.iter().map(|(name, body)| Asset::new(name, body)).collect());

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("assets/", $name)))),*]
    };
}

const FILES: &[(&str, &str)] = files![
    "act.js",
    "api.js",
    "app.js",
    "dialog.js",
    "dom.js",
    "events.js",
    "format.js",
    "frame.js",
    "handshakes.js",
    "icon.svg",
    "index.html",
    "parts.js",
    "resources.js",
    "store.js",
    "text.js",
    "theme.js",
    "css/base.css",
    "css/layout.css",
    "css/parts.css",
    "css/views.css",
    "views/inbox.js",
    "views/limits.js",
    "views/lines.js",
    "views/log.js",
    "views/mesh.js",
    "views/messages.js",
    "views/node.js",
    "views/outbox.js",
    "views/peers.js",
    "views/registry.js",
    "views/send.js",
    "views/sessions.js",
    "views/shared.js",
    "views/strip.js",
    "views/tiles.js",
    "views/trace.js",
    "views/transfers.js",
];
