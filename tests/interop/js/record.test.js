// Records and keys against the committed vectors: every intermediate value is computed here.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { decode, encode } from './cbor.js'
import * as record from './record.js'

const vectors = JSON.parse(await readFile(process.env.REGISTRY_VECTORS, 'utf8'))
const hex = (bytes) => Buffer.from(bytes).toString('hex')
const bytes = (text) => Buffer.from(text, 'hex')

for (const vector of vectors.records) {
  test(`record: ${vector.name}`, async () => {
    const key = await record.keyPair(bytes(vector.identity_seed))
    assert.equal(hex(key.publicKey.raw), vector.public_key)
    assert.equal(record.derivedId(key.publicKey.raw), vector.derived_id)
    const signed = await record.sign(key, {
      entityId: vector.entity_id,
      addresses: vector.addresses,
      capabilities: vector.capabilities,
      lastSeen: vector.last_seen,
      ttl: vector.ttl
    })
    assert.equal(hex(signed), vector.record)
    const { signature, ...unsigned } = decode(signed)
    assert.equal(hex(encode(unsigned)), vector.unsigned)
    assert.equal(hex(record.signatureInput(encode(unsigned))), vector.signature_input)
    assert.equal(hex(signature), vector.signature)
    assert.deepEqual(record.recordKeys(decode(signed)).map(hex), vector.keys.map(({ key }) => key))
    for (const { capability, capability_hash: hash } of vector.keys) {
      assert.equal(record.capabilityHash(capability), hash)
    }
  })

  test(`record: ${vector.name}: what was changed is not believed`, async () => {
    const key = bytes(vector.keys[0].key)
    const now = vector.last_seen
    await record.believe(bytes(vector.record), key, now)
    await assert.rejects(record.believe(bytes(vector.record), bytes('00'.repeat(32)), now))
    const changed = bytes(vector.record)
    changed[changed.indexOf('last_seen') + 17] ^= 1
    await assert.rejects(record.believe(changed, key, now), /signature/)
  })
}

for (const vector of vectors.providers) {
  test(`providers: ${vector.shards[3].digits}`, () => {
    const { capability, shards } = vector
    const publicKey = bytes(vector.public_key)
    assert.equal(record.capabilityHash(capability), vector.capability_hash)
    assert.equal(record.providerDigits(publicKey), shards[3].digits)
    assert.deepEqual(
      record.providerKeys(capability, publicKey).map(hex),
      shards.map(({ key }) => key)
    )
    for (const { digits, key } of shards) {
      assert.equal(hex(record.shardKey(capability, digits)), key)
    }
  })
}
