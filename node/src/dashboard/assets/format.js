// Times, sizes and rates for people.

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** A length of time: two units at most, one if it is to be `brief`. */
export function duration (ms, { brief = false } = {}) {
  if (!Number.isFinite(ms)) return '–'
  if (ms < SECOND) return `${Math.max(0, Math.round(ms))} ms`
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s`
  const pair = (big, bigName, small, smallName) => {
    const [whole, rest] = [Math.floor(ms / big), Math.floor((ms % big) / small)]
    return rest > 0 && !brief ? `${whole} ${bigName} ${rest} ${smallName}` : `${whole} ${bigName}`
  }
  if (ms < HOUR) return pair(MINUTE, 'min', SECOND, 's')
  if (ms < DAY) return pair(HOUR, 'h', MINUTE, 'min')
  return pair(DAY, 'd', HOUR, 'h')
}

/** How long ago `at` (milliseconds since 1970) was, or how far ahead it is; one unit. */
export function relative (at, now = Date.now()) {
  const ms = Math.abs(now - at)
  // Seven days from now are still seven days a moment later.
  const whole = at <= now ? Math.floor : Math.round
  const unit = ms < MINUTE
    ? `${whole(ms / SECOND)} s`
    : ms < HOUR
      ? `${whole(ms / MINUTE)} min`
      : ms < DAY ? `${whole(ms / HOUR)} h` : `${whole(ms / DAY)} d`
  if (ms < 2 * SECOND) return 'just now'
  return at <= now ? `${unit} ago` : `in ${unit}`
}

/** The moment itself, in the reader's time zone. */
export const exact = (at) =>
  new Date(at).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' })

/** The time of day, with milliseconds. */
export const clock = (at) => {
  const date = new Date(at)
  const two = (number) => String(number).padStart(2, '0')
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}` +
    `.${String(date.getMilliseconds()).padStart(3, '0')}`
}

/** Bytes, in binary units. */
export function size (bytes) {
  if (!Number.isFinite(bytes)) return '–'
  if (bytes < 1024) return `${bytes} B`
  let value = bytes
  for (const unit of ['KiB', 'MiB', 'GiB']) {
    value /= 1024
    if (value < 1024) return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`
  }
  return `${(value / 1024).toFixed(1)} TiB`
}

/** Microseconds on the way. */
export function roundTrip (us) {
  if (!Number.isFinite(us)) return '–'
  if (us < 1000) return `${us} µs`
  return us < 10_000 ? `${(us / 1000).toFixed(1)} ms` : `${Math.round(us / 1000)} ms`
}

/** The beginning of an id: enough to name it in every command. */
export const short = (id) => String(id ?? '').slice(0, 8)

/** `1 message`, `2 messages`. */
export const count = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`
