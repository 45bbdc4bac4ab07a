// Our node as a separate process on loopback, driven through its command line.

import { execFile, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

const PROGRAM = process.env.PEER

/** A running node; `stop` ends it and removes its data. */
export class Node {
  #child
  #log = ''

  /** Starts a node called `entity` with more arguments of `peer run`. */
  static async start (entity, { listen = ['/ip4/127.0.0.1/tcp/0'], args = [] } = {}) {
    const node = new Node()
    node.entity = entity
    node.dir = await mkdtemp(join(tmpdir(), 'peer-interop-'))
    const addresses = listen.flatMap((address) => ['--listen', address])
    node.#child = spawn(
      PROGRAM,
      ['-v', '--data-dir', node.dir, 'run', '--entity', entity, ...addresses, ...args],
      // Tests never multicast on the machine's interfaces.
      {
        env: { ...process.env, PEER_MDNS: 'off', PEER_UPNP: 'off' },
        stdio: ['ignore', 'pipe', 'pipe']
      }
    )
    for (const stream of [node.#child.stdout, node.#child.stderr]) {
      stream.on('data', (text) => { node.#log = (node.#log + text).slice(-100_000) })
    }
    const ended = new Promise((resolve) => node.#child.once('exit', resolve)).then(() => 'ended')
    const up = eventually(20_000, () => node.run('status'))
    const status = await Promise.race([up, ended.then(() => { throw new Error('it ended') })])
      .catch(async () => {
        await node.stop()
        throw new Error(`${entity} did not come up:\n${node.log}`)
      })
    node.peerId = status.peer_id
    node.addresses = status.listen
    return node
  }

  /** What it has logged, at most the last 100,000 characters. */
  get log () {
    return this.#log
  }

  /** Its address that holds `part`, such as `/ws`. */
  address (part = '/tcp/') {
    const found = this.addresses.find((address) => address.includes(part))
    if (found == null) throw new Error(`no ${part} in ${this.addresses}`)
    return found
  }

  /** Runs a command and returns its JSON; a failure is thrown with `failure` as the command told it. */
  async run (...args) {
    const command = ['--json', '--data-dir', this.dir, ...args]
    const { error, stdout, stderr } = await new Promise((resolve) => {
      execFile(PROGRAM, command, { timeout: 60_000 }, (error, stdout, stderr) => {
        resolve({ error, stdout, stderr })
      })
    })
    if (error == null) return JSON.parse(stdout)
    const failed = new Error(`peer ${args.join(' ')}: exit code ${error.code}: ${stdout}${stderr}`)
    failed.code = error.code
    failed.failure = parsed(stdout) ?? parsed(stderr)
    throw failed
  }

  async stop () {
    this.#child.kill('SIGKILL')
    await rm(this.dir, { recursive: true, force: true })
  }
}

/** Asks until `ask` resolves with something; its last error if it does not in time (milliseconds). */
export async function eventually (within, ask) {
  const end = Date.now() + within
  for (;;) {
    try {
      const answer = await ask()
      if (answer !== undefined && answer !== false) return answer
      if (Date.now() >= end) throw new Error('it did not happen in time')
    } catch (error) {
      if (Date.now() >= end) throw error
    }
    await pause(50)
  }
}

function parsed (text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
