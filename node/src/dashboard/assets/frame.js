// What stands around every view: the head, the list of views, failures, the request for a token.

import { h, s } from './dom.js'
import * as format from './format.js'
import { badge, button, command, field } from './parts.js'
import { set, state } from './store.js'
import { isolated, plain, said } from './text.js'

const ICONS = {
  mesh: 'M10 3a2 2 0 1 0 0 4 2 2 0 0 0 0-4M4.500 13a2 2 0 1 0 0 4 2 2 0 0 0 0-4M15.500 13a2 2 0 1 0 0 4 2 2 0 0 0 0-4M9 6.700l-3.500 6.500M11 6.700l3.500 6.500M6.500 15h7',
  peers: 'M7 4.500a2.700 2.700 0 1 0 0 5.400 2.700 2.700 0 0 0 0-5.400M2 16.500c0-3 2-4.500 5-4.500s5 1.500 5 4.500M13.500 5.500a2.300 2.300 0 1 1 0 4.500M14.500 12.300c2.300.3 3.500 1.700 3.500 4.200',
  sessions: 'M6 9V6.500a4 4 0 0 1 8 0V9M4.500 9h11v8h-11zM10 12.300v1.700',
  messages: 'M3 5h14v10.500H3zM3 5.500l7 5.500 7-5.500',
  transfers: 'M6 16V4M3 7l3-3 3 3M14 4v12M11 13l3 3 3-3',
  registry: 'M8.700 3.500a5.200 5.200 0 1 0 0 10.400 5.200 5.200 0 0 0 0-10.400M12.500 12.500l4.500 4.500',
  limits: 'M4 15.500a7.500 7.500 0 1 1 12 0M10 12l3.200-4',
  log: 'M4 5h12M4 9h12M4 13h12M4 17h7',
  node: 'M4 3.500h12v5.500H4zM4 11h12v5.500H4zM7 6.250h.1M7 13.750h.1'
}

const icon = (name) => s('svg', { viewBox: '0 0 20 20', 'aria-hidden': 'true', class: 'icon' }, s('path', { d: ICONS[name] }))

export const header = (locked) => [
  h('a', { class: 'brand', href: '#/', 'data-key': 'brand' },
    h('img', { src: '/dashboard/icon.svg', alt: '', width: 26, height: 26 }),
    h('span', {}, state.data.status ? isolated(state.data.status.entity, { limit: 40 }) : 'peer')),
  h('span', { class: 'link', 'data-key': 'link' }, link(locked)),
  button({ label: themeLabel(), action: 'theme', kind: 'quiet', name: `Colours: ${themeName()}. Change` }),
  !locked && h('button', {
    type: 'button', class: 'menu', 'data-do': 'menu', 'aria-expanded': String(state.ui.menu === true), 'aria-controls': 'nav'
  }, 'Menu')
]

function link (locked) {
  if (locked) return badge('idle', 'locked')
  if (state.link === 'live') return badge('good', 'live')
  if (state.link === 'connecting') return badge('busy', 'connecting')
  return badge('bad', 'no answer', `again in ${format.duration(Math.max(0, state.retryAt - Date.now()))}`)
}

export const navigation = (views) => h('ul', {}, Object.entries(views).map(([name, { title }]) => h('li', { 'data-key': name },
  h('a', { href: `#/${name}`, 'aria-current': name === state.route.name ? 'page' : null },
    icon(name), h('span', {}, title), waiting(name)))))

function waiting (name) {
  const number = name === 'messages' ? state.data.status?.waiting : null
  return number > 0 && h('span', { class: 'count' }, number, h('span', { class: 'unseen' }, ' waiting for the agent'))
}

/** The last failure, until it is dismissed. */
export function notice () {
  const { problem } = state
  if (!problem) return []
  return h('div', { class: 'problem', role: 'alert' },
    h('p', {}, h('b', {}, said(problem.detail, { limit: 800 })), h('br'), `Next: ${plain(problem.next)}.`,
      problem.messageId && [' ', h('a', { href: `#/messages/trace/${plain(problem.messageId)}` }, 'Follow the message')]),
    button({ label: 'Dismiss', action: 'dismiss', kind: 'small' }))
}

/** Asks for the token. */
export const lock = () => h('section', { class: 'lock', 'aria-labelledby': 'lock-title' },
  h('h1', { id: 'lock-title' }, 'This node wants its token'),
  state.locked && h('p', { class: 'why', role: 'alert' }, state.locked),
  h('p', {}, 'Whoever has the token can do everything that the operator can, so it is asked for once in each tab. ',
    'On the machine of the node, ', command('peer api url'), ' prints an address that has it inside, ',
    command('peer api token'), ' the token alone.'),
  h('form', { class: 'form', 'data-do': 'unlock' },
    field('Token', h('input', {
      id: 'token', name: 'token', type: 'password', required: true, autocomplete: 'off', spellcheck: 'false'
    })),
    h('div', { class: 'actions' }, h('button', { type: 'submit', class: 'primary' }, 'Open'))))

const THEMES = { auto: 'as the system', light: 'light', dark: 'dark' }
const SIGNS = { auto: '◐', light: '☀', dark: '☾' }

const theme = () => document.documentElement.dataset.theme ?? 'auto'
const themeName = () => THEMES[theme()]
const themeLabel = () => h('span', { 'aria-hidden': 'true', title: `Colours: ${themeName()}` }, SIGNS[theme()])

export const actions = {
  theme () {
    const next = { auto: 'light', light: 'dark', dark: 'auto' }[theme()]
    if (next === 'auto') {
      delete document.documentElement.dataset.theme
      localStorage.removeItem('peer-theme')
    } else {
      document.documentElement.dataset.theme = next
      localStorage.setItem('peer-theme', next)
    }
    set({})
  },
  menu () {
    state.ui.menu = state.ui.menu !== true
    set({})
  },
  dismiss: () => set({ problem: null })
}
