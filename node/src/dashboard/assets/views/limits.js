// Rate limits (`docs/PROTOCOL.md` §10): who was asked to wait, and what was refused.

import { h } from '../dom.js'
import * as format from '../format.js'
import { badge, command, empty, facts, panel, peerLink, pending, table, time } from '../parts.js'
import { state } from '../store.js'
import { plain, said } from '../text.js'
import { matching } from './lines.js'

export const title = 'Limits'
export const needs = ['peers', 'outbox', 'transfers', 'dht', 'log']

/** How the node says that a receiver asked for patience. */
const PACED = /asked to wait/
const CODE = 'RATE_LIMITED'
const LOGGED = /asked to slow down|RATE_LIMITED|rate limit/

export function render () {
  const refused = Object.entries(state.data.dht?.refused ?? {})
  return [
    panel('Waiting for others', { id: 'paced', note: 'this node was asked to slow down' }, pending('outbox') ?? paced()),
    panel('Limits that were hit', { id: 'hit', note: 'by handshakes, sessions and transfers' }, pending('peers') ?? hits()),
    panel('In the log', { id: 'logged', note: 'its last lines' }, pending('log') ?? logged()),
    panel('Refused by the registry', { id: 'refused', note: 'since the node was started' }, pending('dht') ?? (refused.length === 0
      ? empty('Nothing was refused.')
      : facts(refused.map(([why, number]) => [plain(why), String(number)]))))
  ]
}

function logged () {
  const lines = matching(state.data.log.lines, LOGGED)
  return lines.length === 0
    ? empty('No line speaks of a limit.')
    : h('ol', { class: 'log', tabindex: 0, 'aria-label': 'Lines of the log about limits, the newest first' }, lines)
}

function paced () {
  const lines = state.data.outbox.items.filter(({ waits_for: why }) => PACED.test(why ?? ''))
  return lines.length === 0
    ? empty('Nothing waits for a limit.', 'Messages whose receiver asks for patience are listed here; they go on by themselves.')
    : table({
      caption: 'Messages whose receiver asked to wait',
      columns: [{ title: 'To' }, { title: 'Message' }, { title: 'Why', class: 'wide' }, { title: 'Since' }],
      rows: lines.map((line) => ({
        key: line.message_id,
        cells: [peerLink(line.peer_id, line.peer),
          h('a', { href: `#/messages/trace/${line.message_id}` }, h('code', {}, format.short(line.message_id))),
          said(line.waits_for), time(line.created)]
      }))
    })
}

/** What names the code for it: the last errors of peers, transfers, and events while the page was open. */
function hits () {
  const { peers, transfers = [] } = state.data
  const name = (id) => peers.find(({ peer_id: peer }) => peer === id)?.entity
  const lines = [
    ...peers.filter(({ last_error: error }) => error?.includes(CODE)).map((peer) =>
      ({ peer: peer.peer_id, what: 'session', why: peer.last_error })),
    ...transfers.filter(({ code }) => code === CODE).map((transfer) =>
      ({ peer: transfer.peer_id, what: `transfer ${transfer.name ?? format.short(transfer.id)}`, why: transfer.detail, at: transfer.updated })),
    ...state.events.filter(({ code }) => code === CODE).reverse().map((event) =>
      ({ peer: event.peer_id, what: event.event.replaceAll('_', ' '), why: event.detail, at: event.at }))
  ].slice(0, 200)
  return lines.length === 0
    ? empty('None.', 'Limits of strangers are tight; pinned peers have wider ones. Both are set under ', command('[rate]'), ' and ', command('[trusted_rate]'), '.')
    : table({
      caption: 'Limits that were hit',
      columns: [{ title: 'Peer' }, { title: 'What' }, { title: 'Why', class: 'wide' }, { title: 'When' }],
      rows: lines.map((line, index) => ({
        key: `${line.peer} ${line.what} ${line.at ?? index}`,
        cells: [line.peer ? peerLink(line.peer, name(line.peer)) : '–', badge('warn', plain(line.what, 60)), said(line.why ?? '', { limit: 400 }), time(line.at)]
      }))
    })
}
