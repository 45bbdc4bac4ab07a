// A js-libp2p node that speaks what ours does, from the npm packages as they are.

import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { kadDHT } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import { createLibp2p } from 'libp2p'
import { keyPair } from './record.js'

/** The registry's protocol (docs/PROTOCOL.md §11). */
export const KAD = '/peer/kad/1.0.0'

/** Starts a js-libp2p node on loopback whose identity comes from a 32-byte seed. */
export async function start (seed, { kad = false } = {}) {
  const services = { identify: identify(), ping: ping() }
  if (kad) {
    services.dht = kadDHT({
      protocol: KAD,
      clientMode: false,
      // All of this happens on loopback, whose addresses are removed by default.
      peerInfoMapper: (peer) => peer,
      allowQueryWithZeroPeers: true,
      networkDialTimeout: { minTimeout: 1000 }
    })
  }
  return createLibp2p({
    privateKey: await keyPair(seed),
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp(), webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services
  })
}
