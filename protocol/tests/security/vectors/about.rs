//! What the files say about themselves, so that a stranger can check them.

pub(crate) const SIX_STEP: &[&str] = &[
    "Whole six-step handshakes of protocol version 1.1 (docs/PROTOCOL.md section 3), with fixed keys, randomness and time. Any language will do that has SHA-256, HMAC, HKDF, Ed25519, X25519, the AEAD and CBOR.",
    "Bytes are lower-case hex. Times are milliseconds since the Unix epoch. `||` joins bytes. Message n is `e_n`; odd ones come from the initiator, even ones from the responder.",
    "Inputs are `entity_id`, `identity_seed` (an RFC 8032 private key), `cipher_suites`, `features`, `random`, the lifetimes, and each message's `timestamp`. `random` lists what each side draws, in this order. All else follows.",
    "1. `identity_public_key` is the Ed25519 key of `identity_seed`; `fingerprint` is its SHA-256; `ephemeral_public_key` is X25519(`ephemeral_private_key`, 9). `session_id` is the drawn 16 bytes with version 4 and the RFC variant set.",
    "2. Each `envelope` is one CBOR map in the deterministic encoding of RFC 8949 section 4.2.1. Its entry `payload` is `body`, itself such a map; `sequence_num` is the message's number less one; there is a `session_id` from message 4 on.",
    "3. `unsigned_envelope` is the envelope without its entry `signature`, and `signature_input` is \"peer-v1.1-envelope\" || SHA-256(unsigned_envelope). `signature` is Ed25519 over that, by the sender's identity key.",
    "4. `transcript_after` message n is SHA-256(\"peer-v1.1-transcript\" || len(e_1) || e_1 || ... || len(e_n) || e_n), each length as 8 bytes, big-endian. From message 2 on every body's `transcript` is the one after the message before it.",
    "5. `handshake_hash` is the transcript after message 2. `shared_secret` is X25519(own ephemeral private key, the other's public key). `session_key` is HKDF-SHA256(ikm = shared_secret, salt = handshake_hash, info = \"peer-v1.1-session-key\", 32 bytes).",
    "6. `traffic_key` (32 bytes), `iv` (12) and `confirm_key` (32) are HKDF-Expand-SHA256(session_key, info) with the infos \"peer-v1.1-initiator-key\", \"peer-v1.1-initiator-iv\", \"peer-v1.1-initiator-confirm\", and the same with \"responder\". Each side sends under the keys of its own role.",
    "7. `confirmations`: `mac` is HMAC-SHA256(confirm_key of `by`, `transcript`). The responder's is in message 4 over the transcript after message 3, the initiator's in message 5 over the one after message 4.",
    "8. `challenge`: the initiator's answer in message 3 is Ed25519 over \"peer-v1.1-challenge\" || handshake_hash || challenge.",
    "9. `first_record`, in message 6: the AEAD of `suite` under the responder's traffic key. `aead_nonce` is iv XOR `sequence_num` (as 12 bytes, big-endian), `aad` the envelope of message 6 without its entries `payload` and `signature`, `plaintext` the transcript after message 5; `record` is ciphertext || tag.",
];

pub(crate) const THREE_WAY: &[&str] = &[
    "Whole three-way handshakes of protocol version 1.1 (docs/PROTOCOL.md section 4), with fixed keys, randomness and time. Any language will do. Everything is as six_step.json says in its steps 1 to 4 and 6; what differs is here.",
    "1. Messages are `handshake`, `handshake_ack` and `handshake_confirm`. The session id is in the envelope from message 2 on.",
    "2. `handshake_ack` carries a MAC under keys that depend on it. `provisional_ack` is therefore its envelope without the entry `signature` and with 32 zero bytes in place of the body's `mac`.",
    "3. `handshake_hash` is SHA-256(\"peer-v1.1-transcript\" || len(e_1) || e_1 || len(provisional_ack) || provisional_ack). It is the salt of `session_key`, and what the responder's MAC is over.",
    "4. The initiator's MAC, in message 3, is over the transcript after message 2, which has that message as it travels, signed and with its MAC.",
];

pub(crate) const SEALED: &[&str] = &[
    "Sealed envelopes of protocol version 1.1 (docs/PROTOCOL.md sections 2.4 and 5), in the sessions that the handshakes of six_step.json open. Any language will do.",
    "Bytes are lower-case hex; times are milliseconds since the Unix epoch. Records stand in the order in which they are sent; each direction counts its own `sequence_num`. The responder's record 0 was in message 6 of the handshake.",
    "1. `plaintext` is a CBOR array of one map for each of `messages`: `id`, `type`, `body` (a byte string) and, where present, `order` (a map, section 8.2) and `in_reply_to`, all in the deterministic encoding of RFC 8949 section 4.2.1.",
    "2. `aead_nonce` is the sender's iv XOR `sequence_num` (as 12 bytes, big-endian). `aad` is the envelope without its entries `payload` and `signature`. `payload` is ciphertext || tag, under the sender's `traffic_key`.",
    "3. `signature_input` is \"peer-v1.1-envelope\" || SHA-256(the envelope without its entry `signature`), or in the suite AES-256-GCM-BLAKE3 \"peer-v1.1-envelope-blake3\" || BLAKE3(the same); `signature` is Ed25519 over that, by the sender's identity key.",
];

pub(crate) const ERRORS: &[&str] = &[
    "Errors outside any session, one for each of the sixteen codes (docs/PROTOCOL.md section 15). Any language will do.",
    "Bytes are lower-case hex; times are milliseconds since the Unix epoch. The message refused is number 1 of the first handshake in six_step.json: `in_reply_to` is its nonce. What could not be read at all has none.",
    "1. `recipient_id` is \"ent-\" and the first 16 characters of the lower-case base32 of SHA-256(`recipient_public_key`): whom an error is for is known by the connection's key.",
    "2. `body` is a CBOR map of `code`, `detail` and, where present, `in_reply_to` and `retry_after_ms`; it is the envelope's `payload`. Both are in the deterministic encoding of RFC 8949 section 4.2.1. `sequence_num` is 0.",
    "3. `signature_input` is \"peer-v1.1-envelope\" || SHA-256(the envelope without its entry `signature`); `signature` is Ed25519 over that, by the sender's identity key.",
];
