// This node itself: who it is, where it can be reached, what it keeps.

import { h } from '../dom.js'
import * as format from '../format.js'
import { badge, button, command, copyable, empty, facts, panel, pending, table, time } from '../parts.js'
import { state } from '../store.js'
import { isolated, plain, said } from '../text.js'

export const title = 'Node'
export const needs = ['netcheck', 'mailbox']

const REACHABLE = {
  public: ['good', 'public', 'others can connect to this node from everywhere'],
  local: ['good', 'local', 'everybody it knows is in its own network, where they can'],
  private: ['warn', 'private', 'it is behind a NAT or a firewall; relays help'],
  unknown: ['idle', 'unknown', 'nobody has tested it yet']
}

export function render () {
  const { status, netcheck } = state.data
  return [
    panel('Identity', { id: 'identity', tools: button({ label: 'Forget token', action: 'forget', kind: 'small' }) }, pending('status') ?? identity(status)),
    netcheck?.store && h('p', { class: 'why', 'data-key': 'trouble' }, h('b', {}, 'Nothing can be saved: '),
      said(netcheck.store.reason), ' since ', time(netcheck.store.since), `. Next: ${plain(netcheck.store.next)}.`),
    panel('Queues', { id: 'queues' }, pending('status') ?? queues(status)),
    panel('Reachability', { id: 'reachability' }, pending('netcheck') ?? reachability(netcheck)),
    panel('Mailbox', { id: 'mailbox' }, pending('mailbox') ?? mailbox(state.data.mailbox))
  ]
}

const identity = (status) => [
  h('p', { class: 'headline' }, isolated(status.entity), h('span', { class: 'note' }, `peer ${plain(status.version)}, up `,
    h('span', { title: `since ${format.exact(Date.now() - status.uptime_ms)}` }, format.duration(status.uptime_ms)))),
  facts([
    ['Fingerprint', copyable(status.fingerprint, 'fingerprint')],
    ['Peer id', copyable(status.peer_id, 'peer id')],
    ['Listens on', status.listen.length === 0
      ? 'nothing; this node only dials'
      : status.listen.map((address) => h('div', {}, copyable(address, 'address')))]
  ])
]

const queues = (status) => facts([
  ['Waiting to be sent', depth(status.outbox)],
  ['Waiting for the agent', depth(status.inbox)],
  ['Agents listening', status.agents === 0 ? ['none; attach one: ', command('peer listen')] : String(status.agents)],
  ['Transfers running', String(status.transfers)],
  ['Connected peers', String(status.connected)],
  ['Sessions ready', String(status.sessions)]
])

const depth = ({ messages, bytes }) => `${format.count(messages, 'message')}, ${format.size(bytes)}`

function reachability (netcheck) {
  const { reachability: about, clock } = netcheck
  return [
    h('p', { class: 'headline' }, badge(...(REACHABLE[about.status] ?? REACHABLE.unknown)),
      h('span', { class: 'note' }, (REACHABLE[about.status] ?? REACHABLE.unknown)[2])),
    facts([
      ['NAT', plain(about.nat)],
      ['Router (UPnP)', plain(about.upnp)],
      ['Multicast DNS', about.mdns ? 'on' : 'off'],
      ['Hash table', `${plain(about.dht)}: ${plain(netcheck.dht_reason)}`],
      ['Relays for others', netcheck.relay_server ? 'yes' : 'no'],
      ['Carries over hops', netcheck.carries ? 'yes' : 'no'],
      ['Announced', about.announced.length > 0 && about.announced.map((address) => h('code', { class: 'line' }, plain(address)))],
      ['Seen by peers at', about.observed.length > 0 && about.observed.map(({ address, networks }) =>
        h('code', { class: 'line' }, plain(address), ` (${format.count(networks, 'network')})`))],
      ['Relays used', about.relays.length > 0 && about.relays.map(({ address, reserved }) =>
        h('div', {}, h('code', {}, plain(address)), ' ', reserved ? badge('good', 'reserved') : badge('busy', 'asked')))],
      ['Clocks of peers', clock.peers > 0 && `${format.duration(Math.abs(clock.median_ahead_ms))} ${clock.median_ahead_ms < 0 ? 'behind' : 'ahead'} in the median of ${clock.peers}`]
    ]),
    about.addresses.length > 0 && table({
      titled: true,
      caption: 'Addresses that may be this node\'s',
      columns: [{ title: 'Address' }, { title: 'Source' }, { title: 'Confirmed' }, { title: 'Refusals', class: 'number' }],
      rows: about.addresses.map((line) => ({
        key: `${line.source} ${line.address}`,
        cells: [h('code', {}, plain(line.address)), plain(line.source),
          line.confirmed_ms == null ? 'not yet' : `for ${format.duration(line.confirmed_ms)}`, String(line.refusals)]
      }))
    }),
    netcheck.bootstrap.length > 0 && table({
      titled: true,
      caption: 'Bootstrap peers',
      columns: [{ title: 'Address' }, { title: 'State' }, { title: 'Why' }],
      rows: netcheck.bootstrap.map((line) => ({
        key: line.address,
        cells: [h('code', {}, plain(line.address)), line.connected ? badge('good', 'connected') : badge('bad', 'not connected'),
          line.last_error ? said(line.last_error) : '–']
      }))
    })
  ]
}

const mailbox = (box) => [
  facts([
    ['Serves', plain(box.serve)],
    ['Keeps for others', `${format.count(box.items, 'item')} of ${format.count(box.owners, 'owner')}, ${format.size(box.bytes)}`]
  ]),
  box.nodes.length === 0
    ? empty('This node has no mailbox nodes.', 'Name some under ', command('[mailbox]'), ' in the configuration, so that mail waits while this node is away.')
    : table({
      titled: true,
      caption: 'This node\'s mailbox nodes',
      columns: [{ title: 'Node' }, { title: 'Prekeys left', class: 'number' }, { title: 'Items waiting', class: 'number' }],
      rows: box.nodes.map((line) => ({
        key: line.peer_id,
        cells: [h('code', {}, plain(line.peer_id)), line.prekeys_left ?? '–', line.items_waiting ?? '–']
      }))
    }),
  box.lying.length > 0 && table({
    titled: true,
    caption: 'Messages of this node in others\' mailboxes',
    columns: [{ title: 'Receiver' }, { title: 'At' }, { title: 'Messages', class: 'number' }],
    rows: box.lying.map((line) => ({
      key: `${line.peer_id} ${line.node}`,
      cells: [h('code', {}, plain(line.peer_id)), h('code', {}, plain(line.node)), line.messages]
    }))
  })
]
