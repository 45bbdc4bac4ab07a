//! Agent cards: who is there, what it can do and where it is asked, signed with the node's key (RFC 7515,
//! over the canonical form of RFC 8785).

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use peer_protocol::crypto::{Authenticator, Ed25519Authenticator};
use serde_json::{Value, json};

use super::content::MEDIA_TYPE;
use super::jcs;

/// Signs cards with the node's key. The key id is the node's peer id, which contains the public key.
#[derive(Clone)]
pub struct CardSigner {
    key: Arc<Ed25519Authenticator>,
}

impl fmt::Debug for CardSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CardSigner").field("key", &self.key.public_key()).finish()
    }
}

impl CardSigner {
    /// A signer with the key of the node.
    #[must_use]
    pub fn new(key: &Ed25519Authenticator) -> Self {
        Self { key: Arc::new(Ed25519Authenticator::from_seed(&key.seed())) }
    }

    /// Adds a signature to a card. What is signed begins with a letter, `eyJ`, as nothing else does that the
    /// key signs.
    fn sign(&self, mut card: Value, peer_id: &str) -> Option<Value> {
        let payload = jcs::canonical(&jcs::without_empty(&card)?)?;
        let header = jcs::canonical(&json!({ "alg": "EdDSA", "kid": peer_id, "typ": "JOSE" }))?;
        let protected = URL_SAFE_NO_PAD.encode(header);
        let signed = format!("{protected}.{}", URL_SAFE_NO_PAD.encode(payload));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()));
        let signatures = json!([{ "protected": protected, "signature": signature }]);
        card.as_object_mut()?.insert("signatures".to_owned(), signatures);
        Some(card)
    }
}

/// Whom a card is about.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) name: &'a str,
    pub(super) description: String,
    pub(super) capabilities: &'a [String],
    /// Where it is asked, such as `http://127.0.0.1:4780/a2a`.
    pub(super) url: String,
}

/// The card, signed by the node `peer_id`.
pub(super) fn card(subject: &Subject<'_>, signer: &CardSigner, peer_id: &str) -> Option<Value> {
    let interface = |version: &str| json!({ "url": subject.url, "protocolBinding": "JSONRPC", "protocolVersion": version });
    let skill = |name: &str| {
        json!({
            "id": name,
            "name": name,
            "description": format!("What {} offers as {name}", subject.name),
            "tags": [name],
        })
    };
    let mut skills: Vec<_> = subject.capabilities.iter().map(|name| skill(name)).collect();
    if skills.is_empty() {
        skills.push(json!({
            "id": "talk",
            "name": "talk",
            "description": format!("Takes tasks for {}", subject.name),
            "tags": ["peer"],
        }));
    }
    let modes = ["text/plain", "application/json", "application/octet-stream", MEDIA_TYPE];
    let card = json!({
        "name": subject.name,
        "description": subject.description,
        "version": env!("CARGO_PKG_VERSION"),
        "supportedInterfaces": [interface("1.0"), interface("0.3")],
        "capabilities": { "streaming": true },
        "securitySchemes": { "token": { "httpAuthSecurityScheme": {
            "description": "The token that `peer api token` prints",
            "scheme": "Bearer",
        } } },
        "securityRequirements": [{ "schemes": { "token": {} } }],
        "defaultInputModes": modes,
        "defaultOutputModes": modes,
        "skills": skills,
    });
    signer.sign(card, peer_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_signed_with_the_nodes_key() {
        let key = Ed25519Authenticator::from_seed(&[7; 32]);
        let subject = Subject {
            name: "älice",
            description: "A node".to_owned(),
            capabilities: &["translate".to_owned()],
            url: "http://127.0.0.1:1/a2a".to_owned(),
        };
        let mut card = card(&subject, &CardSigner::new(&key), "12D3").unwrap();
        let signatures = card.as_object_mut().unwrap().remove("signatures").unwrap();
        let text = |name: &str| signatures[0][name].as_str().unwrap().to_owned();
        let check = |card: &Value| {
            let payload = jcs::canonical(&jcs::without_empty(card).unwrap()).unwrap();
            let signed = format!("{}.{}", text("protected"), URL_SAFE_NO_PAD.encode(payload));
            let signature = URL_SAFE_NO_PAD.decode(text("signature")).unwrap();
            key.public_key().verify(signed.as_bytes(), &signature.try_into().unwrap())
        };
        check(&card).unwrap();
        let header = URL_SAFE_NO_PAD.decode(text("protected")).unwrap();
        assert_eq!(header, br#"{"alg":"EdDSA","kid":"12D3","typ":"JOSE"}"#);
        card["skills"][0]["name"] = json!("other");
        check(&card).unwrap_err();
    }
}
