//! Every limit of the protocol, with its unit and its section of `docs/PROTOCOL.md`.

use std::time::Duration;

/// Longest entity id, in bytes of UTF-8 (§1.2).
pub const MAX_ENTITY_ID_LEN: usize = 128;
/// Most entities a node remembers (§1.4).
pub const MAX_SEEN_ENTITIES: usize = 65_536;

/// Longest envelope on the wire, in bytes (§2.5): one largest message and its frame.
pub const MAX_ENVELOPE_LEN: usize = (1 << 20) + (16 << 10);
/// Longest envelope outside a session, in bytes (§2.5): handshake steps and errors.
pub const MAX_PLAIN_ENVELOPE_LEN: usize = 16 << 10;
/// Longest body of one message, in bytes (§7.1).
pub const MAX_BODY_LEN: usize = (1 << 20) + (4 << 10);
/// Longest content that one message carries, in bytes (§7.1); larger payloads go as chunks.
pub const MAX_CONTENT_LEN: usize = 1 << 20;
/// Most messages in one sealed envelope (§2.4).
pub const MAX_BATCH: usize = 256;
/// A batch is closed once its messages reach this many bytes (§2.4); one larger message goes alone.
pub const BATCH_TARGET_LEN: usize = 256 << 10;
/// Deepest nesting of CBOR that a decoder follows (§2.5).
pub const MAX_CBOR_DEPTH: usize = 8;
/// Most entries in one CBOR array or map (§2.5).
pub const MAX_CBOR_ENTRIES: usize = 4096;
/// Longest name of a message type, suite, feature or capability, in bytes (§2.5).
pub const MAX_NAME_LEN: usize = 64;
/// Most suites, features, versions or capabilities in one list (§3.2, §7).
pub const MAX_LIST_LEN: usize = 64;
/// Longest free text for people, in bytes: error details, status lines (§7).
pub const MAX_TEXT_LEN: usize = 4096;

/// How far a timestamp may lie from the receiver's clock, in either direction (§2.6).
pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);
/// How long a nonce is remembered (§2.6).
pub const NONCE_LIFETIME: Duration = Duration::from_secs(300);
/// Most nonces remembered per peer (§2.6).
pub const MAX_NONCES: usize = 4096;

/// Time for a whole handshake (§3.7).
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Life of a challenge (§3.7).
pub const CHALLENGE_LIFETIME: Duration = Duration::from_secs(30);
/// Longest life of a challenge that an initiator believes (§3.7).
pub const MAX_CHALLENGE_LIFETIME: Duration = Duration::from_secs(300);

/// Default life of a session (§5.3).
pub const SESSION_LIFETIME: Duration = Duration::from_secs(30 * 60);
/// Shortest life a session may be given (§5.3).
pub const MIN_SESSION_LIFETIME: Duration = Duration::from_secs(1);
/// Longest life a session may be given (§5.3).
pub const MAX_SESSION_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Most records sealed under one key (§5.4).
pub const MAX_RECORDS_PER_KEY: u64 = 1 << 24;
/// Most bytes sealed under one key (§5.4).
pub const MAX_BYTES_PER_KEY: u64 = 1 << 36;
/// Records behind the newest that are still accepted (§5.2).
pub const REPLAY_WINDOW: u64 = 2048;

/// Most sessions kept per peer: the current one, and older ones that drain (§5.3).
pub const MAX_SESSIONS_PER_PEER: usize = 4;
/// Most messages waiting to be sent to one peer (§8.1).
pub const MAX_QUEUED_MESSAGES: usize = 4096;
/// Most bytes of messages waiting to be sent to one peer (§8.1).
pub const MAX_QUEUED_BYTES: usize = 16 << 20;
/// The same for one that is not pinned; pieces of transfers do not count.
pub const MAX_QUEUED_BYTES_UNPINNED: usize = 4 << 20;
/// Most requests in flight to one peer (§14.2).
pub const MAX_REQUESTS_IN_FLIGHT: usize = 16;
/// Bytes of them, to one that is not pinned; one larger request goes alone (§14.2).
pub const MAX_BYTES_IN_FLIGHT_UNPINNED: usize = 2 << 20;
/// Bytes of messages that ride in an answer to a peer that is not pinned (§7.3).
pub const MAX_RIDING_LEN_UNPINNED: usize = 64 << 10;
/// Requests that a peer may have unanswered on its session stream (§14.4).
pub const MAX_STREAM_REQUESTS: u32 = 32;
/// Bytes of requests that a peer may have unanswered on its session stream (§14.4).
pub const MAX_STREAM_BYTES: u32 = 8 << 20;
/// Message ids remembered per peer to remove duplicates (§8.2).
pub const MAX_REMEMBERED_IDS: usize = 8192;

/// Streams of one sender that are remembered as over (§8.2).
pub const MAX_DEAD_STREAMS: usize = 16;
/// Ids of the last ordered messages from one sender that are remembered on disk (§8.2).
pub const MAX_TAKEN_IDS: usize = 4_096;
/// Most ordered messages to one peer that are in memory and under way (§8.1).
pub const MAX_WINDOW_MESSAGES: usize = 1_024;
/// Most bytes of their bodies; one larger message goes alone (§8.1).
pub const MAX_WINDOW_BYTES: usize = 8 << 20;
/// Most bytes of windows of all peers; each may have one message in any case (§8.1).
pub const MAX_WINDOWS_BYTES: usize = 64 << 20;
/// Most unsettled messages in the outbox (§8.1).
pub const MAX_OUTBOX_MESSAGES: usize = 100_000;
/// Most bytes of their bodies (§8.1).
pub const MAX_OUTBOX_BYTES: u64 = 1 << 30;
/// Most unsettled messages to one peer (§8.1).
pub const MAX_OUTBOX_MESSAGES_PER_PEER: usize = 65_536;
/// Most bytes of their bodies (§8.1).
pub const MAX_OUTBOX_BYTES_PER_PEER: u64 = 512 << 20;
/// Most bytes of bodies that wait to be written to the outbox.
pub const MAX_UNWRITTEN_BYTES: u64 = 64 << 20;
/// Most ordered messages from one peer that are being written (§8.2).
pub const MAX_WRITING_MESSAGES: usize = 1_024;
/// Most bytes of their bodies; one larger message goes alone (§8.2).
pub const MAX_WRITING_BYTES: usize = 8 << 20;
/// Most receipts of status `processed` that one peer is owed in memory (§8.3).
pub const MAX_OWED_PROCESSED: usize = 4_096;
/// Most ordered messages from one peer that wait for a predecessor (§8.2).
pub const MAX_HELD_MESSAGES: usize = 1_024;
/// Most bytes of their bodies (§8.2).
pub const MAX_HELD_BYTES: usize = 4 << 20;
/// Most bytes that those of all peers take together (§8.2).
pub const MAX_ALL_HELD_BYTES: usize = 64 << 20;
/// Default time to live of an ordered message (§8.1).
pub const MESSAGE_TTL: Duration = Duration::from_secs(7 * 86_400);
/// Longest time to live of an ordered message (§8.1).
pub const MAX_MESSAGE_TTL: Duration = Duration::from_secs(30 * 86_400);
/// Contents longer than this go as a transfer ahead of their message, in bytes (§9.4).
pub const MAX_INLINE_CONTENT_LEN: usize = 64 << 10;
/// Longest content of a message that goes as a transfer, in bytes (§9.4).
pub const MAX_LONG_CONTENT_LEN: usize = 64 << 20;
/// Longest name of a file in an offer, in bytes (§9.1).
pub const MAX_FILE_NAME_LEN: usize = 255;
/// Longest transfer, in bytes (§9.1).
pub const MAX_TRANSFER_LEN: u64 = 1 << 53;
/// Shortest piece of a transfer but the last, in bytes (§9.2).
pub const MIN_PIECE_LEN: u32 = 64 << 10;
/// Longest piece of a transfer, in bytes (§9.2).
pub const MAX_PIECE_LEN: u32 = 1 << 20;
/// Most bytes of one transfer that are sent beyond what its receiver has on disk (§9.2).
pub const TRANSFER_WINDOW: u64 = 8 << 20;
/// A receiver tells its progress after so many bytes (§9.2).
pub const PROGRESS_LEN: u64 = 4 << 20;
/// A receiver tells its progress after so long without a piece (§9.2).
pub const PROGRESS_PAUSE: Duration = Duration::from_millis(250);
/// A transfer that makes no progress for so long is over at its receiver (§9.3).
pub const TRANSFER_IDLE: Duration = Duration::from_secs(86_400);

/// Longest wait that is announced to a peer, or believed when a peer announces it (§10.2).
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// Longest registry record, in bytes (§11.2).
pub const MAX_RECORD_LEN: usize = 4 << 10;
/// Most addresses in one record, or in one provider entry (§11.2, §11.6).
pub const MAX_RECORD_ADDRESSES: usize = 16;
/// Longest address, in bytes of multiaddress text (§11.2).
pub const MAX_ADDRESS_LEN: usize = 256;
/// Most capabilities in one record (§11.2).
pub const MAX_RECORD_CAPABILITIES: usize = 32;
/// Longest life of a record, and the life it has by default (§11.2).
pub const RECORD_TTL: Duration = Duration::from_secs(86_400);
/// How often an entity publishes its records and provider entries anew (§11.7).
pub const RECORD_REFRESH: Duration = Duration::from_secs(3_600);
/// Most records in one node's store (§11.5).
pub const MAX_STORED_RECORDS: usize = 8_192;
/// Most records in the store that one peer brought (§11.5).
pub const MAX_RECORDS_PER_SOURCE: usize = 512;
/// Most records, and most provider entries, in the store that one public network brought (§11.5).
pub const MAX_ENTRIES_PER_NETWORK: usize = 2_048;
/// Most changed keys of a store that wait for whoever writes them to disk.
pub const MAX_CHANGED_KEYS: usize = 65_536;
/// Most identity keys whose records stand side by side under one record key (§11.5).
pub const MAX_CLAIMANTS: usize = 4;
/// Life of a provider entry after it was last announced (§11.6).
pub const PROVIDER_TTL: Duration = Duration::from_secs(86_400);
/// Most provider entries in one node's store (§11.6).
pub const MAX_STORED_PROVIDERS: usize = 16_384;
/// Most provider entries in the store that one peer brought (§11.6).
pub const MAX_PROVIDERS_PER_SOURCE: usize = 256;
/// Most providers that a node keeps under one key; a shard with so many is full (§11.6).
pub const MAX_PROVIDERS_PER_KEY: usize = 20;
/// Longest provider entry, id and addresses together, in bytes (§11.6): twenty fit one answer.
pub const MAX_PROVIDER_LEN: usize = 640;
/// Levels of provider shards below the first key (§11.6).
pub const SHARD_LEVELS: usize = 3;
/// Shards that each shard splits into (§11.6).
pub const SHARD_FANOUT: u8 = 4;
/// Most identity keys that one lookup weighs against each other (§11.4).
pub const MAX_LOOKUP_KEYS: usize = 32;
/// Most providers that one capability search collects (§11.6).
pub const MAX_FOUND_PROVIDERS: usize = 2_048;

/// Most hops of one packet, and the hop limit that an origin sets (§12.2).
pub const MAX_HOPS: u8 = 10;
/// Longest head of a packet or an outcome, in bytes (§12.2, §12.3).
pub const MAX_HOP_HEAD_LEN: usize = 256;
/// Longest life of a packet, and how long anybody waits for its outcome (§12.2).
pub const MAX_PACKET_LIFE: Duration = Duration::from_secs(10);
/// Most neighbours that an origin tries for one packet (§12.5).
pub const MAX_OWN_TRIES: usize = 8;
/// Most neighbours that a carrier tries for one packet (§12.5).
pub const MAX_CARRIED_TRIES: usize = 3;
/// How long a learnt route is believed (§12.4).
pub const ROUTE_LIFE: Duration = Duration::from_secs(600);
/// How long a neighbour that failed for a destination comes last (§12.4).
pub const ROUTE_PENALTY: Duration = Duration::from_secs(30);
/// Most destinations to which routes are remembered (§12.4).
pub const MAX_ROUTED_DESTINATIONS: usize = 4_096;
/// Most routes remembered to one destination (§12.4).
pub const MAX_ROUTES: usize = 4;
/// Most failures remembered (§12.4).
pub const MAX_ROUTE_FAILURES: usize = 8_192;
/// How long a carrier remembers a packet (§12.6): longer than any clock finds it alive.
pub const PACKET_MEMORY: Duration = Duration::from_secs(140);
/// Most packets that a carrier remembers (§12.6).
pub const MAX_SEEN_PACKETS: usize = 65_536;
/// Most packets under way at one node, carried ones and own ones each (§12.7).
pub const MAX_PACKETS: usize = 1_024;
/// Most packets of one neighbour that a node carries at once (§12.7).
pub const MAX_PACKETS_PER_NEIGHBOUR: usize = 64;
/// Most bytes of envelopes that a node carries at once (§12.7).
pub const MAX_CARRIED_BYTES: usize = 32 << 20;
/// Most packets for this node whose answer is awaited (§12.7).
pub const MAX_ARRIVALS: usize = 256;
/// Most paths on which one packet is awaited at its destination (§12.6).
pub const MAX_DUPLICATE_PATHS: usize = 16;
/// How long a destination keeps an answer for packets that come again (§12.6).
pub const ANSWER_MEMORY: Duration = Duration::from_secs(20);
/// Most answers kept so (§12.6).
pub const MAX_KEPT_ANSWERS: usize = 256;
/// Most bytes of answers kept so (§12.6).
pub const MAX_KEPT_ANSWER_BYTES: usize = 8 << 20;

/// Most mailbox nodes of one entity (§18.1).
pub const MAX_MAILBOXES: usize = 4;
/// How long an item stays at a mailbox node at most (§18.3).
pub const MAX_ITEM_TTL: Duration = Duration::from_secs(14 * 86_400);
/// Longest item, in bytes (§18.3).
pub const MAX_ITEM_LEN: usize = 128 << 10;
/// An item is closed before its bodies exceed this many bytes; one larger message goes alone (§18.3).
pub const ITEM_TARGET_LEN: usize = 64 << 10;
/// Most prekeys that an item names as used up (§18.3).
pub const MAX_SPENT_PREKEYS: usize = 32;
/// Longest life of a prekey, and the one that one-time prekeys have here (§18.2).
pub const MAX_PREKEY_LIFE: Duration = Duration::from_secs(28 * 86_400);
/// Life of a last-resort prekey here (§18.2).
pub const LAST_RESORT_LIFE: Duration = Duration::from_secs(14 * 86_400);
/// How often the last-resort prekey is replaced here (§18.2).
pub const LAST_RESORT_ROTATION: Duration = Duration::from_secs(7 * 86_400);
/// Most private halves of one-time prekeys left with one mailbox node (§18.2).
pub const MAX_OWN_PREKEYS: usize = 8_192;
/// Most prekeys in one deposit (§18.4).
pub const MAX_DEPOSIT: usize = 128;
/// Most prekeys handed out at once (§18.4).
pub const MAX_TAKEN_PREKEYS: usize = 32;
/// Most items in one request or page (§18.4).
pub const MAX_PUT_ITEMS: usize = 64;
/// Most bytes of items in one request or page (§18.4).
pub const MAX_PUT_BYTES: usize = 1 << 20;
/// Most items settled by one request (§18.4).
pub const MAX_SETTLED_ITEMS: usize = 512;
/// Most receipts in one request or page (§18.4).
pub const MAX_MAIL_RECEIPTS: usize = 64;
/// Most messages that one mailbox receipt names (§18.5).
pub const MAX_RECEIPT_IDS: usize = 512;
