// Taking part in the registry (docs/PROTOCOL.md §11) with js-libp2p's Kademlia.
//
// Its routing table and queries serve as they are. Its own handlers and `get` demand keys of the forms
// /namespace/… and CID, and the registry's keys are bare SHA-256: what carries such keys is sent and
// answered here.

import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import { Libp2pRecord } from '@libp2p/record'
import { believe, derivedId, recordKey } from './record.js'

const PATH = { index: -1, queued: 0, running: 0, total: 0 }
const MAX_KEYS = 1024

/** Asks the nodes nearest to `key` for `message`; returns the answers of those that answer. */
async function ask (node, key, message) {
  const { dht } = node.services
  const signal = AbortSignal.timeout(10_000)
  const answers = []
  for (const peer of await closest(node, key)) {
    const request = { key, ...message }
    for await (const event of dht.network.sendRequest(peer, request, { signal, path: PATH })) {
      if (event.name === 'PEER_RESPONSE') answers.push(event)
    }
  }
  return answers
}

/** The nodes nearest to `key` that can be found. */
export async function closest (node, key) {
  const found = []
  const signal = AbortSignal.timeout(10_000)
  for await (const event of node.services.dht.getClosestPeers(key, { signal })) {
    if (event.name === 'FINAL_PEER') found.push(event.peer.id)
  }
  return found
}

/** Stores a record under `key`; returns the peer ids of those that took it. */
export async function put (node, key, record) {
  const wire = new Libp2pRecord(new Uint8Array(key), record, new Date()).serialize()
  const answers = await ask(node, key, { type: 'PUT_VALUE', record: wire })
  const took = answers.filter(({ record: echo }) => echo != null && Buffer.from(record).equals(echo.value))
  return took.map(({ from }) => from.toString())
}

/** The newest record under `key` that can be believed, as its fields; undefined if there is none. */
export async function get (node, key) {
  const answers = await ask(node, key, { type: 'GET_VALUE' })
  const believed = []
  for (const { record } of answers) {
    if (record == null) continue
    const fields = await believe(record.value, key, Date.now()).catch(() => undefined)
    if (fields != null) believed.push(fields)
  }
  return believed.sort((a, b) => b.last_seen - a.last_seen)[0]
}

/** Announces the node as a provider under `key`. */
export async function provide (node, key) {
  const providers = [{
    id: node.peerId.toMultihash().bytes,
    multiaddrs: node.getMultiaddrs().map((address) => address.bytes)
  }]
  const message = { type: 'ADD_PROVIDER', key, providers }
  const signal = AbortSignal.timeout(10_000)
  for (const peer of await closest(node, key)) {
    const sent = node.services.dht.network.sendMessage(peer, message, { signal, path: PATH })
    for await (const event of sent) {
      if (event.name === 'QUERY_ERROR') throw event.error
    }
  }
}

/** The peer ids of the providers under `key`, each with the record that proves it, if there is one. */
export async function providers (node, key, capability) {
  const answers = await ask(node, key, { type: 'GET_PROVIDERS' })
  const ids = new Map(answers.flatMap(({ providers }) => providers).map(({ id }) => [id.toString(), id]))
  const proved = []
  for (const [name, id] of ids) {
    const fields = await get(node, recordKey(derivedId(id.publicKey.raw)))
    const owner = fields && peerIdFromPublicKey(publicKeyFromRaw(fields.public_key)).toString()
    if (owner === name && fields.capabilities.includes(capability)) proved.push({ name, fields })
  }
  return proved
}

/**
 * Makes the node keep and serve records and providers by the registry's rules. Returns what it keeps
 * and how many requests of each type it has answered.
 */
export function serve (node) {
  const kept = { records: new Map(), providers: new Map(), answered: {} }
  const { dht } = node.services
  const handlers = dht.rpc.handlers
  const findNode = handlers.FIND_NODE
  const answer = (type, handle) => {
    handlers[type] = {
      handle: async (from, message) => {
        const response = await handle(from, message)
        kept.answered[type] = (kept.answered[type] ?? 0) + 1
        return response
      }
    }
  }
  const nearer = async (type, { key, clusterLevel }) => {
    const peers = await dht.peerRouting.getClosestPeersOffline(key)
    return {
      type,
      key,
      clusterLevel,
      providers: [],
      closer: peers.map(({ id, multiaddrs }) => ({
        id: id.toMultihash().bytes,
        multiaddrs: multiaddrs.map((address) => address.bytes)
      }))
    }
  }
  answer('FIND_NODE', (from, message) => findNode.handle(from, message))
  answer('PUT_VALUE', async (_, message) => {
    const { key, value } = Libp2pRecord.deserialize(message.record)
    const name = Buffer.from(key).toString('hex')
    const fields = await believe(value, key, Date.now())
    const old = kept.records.get(name)
    if (old == null && kept.records.size >= MAX_KEYS) throw new Error('full')
    if (old == null || old.fields.last_seen < fields.last_seen) {
      kept.records.set(name, { fields, wire: message.record })
    }
    return message
  })
  answer('GET_VALUE', async (_, message) => {
    const record = kept.records.get(Buffer.from(message.key).toString('hex'))?.wire
    return { ...await nearer('GET_VALUE', message), record }
  })
  answer('ADD_PROVIDER', async (from, message) => {
    const own = message.providers.find(({ id }) => Buffer.from(id).equals(from.toMultihash().bytes))
    if (own == null || kept.providers.size >= MAX_KEYS) return undefined
    const name = Buffer.from(message.key).toString('hex')
    const under = kept.providers.get(name) ?? new Map()
    kept.providers.set(name, under.set(from.toString(), own))
    return undefined
  })
  answer('GET_PROVIDERS', async (_, message) => {
    const under = kept.providers.get(Buffer.from(message.key).toString('hex')) ?? new Map()
    return { ...await nearer('GET_PROVIDERS', message), providers: [...under.values()] }
  })
  return kept
}
