import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { ownRun, repository } from '../run/own-run.ts'
import { tempDir } from '../tmp.ts'

const at = (path: string): string => JSON.stringify(join(repository, 'test/src', path))

/** A test file whose test does this with a secret; it tells us the marker of its run. */
function fixture(body: string): string {
  return `
    import { spawn } from 'node:child_process'
    import { channel } from 'node:diagnostics_channel'
    import { readFileSync, writeFileSync } from 'node:fs'
    import { text } from 'node:stream/consumers'
    import { expect, it } from 'vitest'
    import { runMarker, testSecret } from ${at('secrets/marker.ts')}
    import { runFolder, startGuarded } from ${at('run/guard.ts')}
    const secret = testSecret('shown')
    const encoded = (encoding) => Buffer.from('key=' + secret).toString(encoding)
    writeFileSync(import.meta.dirname + '/marker', runMarker())
    it('does it', async () => { ${body} })`
}

const child = (stream: string): string => `
  const child = spawn('sh', ['-c', 'echo start; sleep 0.1; echo "$SHOWN" >&${stream === 'stdout' ? 1 : 2}'],
    { env: { ...process.env, SHOWN: encoded('hex') }, stdio: 'pipe' })
  expect(await text(child.${stream})).toContain(encoded('hex'))`

/** The marker that the run of this folder had, in three forms. */
function markerIn(folder: string): string[] {
  const marker = readFileSync(join(folder, 'marker'))
  return (['utf8', 'base64', 'hex'] as const).map((encoding) => marker.toString(encoding))
}

it('fails a run that shows a secret, names each place, and does not show it again', async () => {
  const leaks: Record<string, [body: string, place: RegExp]> = {
    console: ["console.log('key', secret)", /does it: stdout printed a secret \(plain\)$/],
    base64: ["console.error(encoded('base64'))", /does it: stderr printed a secret \(base64\)$/],
    buffer: ['console.log(Buffer.from(secret))', /does it: stdout printed a secret \(hex\)$/],
    // The test reads what they print, and nobody else sees it.
    child: [child('stdout'), /does it: stdout of a child process printed a secret \(hex\)$/],
    stderr: [child('stderr'), /does it: stderr of a child process printed a secret \(hex\)$/],
    server: [
      `const log = runFolder() + '/log'
       const server = await startGuarded('sh', ['-c', 'echo "$SHOWN"; sleep 60'], { env: { ...process.env, SHOWN: secret }, log })
       await expect.poll(() => readFileSync(log, 'utf8').length, { timeout: 120_000 }).toBeGreaterThan(0)
       await server.end()`,
      /^failed: the log .*\/log printed a secret \(plain\)$/,
    ],
    expected: [
      "channel('stowage.testing.error').publish(new Error('x', { cause: { headers: [encoded('base64url')] } }))",
      /does it: an error printed a secret \(base64\)$/,
    ],
    failing: [
      "throw new Error('refused', { cause: new Error('no key ' + secret) })",
      /does it: an error has a secret \(plain\)$/,
    ],
  }
  const files = Object.entries(leaks).map(([name, [body]]) => [`${name}.test.js`, fixture(body)])
  const folder = tempDir('run')
  const { code, lines, stderr } = await ownRun(Object.fromEntries(files), folder)
  expect([code, lines.at(-1)]).toEqual([1, '7 passed, 9 failed'])
  const failures = lines.filter((line) => line.startsWith('failed: '))
  expect(failures).toHaveLength(8)
  for (const [name, [, place]] of Object.entries(leaks)) {
    const ofFile = (line: string): boolean => name === 'server' || line.includes(`/${name}.test.js`)
    expect(failures.filter((line) => place.test(line) && ofFile(line))).toHaveLength(1)
  }
  for (const form of markerIn(folder)) expect(lines.join('\n') + stderr).not.toContain(form)
})

it('fails a run that shows a secret past all reporters', async () => {
  const folder = tempDir('run')
  const { code, lines } = await ownRun({ 'a.test.js': fixture("process.stdout.write(secret + '\\n')") }, folder)
  expect([code, lines.at(-1)]).toEqual([1, '1 passed, 1 failed'])
  expect(lines).toContain('failed: stdout of the run has a secret (plain)')
  for (const form of markerIn(folder)) expect(lines.join('\n')).not.toContain(form)
})

it('passes a run that shows none', async () => {
  const body = `
    console.log('all is well', Buffer.from('x'))
    const child = spawn('sh', ['-c', 'echo "$SHOWN" | wc -c'], { env: { ...process.env, SHOWN: secret }, stdio: 'pipe' })
    expect(Number(await text(child.stdout))).toBe(secret.length + 1)`
  const { code, lines } = await ownRun({ 'a.test.js': fixture(body) })
  expect([code, lines.at(-1)]).toEqual([0, '1 passed, 0 failed'])
})
