// The registry: who is where, and who can do what.

import { act, fields } from '../act.js'
import { post } from '../api.js'
import { h } from '../dom.js'
import * as format from '../format.js'
import { badge, button, command, copyable, empty, facts, field, panel, pending, table, time, waits } from '../parts.js'
import { reload } from '../resources.js'
import { set, state } from '../store.js'
import { isolated, plain } from '../text.js'
import { trustBadge } from './shared.js'

export const title = 'Registry'
export const needs = ['dht']

const SOURCES = { own: 'this node', registry: 'the registry, just now', cache: 'the registry, a short while ago', file: 'the registry file' }

export function render () {
  const { found, discovered } = state.ui
  return [
    h('div', { class: 'columns', 'data-key': 'forms' },
      panel('Look up', { id: 'lookup' }, h('form', { class: 'form inline', 'data-do': 'lookup' },
        field('Entity', h('input', { id: 'lookup-entity', name: 'entity', required: true, autocomplete: 'off', spellcheck: 'false' }),
          'Entity id, peer id or fingerprint.'),
        h('div', { class: 'actions' }, h('button', { type: 'submit', class: 'primary', 'aria-disabled': waits('lookup') }, 'Look up')))),
      panel('Discover', { id: 'discover' }, h('form', { class: 'form inline', 'data-do': 'discover' },
        field('Capabilities', h('input', { id: 'discover-capabilities', name: 'capabilities', required: true, autocomplete: 'off', spellcheck: 'false', placeholder: 'translate ocr' }),
          'Names with spaces between; whoever has all of them is found.'),
        h('div', { class: 'actions' }, h('button', { type: 'submit', class: 'primary', 'aria-disabled': waits('discover') }, 'Discover'))))),
    (state.busy.has('lookup') || state.busy.has('discover')) && h('p', { class: 'loading', 'data-key': 'asking' }, 'Asking the registry …'),
    found && panel('Found', { id: 'found', note: `${format.count(found.asked, 'request')}, ${format.duration(found.took_ms)}` },
      listing(found.listing), found.rivals.length > 0 && h('p', { class: 'why' },
        'Other keys claim the same name; the trust list refuses them: ', found.rivals.map((key) => h('code', {}, key, ' ')))),
    discovered && panel('Discovered', {
      id: 'discovered',
      note: `${format.count(discovered.asked, 'request')}, ${format.duration(discovered.took_ms)}` +
        `${discovered.rejected > 0 ? `, ${discovered.rejected} rejected` : ''}${discovered.complete ? '' : '; there may be more'}`
    }, discovered.listings.length === 0
      ? empty('Nobody has all of these.', 'Fewer capabilities find more. To offer one yourself: ', command('peer register <capability>'))
      : h('ul', { class: 'cards' }, discovered.listings.map((line) => h('li', { class: 'card' }, listing(line))))),
    panel('Register', { id: 'register' }, h('form', { class: 'form inline', 'data-do': 'register' },
      field('Capabilities to add', h('input', { id: 'register-add', name: 'add', autocomplete: 'off', spellcheck: 'false' }),
        'Nothing here registers this entity anew, as it is.'),
      h('div', { class: 'actions' }, h('button', { type: 'submit', 'aria-disabled': waits('register') }, 'Register')))),
    panel('Part in the hash table', { id: 'dht' }, pending('dht') ?? dht(state.data.dht))
  ]
}

const listing = (line) => [
  h('p', { class: 'headline' }, isolated(line.entity), trustBadge(line.trust),
    h('span', { class: 'note' }, `from ${SOURCES[line.source] ?? plain(line.source)}`),
    line.addresses.length > 0 && button({ label: 'Connect', action: 'registry-connect', kind: 'small', busy: 'connect', peer: line.entity }),
    button({ label: 'Write …', action: 'write', kind: 'small', peer: line.entity })),
  facts([
    ['Capabilities', line.capabilities.length > 0 && line.capabilities.map((name) => [h('span', { class: 'tag' }, isolated(name)), ' '])],
    ['Addresses', line.addresses.map((address) => h('code', { class: 'line' }, plain(address)))],
    ['Says so since', line.last_seen && time(line.last_seen)],
    ['Holds until', line.expires && time(line.expires)],
    ['Fingerprint', copyable(line.fingerprint, 'fingerprint')],
    ['Peer id', copyable(line.peer_id, 'peer id')]
  ])
]

const dht = (dht) => [
  h('p', { class: 'headline' }, badge(dht.mode === 'off' ? 'idle' : 'good', plain(dht.mode)), h('span', { class: 'note' }, plain(dht.reason))),
  facts([
    ['Peers in the table', String(dht.peers.length)],
    ['Kept for others', `${format.count(dht.records, 'record')}, ${format.count(dht.providers, 'provider entry', 'provider entries')}`],
    ['Own records', String(dht.own_records)],
    ['Queries', `${dht.running} running, ${dht.waiting} waiting, ${dht.done} done, ${dht.timed_out} ran out of time`],
    ['Registered', dht.registration
      ? [time(dht.registration.at), ` under ${format.count(dht.registration.keys, 'key')}, ${dht.registration.stored} kept by others`]
      : 'not yet'],
    ['Refused', Object.keys(dht.refused).length > 0 && Object.entries(dht.refused).map(([why, number]) => `${plain(why)}: ${number}`).join(', ')]
  ]),
  dht.peers.length > 0 && h('details', {}, h('summary', {}, 'Peers in the table'), table({
    caption: 'Peers in the routing table',
    columns: [{ title: 'Peer id' }, { title: 'Addresses' }],
    rows: dht.peers.map((peer) => ({
      key: peer.peer_id,
      cells: [h('code', {}, plain(peer.peer_id)), peer.addresses.map((address) => h('code', { class: 'line' }, plain(address)))]
    }))
  }))
]

const names = (text = '') => text.split(/[\s,]+/).filter(Boolean)

export const actions = {
  async lookup (form) {
    const { entity } = fields(form)
    const found = await act('lookup', () => post('/v1/lookup', { entity, timeout_ms: 30_000 }, { wait: 35_000 }), 'Found')
    Object.assign(state.ui, { found: found ?? null })
    set({})
  },
  async discover (form) {
    const capabilities = names(fields(form).capabilities)
    const discovered = await act('discover', () => post('/v1/discover', { capabilities, timeout_ms: 30_000 }, { wait: 35_000 }),
      ({ listings }) => `${format.count(listings.length, 'entity', 'entities')} found`)
    Object.assign(state.ui, { discovered: discovered ?? null })
    set({})
  },
  async register (form) {
    const add = names(fields(form).add)
    await act('register', () => post('/v1/register', { add, remove: [] }, { wait: 120_000 }),
      ({ keys, stored }) => `Registered under ${format.count(keys, 'key')}, ${stored} kept by others`)
    reload('dht')
  },
  'registry-connect': ({ dataset: { peer } }) => act('connect', () =>
    post('/v1/alive', { peer, timeout_ms: 20_000 }, { wait: 25_000 }), (life) => life.alive ? `${plain(peer)} answers` : `${plain(peer)} does not answer: ${plain(life.error ?? '')}`)
}
