// Rate limits: whom this node refused, and who asked this node to wait.

import { h } from '../dom.js'
import * as format from '../format.js'
import { badge, empty, facts, panel, peerLink, pending, table, time } from '../parts.js'
import { isOffered } from '../resources.js'
import { state } from '../store.js'
import { isolated, plain } from '../text.js'

export const title = 'Limits'
export const needs = ['limits', 'outbox', 'dht']

/** How the node says that a receiver asked for patience. */
const PACED = /asked to wait/

export function render () {
  const paced = (state.data.outbox?.items ?? []).filter(({ waits_for: why }) => PACED.test(why ?? ''))
  const refused = Object.entries(state.data.dht?.refused ?? {})
  return [
    panel('Limits that were hit', { id: 'hit', note: 'per peer and class' }, hits()),
    panel('Messages that were asked to wait', { id: 'paced' }, paced.length === 0
      ? empty('None.', 'Where a receiver asks for patience, what waits for it is listed here.')
      : table({
        caption: 'Messages whose receiver asked to wait',
        columns: [{ title: 'To' }, { title: 'Message' }, { title: 'Why' }],
        rows: paced.map((line) => ({
          key: line.message_id,
          cells: [peerLink(line.peer_id, line.peer),
            h('a', { href: `#/messages/trace/${line.message_id}` }, h('code', {}, format.short(line.message_id))), isolated(line.waits_for)]
        }))
      })),
    refused.length > 0 && panel('Refused by the registry', { id: 'refused' },
      facts(refused.map(([why, number]) => [plain(why), String(number)])))
  ]
}

function hits () {
  if (!isOffered('limits')) return empty('This node does not tell.', 'It counts no refusals for the page; its log names each.')
  const waiting = pending('limits')
  if (waiting) return waiting
  const told = state.data.limits
  const lines = Array.isArray(told) ? told : told.items ?? []
  if (lines.length === 0) return empty('None was hit.', 'Limits of strangers are tight; pinned peers have wider ones. Both can be set in the configuration.')
  return table({
    caption: 'Rate limits that were hit, the latest first',
    columns: [{ title: 'Peer' }, { title: 'Direction' }, { title: 'Class' }, { title: 'Times', class: 'number' }, { title: 'Limit' }, { title: 'Last' }],
    rows: lines.map((line, index) => ({
      key: `${line.peer_id ?? 'node'} ${line.direction} ${line.class} ${index}`,
      cells: [
        line.peer_id ? peerLink(line.peer_id, line.entity) : 'all together',
        line.direction === 'outgoing' ? badge('busy', 'we were asked to wait') : badge('warn', 'we refused'),
        plain(line.class ?? '–'), String(line.hits ?? line.count ?? '–'),
        line.per_minute != null ? `${line.per_minute} a minute, ${line.burst} at once` : line.wait_ms != null ? `wait ${format.duration(line.wait_ms)}` : '–',
        time(line.last_at)
      ]
    }))
  })
}
