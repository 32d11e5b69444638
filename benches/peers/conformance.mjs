// What the public cache test suite says of `iridule serve --proxy`, beside what it said of others.
//
//   node conformance.mjs PATH/TO/iridule [--all]
//
// The suite's own server is the origin, its own client asks, and its own table of results is what the others have. A test
// of kind `check` has no right answer and is not counted; one that only a browser can run is left out.
//
// The suite is the edition on npm. A newer one is run from a checkout of github.com/http-tests/cache-tests, after `npm install`
// there, when CACHE_TESTS names its folder.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { createRequire } from 'node:module'

const [binary, all] = process.argv.slice(2)
if (binary === undefined) {
  console.error('usage: node conformance.mjs PATH/TO/iridule [--all]')
  process.exit(2)
}
const require = createRequire(import.meta.url)
const checkout = process.env.CACHE_TESTS
const suite = checkout ?? join(require.resolve('http-cache-tests/package.json'), '..')
const engine = checkout === undefined ? suite : join(checkout, 'test-engine')
const { default: tests } = await import(join(suite, 'tests/index.mjs'))
const { runTests, getResults } = await import(join(engine, 'client/runner.mjs'))
const fetch = checkout === undefined ? (await import('node-fetch')).default : globalThis.fetch

const ORIGIN = 8370
const EDGE = 8371
const data = mkdtempSync(join(tmpdir(), 'conformance-'))
const origin = spawn('node', [join(engine, 'server/server.mjs')], {
  cwd: suite,
  stdio: 'ignore',
  env: { ...process.env, npm_config_protocol: 'http', npm_config_port: ORIGIN, npm_config_pidfile: join(data, 'pid') },
})
const edge = spawn(
  binary,
  ['serve', '--proxy', `http://127.0.0.1:${ORIGIN}`, '--listen', `127.0.0.1:${EDGE}`, '--data', data],
  { stdio: ['ignore', 'pipe', 'ignore'] },
)
const stop = () => {
  origin.kill()
  edge.kill()
  rmSync(data, { recursive: true, force: true })
}
process.on('exit', stop)
await once(edge.stdout, 'data')
for (let up = false; !up; ) {
  up = await fetch(`http://127.0.0.1:${ORIGIN}/`).then(() => true, () => new Promise(later => setTimeout(later, 50)))
}
const base = `http://127.0.0.1:${EDGE}`
// The newer edition brings its own way to ask.
await (checkout === undefined ? runTests(tests, fetch, false, base) : runTests(tests, false, base))

const counted = tests.flatMap(part => part.tests).filter(test => !test.browser_only && test.kind !== 'check')
const kind = test => test.kind ?? 'required'
const tell = results => {
  const passed = name => {
    const own = counted.filter(test => kind(test) === name)
    return `${own.filter(test => results[test.id] === true).length} of ${own.length}`
  }
  return `${passed('required')} | ${passed('optimal')}`
}
console.log('| cache | required | optimal |\n|---|---|---|')
const ours = getResults()
console.log(`| iridule | ${tell(ours)} |`)
for (const peer of ['squid', 'apache', 'trafficserver', 'varnish', 'nuster', 'nginx', 'caddy', 'haproxy']) {
  if (!existsSync(join(suite, 'results', `${peer}.json`))) continue
  console.log(`| ${peer} | ${tell(JSON.parse(readFileSync(join(suite, 'results', `${peer}.json`))))} |`)
}
const failed = counted.filter(test => ours[test.id] !== true)
console.log(`\nnot passed: ${failed.length}`)
for (const test of failed) console.log(`  ${kind(test)} ${test.id}: ${ours[test.id]?.[1]}`)
if (all) console.log(JSON.stringify(ours, null, 2))
process.exit(0)
