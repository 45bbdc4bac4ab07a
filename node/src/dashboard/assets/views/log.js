// What happened: the node's events while this page was open, and the last lines of its log.

import { h } from '../dom.js'
import * as format from '../format.js'
import { badge, command, empty, panel, pending } from '../parts.js'
import { isOffered } from '../resources.js'
import { set, state } from '../store.js'
import { isolated, plain, shown } from '../text.js'

export const title = 'Log'
export const needs = ['log', 'peers']

const LEVELS = ['ERROR', 'WARN', 'INFO', 'DEBUG', 'TRACE']
const KINDS = { ERROR: 'bad', WARN: 'warn', INFO: 'good', DEBUG: 'idle', TRACE: 'idle' }
/** Events shown; more are kept. */
const MOST = 100

export function render () {
  return [
    panel('Events', { id: 'events', note: 'since this page was opened' }, state.events.length === 0
      ? empty('Nothing has happened yet.', 'Connections, handshakes, messages and transfers appear here as they happen.')
      : h('ol', { class: 'log', 'aria-label': 'Events, the newest first' }, state.events.slice(-MOST).reverse().map(event))),
    panel('Log', { id: 'lines', tools: tools() }, lines())
  ]
}

function tools () {
  const least = state.ui.level ?? 'INFO'
  return [
    h('label', {}, 'Level ', h('select', { id: 'log-level', 'data-change': 'log-level' },
      LEVELS.map((level) => h('option', { value: level, selected: level === least }, level.toLowerCase())))),
    h('label', {}, 'Contains ', h('input', { id: 'log-filter', type: 'search', 'data-change': 'log-filter', autocomplete: 'off' }))
  ]
}

function lines () {
  if (!isOffered('log')) return empty('This node does not show its log here.', 'It writes it to standard error; ', command('peer run -v'), ' says more.')
  const waiting = pending('log')
  if (waiting) return waiting
  const told = state.data.log
  const all = Array.isArray(told) ? told : told.lines ?? told.items ?? []
  const least = LEVELS.indexOf(state.ui.level ?? 'INFO')
  const wanted = (state.ui.logFilter ?? '').toLowerCase()
  const found = all.map(parsed).filter((line) => LEVELS.indexOf(line.level) <= least &&
    (!wanted || `${line.target} ${line.message}`.toLowerCase().includes(wanted)))
  return found.length === 0
    ? empty('No line matches.', 'Another level or fewer words show more.')
    : h('ol', { class: 'log', tabindex: 0, 'aria-label': 'Log, the newest first' }, found.reverse().map(line))
}

function parsed (line) {
  if (typeof line === 'string') {
    const level = /\b(ERROR|WARN|INFO|DEBUG|TRACE)\b/.exec(line)?.[1] ?? 'INFO'
    return { level, target: '', message: line }
  }
  const fields = line.fields && typeof line.fields === 'object'
    ? Object.entries(line.fields).map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`).join(' ')
    : line.fields ?? ''
  return {
    at: line.at, level: String(line.level).toUpperCase(), target: line.target ?? '',
    message: [line.message, fields].filter(Boolean).join(' ')
  }
}

const line = ({ at, level, target, message }) => h('li', {},
  at && h('time', { datetime: new Date(at).toISOString(), title: format.exact(at) }, format.clock(at)),
  badge(KINDS[level] ?? 'idle', level.toLowerCase()),
  h('span', { class: 'target' }, plain(target)),
  h('span', { class: 'what', dir: 'auto' }, shown(message, { limit: 2000 })))

function event ({ at, event: name, ...about }) {
  const peer = state.data.peers?.find(({ peer_id: id }) => id === about.peer_id)
  const who = about.entity ?? peer?.entity ?? about.peer ?? about.from ?? (about.peer_id ? `…${about.peer_id.slice(-8)}` : null)
  const what = [about.step, about.state, about.status, about.kind, about.code, about.detail, about.address, about.name]
    .filter((part) => typeof part === 'string').join(' · ')
  return h('li', {},
    h('time', { datetime: new Date(at).toISOString(), title: format.exact(at) }, format.clock(at)),
    badge(/fail|refus|error/.test(name) ? 'bad' : /disconnect|ended|missed/.test(name) ? 'warn' : 'idle', plain(name).replaceAll('_', ' ')),
    h('span', { class: 'target' }, who && isolated(who, { limit: 60 })),
    h('span', { class: 'what' }, shown(what)))
}

export const actions = {
  'log-level' (select) {
    state.ui.level = select.value
    set({})
  },
  'log-filter' (input) {
    state.ui.logFilter = input.value
    set({})
  }
}
