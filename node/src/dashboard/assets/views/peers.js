// Peers: how things stand with each, and whom this node trusts.

import { act, announce } from '../act.js'
import { post } from '../api.js'
import { ask } from '../dialog.js'
import { h } from '../dom.js'
import * as format from '../format.js'
import { button, command, copyable, empty, facts, field, panel, peerLink, pending, table, time } from '../parts.js'
import { reload } from '../resources.js'
import { putBounded, set, state } from '../store.js'
import { isolated, plain, said } from '../text.js'
import { encryption, pathText, peerBadge, roundTripOf, trustBadge } from './shared.js'
import { strip } from './strip.js'

export const title = 'Peers'
export const needs = ['peers', 'trust']

export function render ({ id }) {
  const peers = state.data.peers
  if (id) return pending('peers') ?? one(id, peers.find(({ peer_id: peer }) => peer === id))
  return [
    panel('Peers', {
      id: 'peers',
      tools: h('button', { type: 'button', class: 'primary', 'data-do': 'connect' }, 'Connect …')
    }, pending('peers') ?? (peers.length === 0
      ? empty('No peers yet.', 'Connect to one by its address: ', command('peer connect <address>'), ' does the same.')
      : list(peers))),
    panel('Trust list', { id: 'trust' }, pending('trust') ?? trustList(state.data.trust))
  ]
}

const list = (peers) => table({
  caption: 'Connected peers, and those with a session or waiting messages',
  columns: [{ title: 'Peer' }, { title: 'State' }, { title: 'Way' }, { title: 'Round trip', class: 'number' },
    { title: 'Version' }, { title: 'Encryption' }, { title: 'Trust' }, { title: 'Queued', class: 'number' },
    { title: 'Actions', class: 'act' }],
  rows: peers.map((peer) => ({
    key: peer.peer_id,
    cells: [peerLink(peer.peer_id, peer.entity), peerBadge(peer), pathText(peer),
      format.roundTrip(roundTripOf(peer)), peer.protocol ?? '–', encryption(peer), trustBadge(peer.trust),
      peer.queued, trustButtons(peer)]
  }))
})

function trustButtons ({ entity, fingerprint, trust, level = trust }) {
  if (!entity) return null
  const about = { entity, fingerprint }
  return h('span', { class: 'buttons' },
    level !== 'pinned' && button({ label: 'Pin', action: 'pin', kind: 'small', name: `Pin ${plain(entity)}`, ...about }),
    level !== 'revoked' && button({ label: 'Revoke', action: 'revoke', kind: 'small quiet', name: `Revoke ${plain(entity)}`, ...about }))
}

const trustList = (lines) => lines.length === 0
  ? empty('Nobody yet.', 'Whoever completes a handshake is remembered here with the fingerprint of its key.')
  : table({
    caption: 'Entities and keys that this node remembers',
    columns: [{ title: 'Entity' }, { title: 'Trust' }, { title: 'Fingerprint' }, { title: 'First seen' },
      { title: 'Last seen' }, { title: 'Actions', class: 'act' }],
    rows: lines.map((line) => ({
      key: `${line.entity} ${line.fingerprint}`,
      cells: [isolated(line.entity, { limit: 60 }), trustBadge(line.level), h('code', { class: 'fingerprint' }, line.fingerprint),
        time(line.first_seen), time(line.last_seen), trustButtons(line)]
    }))
  })

function one (id, peer) {
  const back = h('p', { class: 'back', 'data-key': 'back' }, h('a', { href: '#/peers' }, '← All peers'))
  if (!peer) {
    return [back, empty('This peer is not connected, has no session, and nothing waits for it.', h('code', {}, plain(id)))]
  }
  const life = state.measured.get(id)
  return [back, panel('Peer', {
    id: 'peer',
    tools: [
      button({ label: 'Write …', action: 'write', peer: peer.entity ?? id }),
      button({ label: 'Measure', action: 'measure', busy: `measure ${id}`, peer: id }),
      button({ label: 'Wake agent', action: 'wake', busy: `wake ${id}`, peer: id })
    ]
  },
  h('p', { class: 'headline' }, isolated(peer.entity ?? 'not proven yet'), peerBadge(peer), encryption(peer), trustBadge(peer.trust)),
  peer.session && strip(peer),
  facts([
    ['Last error', peer.last_error && said(peer.last_error, { limit: 600 })],
    ['Way', pathText(peer)],
    ['Address', (peer.path?.address ?? peer.address) && h('code', {}, plain(peer.path?.address ?? peer.address))],
    ['Round trip', format.roundTrip(roundTripOf(peer))],
    ['Agent', life && [life.text, ', asked ', time(life.at)]],
    ['Protocol version', peer.protocol],
    ['Cipher suite', peer.session?.suite],
    ['Session since', peer.session?.since > 0 && time(peer.session.since)],
    ['Renewed before', peer.session?.expires > 0 && time(peer.session.expires)],
    ['Queued for it', format.count(peer.queued, 'message')],
    ['Fingerprint', copyable(peer.fingerprint, 'fingerprint')],
    ['Peer id', copyable(peer.peer_id, 'peer id')]
  ]),
  h('p', {}, trustButtons(peer)))]
}

const AGENT_STATES = {
  attached: 'attached',
  absent: 'none attached',
  unresponsive: 'attached, but does not respond',
  unknown: 'attached, cannot be asked'
}

/** What is known of a peer's agent. Old nodes only say whether there is one. */
export function lifeText ({ alive, agent, agent_state: known = agent ? 'attached' : 'absent' }) {
  if (!alive) return 'the node does not answer'
  return Object.hasOwn(AGENT_STATES, known) ? AGENT_STATES[known] : plain(known)
}

/** Asks a peer whether it lives; remembers the round trip, and what it says of its agent. */
export async function measure (peer) {
  const life = await post('/v1/alive', { peer, timeout_ms: 5000 }, { wait: 8000 })
  putBounded(state.measured, peer, { us: life.round_trip_us ?? null, at: Date.now(), text: lifeText(life) })
  set({})
  return life
}

export const actions = {
  async connect () {
    const input = h('input', {
      id: 'connect-address', name: 'address', required: true, autocomplete: 'off', spellcheck: 'false',
      placeholder: '/ip4/192.0.2.7/tcp/4711/p2p/12D3Koo…'
    })
    const form = await ask({
      title: 'Connect to a peer',
      body: field('Address', input, 'As the other node prints it, or `peer status` there.'),
      confirm: 'Connect'
    })
    if (!form) return
    const address = String(form.get('address')).trim()
    await act('connect', async () => {
      announce('Connecting …')
      return await post('/v1/connect', { address, timeout_ms: 20_000 }, { wait: 25_000 })
    }, (peer) => `Connected to ${plain(peer.entity ?? peer.peer_id)}`)
    reload('peers')
  },

  async pin ({ dataset: { entity, fingerprint } }) {
    const form = await ask({
      title: 'Pin this key?',
      body: [h('p', {}, 'Compare the fingerprint with ', isolated(entity), ' over another channel, such as a call. ',
        'There, ', command('peer id'), ' prints it. Pin only if both are the same.'),
      h('p', { class: 'compare' }, h('code', {}, fingerprint))],
      confirm: 'They are the same: pin'
    })
    if (!form) return
    await act('pin', () => post('/v1/trust/pin', { entity, fingerprint }), `${plain(entity)} is pinned`)
    reload('trust', 'peers')
  },

  async revoke ({ dataset: { entity, fingerprint } }) {
    const form = await ask({
      title: 'Revoke this key?',
      body: [h('p', {}, 'This node will refuse everything signed by this key of ', isolated(entity), ', and close its sessions.'),
        h('p', { class: 'compare' }, h('code', {}, fingerprint))],
      confirm: 'Revoke',
      danger: true
    })
    if (!form) return
    await act('revoke', () => post('/v1/trust/revoke', { who: fingerprint }), `The key of ${plain(entity)} is revoked`)
    reload('trust', 'peers')
  },

  measure: ({ dataset: { peer } }) => act(`measure ${peer}`, () => measure(peer), (life) => life.alive
    ? `Round trip ${format.roundTrip(life.round_trip_us)}`
    : `No answer: ${plain(life.error ?? '')}`),

  wake: ({ dataset: { peer } }) => act(`wake ${peer}`, () => post('/v1/wake', { peer, timeout_ms: 20_000 }, { wait: 25_000 }),
    (woken) => woken.woken ? 'The agent was told' : `Not woken: ${plain(woken.detail)}`),

  write ({ dataset: { peer } }) {
    state.ui.to = peer
    location.hash = '#/messages/send'
  },

  async copy ({ dataset: { text } }) {
    try {
      await navigator.clipboard.writeText(text)
      announce('Copied')
    } catch {
      announce('The browser does not allow copying here; select the text instead')
    }
  }
}
