// Deterministic CBOR as docs/PROTOCOL.md §2.2 wants it: heads in their shortest form, map keys in the
// bytewise order of their encoded form. Only the items that registry records use.

/**
 * Encodes a non-negative integer, a string, a Uint8Array, an array, or an object (a map with text keys).
 */
export function encode (item) {
  if (typeof item === 'number' || typeof item === 'bigint') return head(0, BigInt(item))
  if (item instanceof Uint8Array) return Buffer.concat([head(2, BigInt(item.length)), item])
  if (typeof item === 'string') {
    const text = Buffer.from(item, 'utf8')
    return Buffer.concat([head(3, BigInt(text.length)), text])
  }
  if (Array.isArray(item)) {
    return Buffer.concat([head(4, BigInt(item.length)), ...item.map(encode)])
  }
  const entries = Object.entries(item).map(([key, value]) => [encode(key), encode(value)])
  entries.sort(([a], [b]) => Buffer.compare(a, b))
  return Buffer.concat([head(5, BigInt(entries.length)), ...entries.flat()])
}

/**
 * Decodes one item that fills all of `bytes`; integers come out as numbers, maps as objects.
 */
export function decode (bytes) {
  const reader = { bytes: Buffer.from(bytes), at: 0 }
  const item = read(reader)
  if (reader.at !== reader.bytes.length) throw new Error('bytes after the item')
  return item
}

function head (major, value) {
  const byte = major << 5
  if (value < 24n) return Buffer.from([byte | Number(value)])
  for (const [info, size] of [[24, 1], [25, 2], [26, 4], [27, 8]]) {
    if (value < 1n << BigInt(size * 8)) {
      const bytes = Buffer.alloc(1 + size)
      bytes[0] = byte | info
      bytes.write(value.toString(16).padStart(size * 2, '0'), 1, 'hex')
      return bytes
    }
  }
  throw new Error(`${value} has more than 64 bits`)
}

function read (reader) {
  const first = take(reader, 1)[0]
  const info = first & 31
  if (info > 27) throw new Error('no such head in deterministic CBOR')
  const value = info < 24 ? info : Number(`0x${take(reader, 1 << (info - 24)).toString('hex')}`)
  switch (first >> 5) {
    case 0: return value
    case 2: return new Uint8Array(take(reader, value))
    case 3: return new TextDecoder('utf-8', { fatal: true }).decode(take(reader, value))
    case 4: return Array.from({ length: value }, () => read(reader))
    case 5: return Object.fromEntries(Array.from({ length: value }, () => [read(reader), read(reader)]))
    default: throw new Error('not an item of this protocol')
  }
}

function take (reader, length) {
  if (length > reader.bytes.length - reader.at) throw new Error('cut short')
  reader.at += length
  return reader.bytes.subarray(reader.at - length, reader.at)
}
