// Our node as a separate process on loopback, which can be stopped and started again as the same.

import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

const PROGRAM = process.env.PEER

/** Processes and directories that must not outlive the tests, whatever becomes of those. */
const started = new Set()
const directories = new Set()
process.once('exit', () => {
  for (const child of started) child.kill('SIGKILL')
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

function launch (args, options) {
  const child = spawn(PROGRAM, args, options)
  started.add(child)
  child.once('exit', () => started.delete(child))
  return child
}

export class Node {
  #child
  #args
  #log = ''

  /** Starts a node called `entity`, with its API on a loopback port, more arguments of `peer run`, and a configuration. */
  static async start (entity, args = [], config = '') {
    const node = new Node()
    node.entity = entity
    node.#args = args
    node.dir = mkdtempSync(join(tmpdir(), 'peer-dashboard-'))
    directories.add(node.dir)
    await writeFile(join(node.dir, 'config.toml'), config)
    await node.#up('127.0.0.1:0')
    return node
  }

  async #up (api) {
    const args = ['-v', '--data-dir', this.dir, 'run', '--entity', this.entity, '--listen', '/ip4/127.0.0.1/tcp/0', '--api', api]
    // Tests never multicast on the machine's interfaces.
    const env = { ...process.env, PEER_MDNS: 'off', PEER_UPNP: 'off' }
    this.#child = launch([...args, ...this.#args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.on('data', (text) => { this.#log = (this.#log + text).slice(-100_000) })
    }
    const ended = new Promise((resolve) => this.#child.once('exit', resolve)).then(() => { throw new Error('it ended') })
    const up = eventually(20_000, () => this.run('api', 'url'))
    ended.catch(() => {})
    try {
      const { url } = await Promise.race([up, ended])
      this.url = url
      const { peer_id: peer, listen } = await this.run('status')
      Object.assign(this, { peerId: peer, address: listen[0] })
    } catch (error) {
      await this.stop()
      throw new Error(`${this.entity} did not come up: ${error.message}\n${this.#log}`)
    }
  }

  /** What it has logged, at most the last 100,000 characters. */
  get log () {
    return this.#log
  }

  /** Runs a command and returns its JSON. */
  async run (...args) {
    const command = ['--json', '--data-dir', this.dir, ...args]
    return await new Promise((resolve, reject) => {
      execFile(PROGRAM, command, { timeout: 60_000, maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
        if (error) return reject(new Error(`peer ${args.join(' ')}: exit code ${error.code}: ${stdout}${stderr}`))
        try {
          resolve(JSON.parse(stdout))
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  /** Runs a command with text on its standard input; how it ends is not looked at. */
  feed (text, ...args) {
    return new Promise((resolve) => {
      const child = execFile(PROGRAM, ['--data-dir', this.dir, ...args], { timeout: 60_000 }, resolve)
      child.stdin.end(text)
    })
  }

  /** Puts an agent behind it: a shell command that answers each message. */
  agent (command) {
    this.agentProcess = launch(['--data-dir', this.dir, 'listen', '--exec', command], { stdio: 'ignore' })
  }

  /** Ends the process, as a crash would. */
  async kill () {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    if (this.#child.exitCode == null && this.#child.signalCode == null && this.#child.kill('SIGKILL')) await ended
  }

  /** Starts it again with all it had, at the same port. */
  again = () => this.#up(new URL(this.url).host)

  async stop () {
    this.agentProcess?.kill('SIGKILL')
    await this.kill()
    await rm(this.dir, { recursive: true, force: true })
    directories.delete(this.dir)
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
