//! An entity of the registry, for people.

use super::text::{pairs, time};
use super::trust::level;
use crate::model::{Listing, Source};

/// All that is known of it.
pub(super) fn describe(listing: &Listing) -> String {
    let mut lines = vec![
        ("entity", listing.entity.to_string()),
        ("fingerprint", listing.fingerprint.to_string()),
        ("peer id", listing.peer_id.clone()),
        ("trust", listing.trust.map_or("not on record", level).to_owned()),
        ("can do", capabilities(listing)),
    ];
    if let Some(seen) = listing.last_seen {
        let until =
            listing.expires.map_or_else(String::new, |at| format!(", holds until {}", time(at)));
        lines.push(("last seen", format!("{}{until}", time(seen))));
    }
    lines.push(("source", source(listing.source).to_owned()));
    let mut text = pairs(&lines);
    if listing.addresses.is_empty() {
        text.push_str("lists no address: it is reached over other nodes\n");
    } else {
        text.push_str("reached at\n");
        for address in &listing.addresses {
            text.push_str("  ");
            text.push_str(&super::text::printable(address));
            text.push('\n');
        }
    }
    text
}

pub(super) fn capabilities(listing: &Listing) -> String {
    if listing.capabilities.is_empty() { "-".to_owned() } else { listing.capabilities.join(", ") }
}

const fn source(source: Source) -> &'static str {
    match source {
        Source::Own => "this node itself",
        Source::Registry => "the registry",
        Source::Cache => "the registry, asked a short while ago (--fresh asks again)",
        Source::File => "the registry file",
    }
}
