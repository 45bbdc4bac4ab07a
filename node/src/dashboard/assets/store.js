// What the page knows. Views read it; whoever changes it says so, and the page is drawn once a frame.

/** Most events that the log view can show. */
const MOST_EVENTS = 500
/** Most peers whose handshakes and measurements are remembered. */
const MOST_PEERS = 500

export const state = {
  /** `{ name, id }` of what is shown. */
  route: { name: 'mesh', id: null },
  /** `connecting`, `live`, `waiting` (for the next attempt), `locked` (a token is needed). */
  link: 'connecting',
  /** When the next attempt follows, while waiting. */
  retryAt: 0,
  /** Why a token is needed. */
  locked: null,
  /** What the node said, by resource (see resources.js); `undefined` until it has. */
  data: {},
  /** Failures of reading, by resource. */
  failures: {},
  /** The last failure of something that the reader asked for. */
  problem: null,
  /** Actions under way. */
  busy: new Set(),
  /** What happened while the page was open, the newest last. */
  events: [],
  /** Handshakes that were watched, by peer id (see handshakes.js). */
  handshakes: new Map(),
  /** Round trips measured from here, by peer id: `{ us, at, agent }`. */
  measured: new Map(),
  /** What the reader chose: filters, opened rows, drafts. */
  ui: {}
}

let draw = () => {}
let scheduled = false

/** `render` is called soon after every change. */
export function onChange (render) {
  draw = render
}

/** Something has changed. */
export function changed () {
  if (scheduled) return
  scheduled = true
  // A hidden page has no frames; it must still be right when somebody looks again.
  const soon = document.hidden ? (then) => setTimeout(then, 200) : requestAnimationFrame
  soon(() => {
    scheduled = false
    draw()
  })
}

/** Changes part of the state. */
export function set (part) {
  Object.assign(state, part)
  changed()
}

/** Remembers an event. */
export function remember (event) {
  state.events.push(event)
  if (state.events.length > MOST_EVENTS) state.events.splice(0, state.events.length - MOST_EVENTS)
  changed()
}

/** Puts a value into a map that forgets what was put first. */
export function putBounded (map, key, value) {
  map.delete(key)
  map.set(key, value)
  if (map.size > MOST_PEERS) map.delete(map.keys().next().value)
}
