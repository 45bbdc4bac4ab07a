// The registry, in both directions: what JavaScript signs and stores, our nodes find, and the other way
// round; what is forged, our nodes refuse.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { KAD, start } from './js_peer.js'
import { Node, eventually } from './node.js'
import * as record from './record.js'
import * as registry from './registry.js'

const JS = 'js_entity'
let js, key, kept, first, second

before(async () => {
  const args = ['--dht=server']
  first = await Node.start('first', { args: [...args, '--capability', 'translate'] })
  second = await Node.start('second', { args: [...args, '--bootstrap', first.address()] })
  const seed = Buffer.alloc(32, 3)
  key = await record.keyPair(seed)
  js = await start(seed, { kad: true })
  kept = registry.serve(js)
  await js.dial(multiaddr(first.address()))
  await js.dial(multiaddr(second.address()))
  await eventually(20_000, async () => {
    const nearest = await registry.closest(js, record.recordKey(JS))
    return nearest.length >= 2
  })
})

after(async () => {
  await js?.stop()
  await first?.stop()
  await second?.stop()
})

const addresses = () => js.getMultiaddrs().map((address) => address.toString().split('/p2p/')[0])

function signed (more) {
  const fields = { entityId: JS, addresses: addresses(), capabilities: ['juggle'], ttl: 3600 }
  return record.sign(key, { ...fields, lastSeen: Date.now(), ...more })
}

test('both take each other for nodes of one registry', async () => {
  for (const ours of [first, second]) {
    const listed = await eventually(20_000, async () => {
      const { peers } = await ours.run('dht')
      return peers.some(({ peer_id: id }) => id === js.peerId.toString())
    })
    assert.ok(listed)
    const peer = await js.peerStore.get((await js.dial(multiaddr(ours.address()))).remotePeer)
    assert.ok(peer.protocols.includes(KAD))
  }
})

test('a record that js signed and stored is found by ours', async () => {
  const bytes = await signed()
  for (const under of record.recordKeys({
    entity_id: JS, public_key: key.publicKey.raw, capabilities: ['juggle']
  })) {
    const took = await registry.put(js, under, bytes)
    assert.deepEqual(took.sort(), [first.peerId, second.peerId].sort())
  }
  const { listing } = await second.run('lookup', JS, '--fresh', '--timeout', '10s')
  assert.equal(listing.entity, JS)
  assert.equal(listing.peer_id, js.peerId.toString())
  assert.deepEqual(listing.capabilities, ['juggle'])
  assert.ok(listing.addresses.some((address) => address.startsWith(addresses()[0])))
  const back = await registry.get(js, record.recordKey(JS))
  assert.equal(back.entity_id, JS)
})

test('a forged, a misplaced and an outdated record are refused, and change nothing', async () => {
  const under = record.recordKey(JS)
  const forged = Buffer.from(await signed())
  forged[forged.indexOf('signature') + 'signature'.length + 2] ^= 1
  const forgeries = {
    forged,
    misplaced: await signed({ entityId: 'somebody_else' }),
    outdated: await signed({ lastSeen: Date.now() - 7200_000 })
  }
  // A refused writer gets no answer: the stream is closed, and js waits for its time limit.
  for (const [what, bytes] of Object.entries(forgeries)) {
    assert.deepEqual(await registry.put(js, under, bytes), [], what)
  }
  const { listing } = await first.run('lookup', JS, '--fresh', '--timeout', '10s')
  assert.equal(listing.peer_id, js.peerId.toString())
  assert.deepEqual(listing.capabilities, ['juggle'])
})

test('js finds the record that ours published, by name and by key', async () => {
  const found = await eventually(20_000, () => registry.get(js, record.recordKey('first')))
  assert.equal(found.entity_id, 'first')
  assert.deepEqual(found.capabilities, ['translate'])
  const derived = record.derivedId(found.public_key)
  assert.deepEqual(await registry.get(js, record.recordKey(derived)), found)
})

test('js finds the provider that ours announced', async () => {
  const root = record.shardKey('translate', '')
  const found = await eventually(20_000, async () => {
    const proved = await registry.providers(js, root, 'translate')
    return proved.length > 0 && proved
  })
  assert.deepEqual(found.map(({ name }) => name), [first.peerId])
})

test('ours discovers js by what it announced', async () => {
  for (const under of record.providerKeys('juggle', key.publicKey.raw)) {
    await registry.provide(js, under)
  }
  const listings = await eventually(20_000, async () => {
    const { listings } = await second.run('discover', 'juggle', '--timeout', '10s')
    return listings.length > 0 && listings
  })
  assert.deepEqual(listings.map(({ entity }) => entity), [JS])
})

test('js keeps what ours publishes, and answers when ours asks', async () => {
  await first.run('register', 'sing')
  const under = record.recordKey('first', 'sing').toString('hex')
  const stored = await eventually(20_000, () => kept.records.get(under))
  assert.deepEqual(stored.fields.capabilities, ['sing', 'translate'])
  const provider = record.shardKey('sing', '').toString('hex')
  await eventually(20_000, () => kept.providers.get(provider)?.has(first.peerId))
  const before = kept.answered.GET_VALUE ?? 0
  await second.run('lookup', 'first', '--fresh', '--timeout', '10s')
  assert.ok(kept.answered.GET_VALUE > before, 'ours asked js')
})
