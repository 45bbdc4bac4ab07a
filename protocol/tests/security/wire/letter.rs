//! Envelopes: taken apart, changed at will, and signed by whoever likes.

use ed25519_dalek::{Signer as _, SigningKey};

use super::{Direction, Item, Map, record_nonce, seal, sha256};

/// An envelope as a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter(pub(crate) Map);

impl Letter {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        Self(Map::parse(bytes))
    }

    pub(crate) fn get(&self, key: &str) -> &Item {
        self.0.get(key)
    }

    pub(crate) fn set(&mut self, key: &str, item: Item) {
        self.0.set(key, item);
    }

    /// The payload, decoded.
    pub(crate) fn body(&self) -> Map {
        Map::parse(self.get("payload").as_bytes())
    }

    pub(crate) fn set_body(&mut self, body: &Map) {
        self.set("payload", Item::Bytes(body.encode()));
    }

    /// Changes one entry of the payload.
    pub(crate) fn set_in_body(&mut self, key: &str, item: Item) {
        let mut body = self.body();
        body.set(key, item);
        self.set_body(&body);
    }

    /// The envelope without its signature.
    pub(crate) fn unsigned(&self) -> Vec<u8> {
        let mut map = self.0.clone();
        map.remove("signature");
        map.encode()
    }

    /// The envelope without payload and signature.
    pub(crate) fn aad(&self) -> Vec<u8> {
        let mut map = self.0.clone();
        map.remove("signature");
        map.remove("payload");
        map.encode()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        self.0.encode()
    }

    /// The envelope signed by `key`, whoever it says it is from; a sealed one as the suite says that
    /// two nodes agree on if nothing is configured.
    pub(crate) fn signed(&self, key: &SigningKey) -> Vec<u8> {
        match self.get("msg_type") == &Item::text("sealed") {
            true => self.signed_in("AES-256-GCM-BLAKE3", key),
            false => self.signed_over(key, &signature_input(&self.unsigned())),
        }
    }

    /// The sealed envelope signed by `key` as `suite` says.
    pub(crate) fn signed_in(&self, suite: &str, key: &SigningKey) -> Vec<u8> {
        self.signed_over(key, &sealed_signature_input(suite, &self.unsigned()))
    }

    fn signed_over(&self, key: &SigningKey, input: &[u8]) -> Vec<u8> {
        let mut map = self.0.clone();
        let signature = key.sign(input);
        map.set("signature", Item::bytes(signature.to_bytes()));
        map.encode()
    }
}

/// What a sender signs: label ‖ SHA-256 of the envelope without its signature.
pub(crate) fn signature_input(unsigned: &[u8]) -> Vec<u8> {
    [b"peer-v1.1-envelope".as_slice(), &sha256(unsigned)].concat()
}

/// The same in a session: a suite may have another digest, and then its label.
pub(crate) fn sealed_signature_input(suite: &str, unsigned: &[u8]) -> Vec<u8> {
    match suite {
        "AES-256-GCM-BLAKE3" => {
            let digest = blake3::hash(unsigned);
            [b"peer-v1.1-envelope-blake3".as_slice(), digest.as_bytes()].concat()
        }
        _ => signature_input(unsigned),
    }
}

/// A sealed envelope, made by hand from its header entries.
pub(crate) fn sealed_letter(
    header: Map,
    suite: &str,
    keys: &Direction,
    sequence: u64,
    plaintext: &[u8],
) -> Letter {
    let mut letter = Letter(header);
    letter.set("version", Item::text("1.1"));
    letter.set("msg_type", Item::text("sealed"));
    letter.set("encrypted", Item::Bool(true));
    letter.set("sequence_num", Item::Uint(sequence));
    let nonce = record_nonce(&keys.iv, sequence);
    let sealed = seal(suite, &keys.key, &nonce, &letter.aad(), plaintext);
    letter.set("payload", Item::Bytes(sealed));
    letter
}

/// An error outside a session, made by hand.
pub(crate) fn error_letter(header: Map, body: &Map) -> Letter {
    let mut letter = Letter(header);
    letter.set("version", Item::text("1.1"));
    letter.set("msg_type", Item::text("error"));
    letter.set("sequence_num", Item::Uint(0));
    letter.set_body(body);
    letter
}
