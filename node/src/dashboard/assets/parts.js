// What all views are made of. Everything acts by name: `data-do` names an action of app.js's table.

import { h, s } from './dom.js'
import * as format from './format.js'
import { isolated, plain } from './text.js'
import { state } from './store.js'

/** Shapes stand beside every colour, so that none is needed to tell states apart. */
const SHAPES = {
  good: 'M2.2 6.4 5 9.2l4.8-6',
  busy: 'M6 1.5a4.5 4.5 0 1 1-4.2 2.9',
  warn: 'M6 1.6 11 10.4H1zM6 5v2.4',
  bad: 'M2.5 2.5l7 7m0-7-7 7',
  idle: 'M2 6h8'
}

/** A state in words, with a colour and a shape. */
export const badge = (kind, text, title) =>
  h('span', { class: `badge ${kind}`, title: title && plain(title) },
    s('svg', { viewBox: '0 0 12 12', 'aria-hidden': 'true' }, s('path', { d: SHAPES[kind] ?? SHAPES.idle })),
    text)

/** A moment, relative; the exact one when pointed at. */
export const time = (at) => at == null || at === 0
  ? h('span', { class: 'faint' }, '–')
  : h('time', { datetime: new Date(at).toISOString(), title: format.exact(at) }, format.relative(at))

/** For `aria-disabled`: whether an action is under way. */
export const waits = (name) => state.busy.has(name) ? 'true' : null

/** A button that does `action`; more attributes say to what. */
export const button = ({ label, action, kind = '', busy, name, ...data }) =>
  h('button', {
    type: 'button',
    class: kind,
    'data-do': action,
    'aria-label': name,
    // Not `disabled`, which would take the focus away from whoever has just pressed it.
    'aria-disabled': busy && waits(busy),
    ...Object.fromEntries(Object.entries(data).map(([key, value]) => [`data-${key}`, value]))
  }, label)

/** A peer by name, which leads to what is known of it. */
export const peerLink = (peerId, entity) =>
  h('a', { class: 'peer', href: `#/peers/${encodeURIComponent(peerId)}`, title: plain(peerId) },
    isolated(entity ?? `…${String(peerId).slice(-8)}`, { limit: 60 }))

/** A part of the page with a heading. */
export const panel = (title, { tools, level = 'h2', note, id, ...rest }, ...body) =>
  h('section', { class: `panel ${rest.class ?? ''}`, 'data-key': id ?? title, 'aria-label': title },
    h('div', { class: 'panel-head' }, h(level, {}, title), note && h('span', { class: 'note' }, note),
      tools && h('div', { class: 'tools' }, tools)),
    body)

/** Nothing is there, and what to do about it. */
export const empty = (text, ...next) =>
  h('div', { class: 'empty' }, h('p', {}, h('strong', {}, text)), next.length > 0 && h('p', {}, next))

/** A command to type. */
export const command = (text) => h('code', { class: 'command' }, text)

/** Pairs of a name and what is known. Those without anything known are left out. */
export const facts = (pairs) => h('dl', { class: 'facts' }, pairs
  .filter(([, value]) => value != null && value !== false && value !== '')
  .map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))))

/** Text that can be copied. */
export const copyable = (text, what) => h('span', { class: 'copyable' },
  h('code', {}, plain(text, 2000)),
  button({ label: 'Copy', action: 'copy', kind: 'small quiet', name: `Copy ${what}`, text: String(text) }))

/** A labelled field of a form. */
export const field = (label, input, hint) => {
  const id = input.id
  if (hint) input.setAttribute('aria-describedby', `${id}-hint`)
  return h('div', { class: 'field' }, h('label', { for: id }, label), input,
    hint && h('p', { class: 'hint', id: `${id}-hint` }, hint))
}

/** How far something has come. */
export const bar = (done, total, label) => h('progress', {
  value: total > 0 ? done : 1, max: total > 0 ? total : 1, 'aria-label': label
})

/**
 * A table that becomes a list of cards where there is no room. Columns: `{ title, class }`; rows:
 * `{ key, cells, class }`. Roles are spelt out, because layout by CSS takes them from tables. The caption
 * is only read aloud, unless the table is one of several below a heading (`titled`).
 */
export const table = ({ caption, columns, rows, titled = false }) =>
  h('table', { class: 'table', role: 'table' },
    h('caption', {}, h('span', { class: titled ? 'titled' : 'unseen' }, caption)),
    h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, columns.map(({ title, class: name }) =>
      h('th', { scope: 'col', role: 'columnheader', class: name }, title)))),
    h('tbody', { role: 'rowgroup' }, rows.map((row) => h('tr', {
      role: 'row', 'data-key': row.key, class: row.class
    }, row.cells.map((cell, index) => h('td', {
      role: 'cell', 'data-label': columns[index].title, class: columns[index].class
    }, cell))))))

/** What a resource says before and instead of its data; null once there is data. */
export function pending (name) {
  const failure = state.failures[name]
  if (state.data[name] != null) return null
  if (failure) return empty(failure.detail, `Next: ${failure.next}.`)
  return h('p', { class: 'loading' }, 'Loading …')
}
