// Dialling in both directions: TCP and WebSocket with Noise and Yamux, identify, ping.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { start } from './js_peer.js'
import { Node, eventually } from './node.js'

const TCP = '/ip4/127.0.0.1/tcp/0'
let js, ours

before(async () => {
  js = await start(Buffer.alloc(32, 1))
  ours = await Node.start('ours', { listen: [TCP, `${TCP}/ws`] })
})

after(async () => {
  await js?.stop()
  await ours?.stop()
})

async function dialAndPing (address) {
  const connection = await js.dial(multiaddr(address))
  assert.equal(connection.remotePeer.toString(), ours.peerId)
  assert.equal(connection.encryption, '/noise')
  assert.equal(connection.multiplexer, '/yamux/1.0.0')
  const trip = await js.services.ping.ping(multiaddr(address))
  assert.ok(trip >= 0 && trip < 5000, `a ping took ${trip} ms`)
  return connection
}

test('js dials ours over TCP, Noise and Yamux, and pings it', async () => {
  await dialAndPing(ours.address())
})

test('identify says who we are and what we speak', async () => {
  const identified = await js.services.identify.identify(await js.dial(multiaddr(ours.address())))
  assert.match(identified.agentVersion, /^peer\/\d/)
  assert.equal(identified.protocolVersion, 'peer/1.1.0')
  for (const protocol of ['/peer/1.1.0', '/peer/1.0.0', '/ipfs/ping/1.0.0', '/ipfs/id/1.0.0']) {
    assert.ok(identified.protocols.includes(protocol), `${protocol} in ${identified.protocols}`)
  }
})

test('js dials ours over WebSocket', async () => {
  await js.hangUp(peerIdFromString(ours.peerId))
  const connection = await dialAndPing(ours.address('/ws'))
  assert.match(connection.remoteAddr.toString(), /\/ws/)
})

test('ours dials js, and says what js does not speak', async () => {
  const stranger = await start(Buffer.alloc(32, 2))
  try {
    const address = stranger.getMultiaddrs()[0].toString()
    const error = await ours.run('connect', address, '--timeout', '10s').then(
      () => assert.fail('a session with a peer that does not speak the protocol'),
      (error) => error
    )
    assert.match(error.message, /speaks neither/)
    assert.equal(error.code, 4)
    const connected = await eventually(5000, () => {
      return stranger.getConnections().some(({ remotePeer }) => remotePeer.toString() === ours.peerId)
    })
    assert.ok(connected, 'the connection itself stands')
    const known = await eventually(5000, async () => {
      const peer = await stranger.peerStore.get(peerIdFromString(ours.peerId))
      return peer.protocols.includes('/peer/1.1.0')
    })
    assert.ok(known, 'js identified ours on the connection that ours made')
    assert.ok(await stranger.services.ping.ping(peerIdFromString(ours.peerId)) >= 0)
  } finally {
    await stranger.stop()
  }
})
