// Registry records, written from docs/PROTOCOL.md §11 (with §1.2 and §2.2) alone.

import { createHash } from 'node:crypto'
import { generateKeyPairFromSeed, publicKeyFromRaw } from '@libp2p/crypto/keys'
import { decode, encode } from './cbor.js'

const LABEL = 'peer-v1.1-registry'

/** A key pair of a 32-byte seed. */
export const keyPair = (seed) => generateKeyPairFromSeed('Ed25519', seed)

/** The id that a public key derives (§1.2). */
export function derivedId (publicKey) {
  return `ent-${base32(sha256(publicKey)).slice(0, 16)}`
}

/** Lower-case hex of SHA-256 of a capability's name (§11.1). */
export const capabilityHash = (capability) => sha256(capability).toString('hex')

/** The key of an entity's record, or of its record for one capability (§11.1). */
export function recordKey (id, capability = '') {
  return sha256(`${id}:${capabilityHash(capability)}`)
}

/** Every key that a record stands under. */
export function recordKeys ({ entity_id: id, public_key: publicKey, capabilities }) {
  const ids = new Set([id, derivedId(publicKey)])
  return [
    ...[...ids].map((id) => recordKey(id)),
    ...capabilities.map((capability) => recordKey(id, capability))
  ]
}

/** The keys that a provider announces itself under: the root, then its first digits (§11.6). */
export function providerKeys (capability, publicKey) {
  const digits = providerDigits(publicKey)
  return [0, 1, 2, 3].map((length) => shardKey(capability, digits.slice(0, length)))
}

/** The first three pairs of bits of SHA-256 of a provider's key, as digits (§11.6). */
export function providerDigits (publicKey) {
  const first = sha256(publicKey)[0]
  return [first >> 6, (first >> 4) & 3, (first >> 2) & 3].join('')
}

/** The key of one shard of a capability's providers (§11.6). */
export function shardKey (capability, digits) {
  const root = `capability:${capabilityHash(capability)}`
  return sha256(digits === '' ? root : `${root}:${digits}`)
}

/** What a record's signature covers (§11.3). */
export function signatureInput (unsigned) {
  return Buffer.concat([Buffer.from(LABEL), sha256(unsigned)])
}

/** A signed record (§11.2, §11.3), as bytes. */
export async function sign (key, { entityId, addresses, capabilities, lastSeen, ttl }) {
  const fields = {
    ttl,
    addresses,
    entity_id: entityId,
    last_seen: lastSeen,
    public_key: key.publicKey.raw,
    capabilities: sortedUnique(capabilities)
  }
  const signature = await key.sign(signatureInput(encode(fields)))
  return encode({ ...fields, signature })
}

/** The fields of a record that stands under `key` and whose signature holds (§11.4). */
export async function believe (bytes, key, now) {
  if (bytes.length > 4096) throw new Error('larger than 4096 bytes')
  const fields = decode(bytes)
  if (!encode(fields).equals(Buffer.from(bytes))) throw new Error('not deterministic')
  if (!recordKeys(fields).some((own) => own.equals(Buffer.from(key)))) throw new Error('misplaced')
  if (fields.last_seen > now + 60_000) throw new Error('from the future')
  if (fields.ttl > 0 && fields.last_seen + fields.ttl * 1000 <= now) throw new Error('expired')
  const { signature, ...unsigned } = fields
  const holds = await publicKeyFromRaw(fields.public_key)
    .verify(signatureInput(encode(unsigned)), signature)
  if (!holds) throw new Error('the signature does not hold')
  return fields
}

function sortedUnique (capabilities) {
  const bytes = [...new Set(capabilities)].map((name) => Buffer.from(name, 'utf8'))
  return bytes.sort(Buffer.compare).map((name) => name.toString('utf8'))
}

function sha256 (data) {
  return createHash('sha256').update(data).digest()
}

function base32 (bytes) {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const digits = bits.match(/.{1,5}/g).map((five) => parseInt(five.padEnd(5, '0'), 2))
  return digits.map((digit) => 'abcdefghijklmnopqrstuvwxyz234567'[digit]).join('')
}
