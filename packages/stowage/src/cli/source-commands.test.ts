import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freshBucket, runCli, tempDir, testKey, testSecret, withMinio } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import { runIn } from './testing.ts'

const secret = testSecret('of-a-command')

/** The command line in a folder with this configuration. */
function commandIn(config: object, env: Record<string, string> = {}) {
  const cwd = tempDir('sources')
  writeFileSync(join(cwd, 'stowage.config.json'), JSON.stringify(config))
  return async (args: string, stdin = '') => {
    const { code, stdout, stderr } = await runIn(cwd, args.split(' '), { env, stdin })
    expect(stdout + stderr).not.toContain(secret)
    return {
      code,
      stdout,
      stderr,
      json: stdout.startsWith('{') || stdout.startsWith('[') ? JSON.parse(stdout) : undefined,
    }
  }
}

const here = { id: 'here', type: 'filesystem', root: '.' }
const catalog = { type: 'sqlite', path: './catalog.db' }
const masterKey = { STOWAGE_MASTER_KEY: testKey('master').toString('base64') }
const lan = 'lan --type minio --endpoint https://minio.example.com --bucket train --json'

describe('stowage source', () => {
  it('adds, lists, changes, switches and removes sources of the catalog', async () => {
    const stowage = commandIn({ sources: [here], catalog })
    const added = await stowage(
      `source add ${lan} --region rack-7 --public --priority 3 --set pathStyle=false --disabled`,
    )
    expect(added.code).toBe(0)
    expect(added.json).toMatchObject({
      id: 'lan',
      origin: 'catalog',
      region: 'rack-7',
      isPublic: true,
      status: 'inactive',
    })
    expect(
      (await stowage('source list --json')).json.map((s: { id: string; origin: string }) => [s.id, s.origin]),
    ).toEqual([
      ['here', 'file'],
      ['lan', 'catalog'],
    ])
    expect((await stowage('source list')).stdout).toMatch(/lan +minio +catalog +inactive/)
    expect((await stowage('source update lan --no-public --weight 2 --set region=null --json')).json).toMatchObject({
      isPublic: false,
      weight: 2,
    })
    expect((await stowage('source enable lan --json')).json.status).toBe('active')
    expect((await stowage('source disable lan --json')).json.status).toBe('inactive')
    expect((await stowage('source remove lan --json')).json).toEqual({ id: 'lan', removed: true })
    expect(await stowage('source remove lan --json')).toMatchObject({ code: 0, json: { id: 'lan', removed: false } })
  })

  it('ends with 2 and says what is wrong, and nothing was touched', async () => {
    const stowage = commandIn({ sources: [here], catalog }, { ...masterKey, SK: secret })
    const refused: [string, string, RegExp][] = [
      ['source add here --type memory', '', /configuration/],
      ['source add x --type ftp', '', /type/],
      ['source add x --type minio', '', /bucket/],
      [`source add ${lan} --set rot=1`, '', /rot/],
      [`source add ${lan} --set secretKey=${secret}`, '', /secretKey/],
      [`source add ${lan} --secret-key-env SK`, '', /--access-key-env/],
      [`source add ${lan} --access-key-env NONE --secret-key-env SK`, '', /NONE/],
      [`source add ${lan} --credentials-stdin`, `{"secretKey":"${secret}"`, /--credentials-stdin/],
      [`source add ${lan} --credentials-stdin`, `{"accessKey":"a","secret":"${secret}"}`, /--credentials-stdin/],
      [`source add ${lan} --credentials-file ./none`, '', /--credentials-file/],
      ['source update here --weight 2', '', /configuration/],
      ['source disable here', '', /configuration/],
      ['source rotate here', '', /Nothing to do/],
      ['source add lan --type minio --endpoint http://10.0.0.1 --bucket b', '', /private network/],
    ]
    for (const [args, stdin, says] of refused) {
      const { code, stderr } = await stowage(args, stdin)
      expect([args, code]).toEqual([args, 2])
      expect(stderr).toMatch(says)
    }
    expect((await stowage('source list --json')).json).toHaveLength(1)
  })

  it('refuses to start where the configuration and the catalog have one id', async () => {
    const path = join(tempDir('shared'), 'catalog.db')
    await commandIn({ sources: [], catalog: { type: 'sqlite', path } })('source add here --type memory')
    const { code, stderr } = await commandIn({ sources: [here], catalog: { type: 'sqlite', path } })('source list')
    expect(code).toBe(2)
    expect(stderr).toContain('"here"')
  })

  it('asks for a master key before it takes credentials', async () => {
    const stowage = commandIn({ sources: [], catalog }, { AK: 'a', SK: secret })
    const { code, stderr } = await stowage(`source add ${lan} --access-key-env AK --secret-key-env SK`)
    expect(code).toBe(2)
    expect(stderr).toContain('openssl rand -base64 32')
  })

  it('is one command among others that run: another process has the source at once', async () => {
    const cwd = tempDir('two')
    writeFileSync(join(cwd, 'stowage.config.json'), JSON.stringify({ sources: [here], catalog }))
    const root = tempDir('there')
    expect((await runCli(['source', 'add', 'there', '--type', 'filesystem', '--root', root], { cwd })).code).toBe(0)
    expect((await runCli(['sync', 'there:', 'here:copy', '--allow-empty', '--json'], { cwd })).code).toBe(0)
  })
})

await withMinio((server) => {
  it('adds a source that can serve, rotates its keys and wraps them anew', async () => {
    const bucket = (await freshBucket(server)).name
    const config = { sources: [here], catalog, network: { allowLoopback: true } }
    const old = `1:${testKey('old').toString('base64')}`
    const young = `2:${testKey('young').toString('base64')}`
    const env: Record<string, string> = { STOWAGE_MASTER_KEY: old }
    const stowage = commandIn(config, env)
    const keys = (secretKey: string) => JSON.stringify({ accessKey: server.accessKey, secretKey })
    const place = `--type minio --endpoint ${server.endpoint} --bucket ${bucket}`
    const refused = await stowage(`source add lan ${place} --credentials-stdin --test`, keys(secret))
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('access-denied')
    expect((await stowage('source list --json')).json).toHaveLength(1)
    expect((await stowage(`source add lan ${place} --credentials-stdin --test`, keys(server.secretKey))).code).toBe(0)
    expect((await stowage('source test lan')).code).toBe(0)
    const { json } = await stowage('source list --json')
    expect(json[1]).toMatchObject({ hasCredentials: true, status: 'active', lastHealthCheckAt: expect.any(Number) })

    expect((await stowage('source rotate lan --credentials-stdin --test --promote', keys(secret))).code).toBe(1)
    expect((await stowage('source test lan')).code).toBe(0)
    expect((await stowage('source rotate lan --forget')).code).toBe(0)
    expect((await stowage('source rotate lan --promote')).code).toBe(2)
    expect((await stowage('source rotate lan --credentials-stdin --test --promote', keys(server.secretKey))).code).toBe(
      0,
    )

    env['STOWAGE_MASTER_KEY'] = `${young},${old}`
    expect((await stowage('source rewrap --json')).json).toEqual({ rewrapped: 1, current: 0, failed: [] })
    env['STOWAGE_MASTER_KEY'] = young
    expect((await stowage('source test lan')).code).toBe(0)
    env['STOWAGE_MASTER_KEY'] = old
    expect((await stowage('source test lan')).code).not.toBe(0)
  })
})
