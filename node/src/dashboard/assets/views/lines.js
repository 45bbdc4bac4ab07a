// The last lines of the node's log, by level and by words.

import { h } from '../dom.js'
import * as format from '../format.js'
import { badge, command, empty, panel, pending } from '../parts.js'
import { set, state } from '../store.js'
import { plain, shown } from '../text.js'

const LEVELS = ['ERROR', 'WARN', 'INFO', 'DEBUG', 'TRACE']
const KINDS = { ERROR: 'bad', WARN: 'warn', INFO: 'busy', DEBUG: 'idle', TRACE: 'idle' }
const LINE = /^(\S+)\s+(ERROR|WARN|INFO|DEBUG|TRACE)\s+(?:[^:]*:\s)?([\w:]+): ([^]*)$/

export const lines = () => panel('Log', { id: 'lines', tools: tools() }, pending('log') ?? found(state.data.log.lines))

function tools () {
  const least = state.ui.level ?? 'INFO'
  return [
    h('label', { for: 'log-level' }, 'Level'),
    h('select', { id: 'log-level', 'data-change': 'log-level' },
      LEVELS.slice(0, -1).map((level) => h('option', { value: level, selected: level === least }, level.toLowerCase()))),
    h('label', { for: 'log-filter' }, 'Contains'),
    h('input', { id: 'log-filter', type: 'search', 'data-change': 'log-filter', autocomplete: 'off' })
  ]
}

function found (all) {
  const least = LEVELS.indexOf(state.ui.level ?? 'INFO')
  const wanted = (state.ui.logFilter ?? '').toLowerCase()
  const some = all.map(parsed).filter(({ level, whole }) =>
    LEVELS.indexOf(level) <= least && whole.toLowerCase().includes(wanted))
  return some.length === 0
    ? empty('No line matches.', 'Another level or fewer words show more. All of it goes to standard error: ', command('peer run -v'))
    : h('ol', { class: 'log', tabindex: 0, 'aria-label': 'Log, the newest first' }, some.reverse().map(line))
}

/** A line that is not like the others is shown as it is. */
function parsed (whole) {
  const [, time, level = 'INFO', target = '', message = whole] = LINE.exec(whole) ?? []
  const at = Date.parse(time)
  return { whole, at: Number.isNaN(at) ? null : at, level, target, message }
}

/** Lines that match, the newest first. */
export const matching = (all, pattern) => all.filter((whole) => pattern.test(whole)).reverse().map(parsed).map(line)

const line = ({ at, level, target, message }) => h('li', {},
  at && h('time', { datetime: new Date(at).toISOString(), title: format.exact(at) }, format.clock(at)),
  badge(KINDS[level], level.toLowerCase()),
  h('span', { class: 'target' }, plain(target)),
  h('span', { class: 'what', dir: 'auto' }, shown(message, { limit: 2000 })))

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
