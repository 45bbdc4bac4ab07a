// The page: which view is shown, the frame around it, and who acts on what.

import { announce } from './act.js'
import { decoded, forgetToken, hasToken, setToken, takeToken } from './api.js'
import { actions as dialogActions } from './dialog.js'
import { h, patch } from './dom.js'
import { follow } from './events.js'
import { actions as frameActions, header, lock, navigation, notice } from './frame.js'
import { watch } from './handshakes.js'
import { apply, hint, need, reload, start } from './resources.js'
import { onChange, remember, set, state } from './store.js'
import { plain } from './text.js'
import * as limits from './views/limits.js'
import * as log from './views/log.js'
import * as mesh from './views/mesh.js'
import * as messages from './views/messages.js'
import * as node from './views/node.js'
import { KINDS } from './views/outbox.js'
import * as peers from './views/peers.js'
import * as registry from './views/registry.js'
import * as sessions from './views/sessions.js'
import * as transfers from './views/transfers.js'

const VIEWS = { mesh, peers, sessions, messages, transfers, registry, limits, log, node }

/** How often relative times are drawn anew, and how often peers in view are measured; milliseconds. */
const TICK = 1000
const MEASURE = 60_000
/** How long what happens is quiet after something was said; milliseconds. */
const TELL = 3000
/** Most peers measured at once. */
const MOST_MEASURED = 16

const actions = {
  ...dialogActions,
  ...frameActions,
  ...peers.actions,
  ...messages.actions,
  ...transfers.actions,
  ...registry.actions,
  ...log.actions,
  skip: () => document.getElementById('main').focus(),
  unlock (form) {
    setToken(String(new FormData(form).get('token')))
    set({ link: 'connecting', locked: null })
    connect()
  },
  forget () {
    forgetToken()
    refuse('The token of this page was forgotten.')
  }
}

let stream = null
let told = 0

function connect () {
  stream?.stop()
  stream = follow('/v1/events', {
    state (link, ms) {
      if (state.link === 'locked') return
      if (link === 'live') {
        // What happened before the stream began is in no event.
        reload()
        if (state.link === 'waiting') announce('Connected again')
      }
      set({ link, retryAt: Date.now() + (ms ?? 0) })
    },
    event (name, data) {
      if (name === 'reset') return reload()
      const event = { ...data, event: data.event ?? name, at: data.at ?? Date.now() }
      watch(event, event.at)
      remember(event)
      apply(event)
      hint(event.event)
      tell(event)
      if (event.event === 'missed') reload()
    },
    refused: () => refuse()
  })
  need(VIEWS[state.route.name].needs)
}

/** Says what somebody who listens instead of looking wants to know at once; not more than once in a while. */
function tell ({ event, entity, from, kind, peer_id: peer }) {
  const who = plain(entity ?? from ?? state.data.peers?.find(({ peer_id: id }) => id === peer)?.entity ?? 'a peer', 60)
  const text = {
    message: `A ${KINDS[kind] ?? 'message'} from ${who} came in`,
    session_ready: `The session with ${who} is ready`,
    handshake_failed: `The handshake with ${who} failed`,
    disconnected: `The connection to ${who} was lost`
  }[event]
  if (!text || Date.now() - told < TELL) return
  told = Date.now()
  announce(text)
}

/** The node does not accept the token: asks for another. */
function refuse (why = 'The node does not accept this token.') {
  stream?.stop()
  forgetToken()
  state.handshakes.clear()
  state.measured.clear()
  set({ link: 'locked', locked: why, data: {}, failures: {}, events: [], ui: {}, problem: null })
}

function route () {
  if (takeToken() && state.link === 'locked') {
    set({ link: 'connecting', locked: null })
    connect()
  }
  const [, name = '', id = null] = /^#\/([a-z]+)(?:\/(.+))?$/.exec(location.hash) ?? []
  const next = { name: Object.hasOwn(VIEWS, name) ? name : 'mesh', id: id && decoded(id) }
  const moved = next.name !== state.route.name || next.id !== state.route.id
  if (moved) patch(document.getElementById('view'), [])
  state.ui.menu = false
  set({ route: next, problem: moved ? null : state.problem })
  if (state.link !== 'locked') need(VIEWS[next.name].needs)
}

function render () {
  const locked = state.link === 'locked'
  const view = VIEWS[state.route.name]
  document.title = `${locked ? 'Token' : view.title} · peer`
  document.body.classList.toggle('locked', locked)
  document.getElementById('nav').classList.toggle('open', state.ui.menu === true)
  patch(document.getElementById('top'), header(locked))
  patch(document.getElementById('nav'), locked ? [] : navigation(VIEWS))
  patch(document.getElementById('notice'), notice())
  patch(document.getElementById('view'), locked
    ? lock()
    : [h('h1', { class: 'unseen', 'data-key': 'title' }, view.title), view.render(state.route)])
}

function listen () {
  document.addEventListener('click', (event) => {
    const element = event.target.closest('[data-do]')
    if (!element || element.nodeName === 'FORM') return
    // The address names views, not places in one.
    if (element.dataset.do === 'skip') event.preventDefault()
    if (element.ariaDisabled !== 'true') actions[element.dataset.do]?.(element, event)
  })
  document.addEventListener('submit', (event) => {
    const form = event.target.closest('form[data-do]')
    if (!form) return
    event.preventDefault()
    actions[form.dataset.do]?.(form, event)
  })
  const change = (event) => {
    const element = event.target.closest('[data-change]')
    if (element) actions[element.dataset.change]?.(element, event)
  }
  document.addEventListener('change', change)
  document.addEventListener('input', (event) => event.target.type === 'search' && change(event))
  addEventListener('hashchange', () => {
    route()
    // Whoever follows a link by keyboard or ear goes on from where it leads.
    document.getElementById('main').focus({ preventScroll: true })
    scrollTo(0, 0)
  })
  matchMedia('(max-width: 640px)').addEventListener('change', () => set({}))
  document.addEventListener('visibilitychange', () => document.hidden || reload())
}

/** Round trips that the node does not tell are measured from here, now and then, while somebody looks. */
function measureSome () {
  if (document.hidden || !['mesh', 'peers'].includes(state.route.name) || state.link === 'locked') return
  const due = (state.data.peers ?? []).filter((peer) => peer.path && peer.session && peer.round_trip_us == null &&
    Date.now() - (state.measured.get(peer.peer_id)?.at ?? 0) > MEASURE)
  for (const { peer_id: peer } of due.slice(0, MOST_MEASURED)) {
    if (state.busy.has(`measuring ${peer}`)) continue
    state.busy.add(`measuring ${peer}`)
    // A peer that cannot be measured shows no round trip; nobody asked for it.
    peers.measure(peer).catch(() => state.measured.set(peer, { us: null, at: Date.now(), text: 'unknown' }))
      .finally(() => state.busy.delete(`measuring ${peer}`))
  }
}

onChange(render)
listen()
start(() => state.link === 'locked' || refuse())
takeToken()
if (hasToken()) {
  route()
  connect()
} else {
  set({ link: 'locked', locked: null })
  route()
}
setInterval(() => {
  if (document.hidden) return
  set({})
  measureSome()
}, TICK)
