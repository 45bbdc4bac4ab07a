// A browser that looks at a node, and takes down what it should not do.

import { mkdir } from 'node:fs/promises'
import { chromium } from 'playwright-core'

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync']
const SCREENS = process.env.SCREENSHOTS ?? 'screenshots'

/** A browser of its own. */
export class Browser {
  static async start () {
    const browser = new Browser()
    browser.chromium = await chromium.launch({ executablePath: process.env.CHROMIUM, args: FLAGS })
    return browser
  }

  stop = () => this.chromium.close()

  /** A tab in a profile of its own, which takes down whatever it should not do. */
  async open (url, { width = 1280, height = 800, scheme = 'light', motion = 'no-preference' } = {}) {
    const context = await this.chromium.newContext({
      viewport: { width, height }, colorScheme: scheme, reducedMotion: motion, permissions: ['clipboard-read', 'clipboard-write']
    })
    const page = await context.newPage()
    page.requests = []
    page.complaints = []
    context.on('request', (request) => page.requests.push(request.url()))
    page.on('console', (line) => {
      if (['error', 'warning'].includes(line.type())) page.complaints.push(`${line.type()}: ${line.text()} ${line.location().url}`)
    })
    page.on('pageerror', (error) => page.complaints.push(error.stack))
    page.on('dialog', (dialog) => {
      page.complaints.push(`a dialog: ${dialog.message()}`)
      dialog.dismiss()
    })
    page.origin = new URL(url).origin
    await page.goto(url)
    return page
  }
}

/** Goes to a view by its address, as a link would, and waits until it has been drawn. */
export async function visit (page, view) {
  await page.evaluate((hash) => { location.hash = hash }, `#/${view}`)
  await page.waitForFunction((hash) => location.hash === hash && document.querySelector('#view h1') &&
    !document.querySelector('#view .loading'), `#/${view}`)
}

/** What a page is never to do: ask anybody but its node, or complain. */
export function assertClean (assert, page, allowed = () => false) {
  const foreign = page.requests.filter((url) => !url.startsWith(`${page.origin}/`))
  assert.deepEqual(foreign, [], 'requests to somebody else')
  assert.ok(page.requests.length > 10, 'the page was watched')
  assert.deepEqual(page.complaints.filter((line) => !allowed(line)), [], 'errors in the console')
}

export async function screenshot (page, name) {
  await mkdir(SCREENS, { recursive: true })
  await page.screenshot({ path: `${SCREENS}/${name}.png`, fullPage: true })
}
