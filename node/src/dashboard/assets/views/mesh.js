// The mesh: this node, the peers around it, and the ways to them.

import { h, s } from '../dom.js'
import * as format from '../format.js'
import { command, empty, panel, peerLink, pending, table, time } from '../parts.js'
import { state } from '../store.js'
import { plain, shown } from '../text.js'
import { pathText, roundTripOf, peerBadge, PATHS } from './shared.js'
import { tiles } from './tiles.js'

export const title = 'Mesh'
export const needs = ['peers']

/** Most peers in the picture, where there is room and where there is less; the table has all. */
const MOST = { wide: 24, narrow: 10 }

export function render () {
  const peers = state.data.peers
  return [
    tiles(),
    panel('Mesh', {
      id: 'picture',
      note: peers && format.count(peers.length, 'peer'),
      tools: h('button', { type: 'button', class: 'primary', 'data-do': 'connect' }, 'Connect …')
    }, pending('peers') ?? (peers.length === 0 ? nobody() : [picture(peers), legend(peers)])),
    peers?.length > 0 && panel('Ways', { id: 'table' }, ways(peers))
  ]
}

const nobody = () => empty('No peers yet.',
  'Connect to one by its address, or wait until one connects to this node. On another machine: ',
  command(`peer connect ${plain(state.data.status?.listen?.[0] ?? '<address>')}`))

function picture (peers) {
  const narrow = matchMedia('(max-width: 640px)').matches
  const most = narrow ? MOST.narrow : MOST.wide
  // Those that there is a way to come first.
  const shownPeers = [...peers].sort((a, b) => Boolean(b.path) - Boolean(a.path)).slice(0, most)
  const { width, height, middle, places } = layout(shownPeers.length, narrow)
  const longest = narrow ? (shownPeers.length > 6 ? 10 : 13) : shownPeers.length > 12 ? 12 : 22
  const own = state.data.status
  return h('div', { class: 'mesh' },
    s('svg', {
      viewBox: `0 0 ${width} ${height}`, role: 'group', class: narrow ? 'narrow' : 'wide',
      'aria-label': `This node and ${format.count(shownPeers.length, 'peer')} around it; the table below says the same`
    },
    s('g', { class: 'lines', 'aria-hidden': 'true' },
      shownPeers.map((peer, index) => line(peer, middle, places[index]))),
    shownPeers.map((peer, index) => node(peer, places[index], middle, longest)),
    s('g', { class: 'own', 'aria-hidden': 'true' },
      s('circle', { cx: middle.x, cy: middle.y, r: 26 }),
      s('text', { x: middle.x, y: middle.y + 4, class: 'self' }, 'this'),
      s('text', { x: middle.x, y: middle.y + 46, class: 'label strong' },
        fit(own?.entity ?? '', 24)))),
    peers.length > most && h('p', { class: 'note' }, `… and ${peers.length - most} more in the table`))
}

/** Places on an ellipse around this node. The picture is no larger than it has to be for so many. */
function layout (number, narrow) {
  const [radiusX, radiusY] = narrow ? [122, number > 6 ? 165 : 140] : number > 12 ? [395, 235] : [350, 155]
  const first = number === 2 ? 0 : -Math.PI / 2
  const points = Array.from({ length: number }, (_, index) => {
    const angle = first + (index / number) * 2 * Math.PI
    return { x: Math.cos(angle) * radiusX, y: Math.sin(angle) * radiusY }
  })
  const above = 58 + Math.max(20, ...points.map(({ y }) => -y))
  const below = 58 + Math.max(20, ...points.map(({ y }) => y))
  const [width, height] = [narrow ? 360 : 960, above + below]
  const middle = { x: width / 2, y: above }
  return { width, height, middle, places: points.map(({ x, y }) => ({ x: middle.x + x, y: middle.y + y })) }
}

function line (peer, from, to) {
  const way = PATHS[peer.path?.kind]
  if (!way) return null
  const at = (part) => ({ x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part })
  const trip = roundTripOf(peer)
  const label = at(0.6)
  const carriers = peer.path.kind === 'hops' ? Math.min(peer.path.carriers ?? 1, 4) : way.marks
  const marks = Array.from({ length: carriers }, (_, index) => at(0.32 + 0.1 * index))
  return s('g', { 'data-key': `line ${peer.peer_id}`, class: `line ${peer.path.kind}` },
    s('line', { x1: from.x, y1: from.y, x2: to.x, y2: to.y }),
    marks.map(({ x, y }) => peer.path.kind === 'hops'
      ? s('circle', { cx: x, cy: y, r: 4.5, class: 'mark' })
      : s('rect', { x: x - 4.5, y: y - 4.5, width: 9, height: 9, transform: `rotate(45 ${x} ${y})`, class: 'mark' })),
    trip != null && s('text', { x: label.x, y: label.y + 4, class: 'trip' }, format.roundTrip(trip)))
}

function node (peer, { x, y }, middle, longest) {
  const ready = peer.session?.state === 'READY' || peer.session?.state === 'ACTIVE'
  const kind = ready ? 'good' : peer.last_error ? 'bad' : peer.connected ? 'busy' : 'idle'
  const name = peer.entity ?? `…${peer.peer_id.slice(-8)}`
  const under = y >= middle.y - 1
  const label = fit(name, longest)
  const whole = label === name ? [] : [plain(name)]
  return s('a', {
    'data-key': `peer ${peer.peer_id}`,
    href: `#/peers/${encodeURIComponent(peer.peer_id)}`,
    class: `node ${kind}`,
    'aria-label': [label, ...whole, stateText(peer), pathText(peer)].join(', ')
  },
  s('circle', { cx: x, cy: y, r: 17 }),
  s('path', { d: glyph(kind, x, y), class: 'glyph' }),
  s('text', { x, y: under ? y + 34 : y - 24, class: 'label' }, label))
}

/** A shape beside the colour. */
function glyph (kind, x, y) {
  if (kind === 'good') return `M${x - 6} ${y}l4.5 4.5 8-9`
  if (kind === 'bad') return `M${x - 5} ${y - 5}l10 10m0-10-10 10`
  if (kind === 'busy') return `M${x - 6} ${y}h.1M${x} ${y}h.1M${x + 6} ${y}h.1`
  return `M${x - 6} ${y}h12`
}

/** A name for a place of so many characters; what acts instead of showing is spelt out. */
function fit (name, most) {
  const text = shown(name).map((part) => part.textContent ?? part).join('')
  return text.length > most ? `${text.slice(0, most - 1)}…` : text
}

const stateText = (peer) => peer.session ? `session ${peer.session.state}` : peer.connected ? 'connected' : 'not connected'

function legend (peers) {
  return h('ul', { class: 'legend', 'aria-label': 'Kinds of ways' }, Object.entries(PATHS).map(([kind, { name, title }]) => {
    const number = peers.filter(({ path }) => path?.kind === kind).length
    return h('li', { title, class: number === 0 ? 'faint' : null },
      s('svg', { viewBox: '0 0 36 12', class: `line ${kind}`, 'aria-hidden': 'true' },
        s('line', { x1: 1, y1: 6, x2: 35, y2: 6 }),
        kind === 'relayed' && s('rect', { x: 14.5, y: 2.5, width: 7, height: 7, transform: 'rotate(45 18 6)', class: 'mark' }),
        kind === 'hops' && s('circle', { cx: 18, cy: 6, r: 3.6, class: 'mark' })),
      `${name} `, h('b', {}, number))
  }))
}

const ways = (peers) => table({
  caption: 'Peers, and the ways to them',
  columns: [{ title: 'Peer' }, { title: 'State' }, { title: 'Way' }, { title: 'Round trip', class: 'number' }, { title: 'Since' }],
  rows: peers.map((peer) => ({
    key: peer.peer_id,
    cells: [peerLink(peer.peer_id, peer.entity), peerBadge(peer), pathText(peer),
      format.roundTrip(roundTripOf(peer)), time(peer.session?.since)]
  }))
})
