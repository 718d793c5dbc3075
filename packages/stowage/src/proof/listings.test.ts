import { systemClock } from '@stowage/core'
import { withMinio } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import { createStowage } from '../app/create.ts'
import { refusal, type Stage, stage } from './stage.ts'

/** Three pages of a listing. */
const objects = 2010

function numbered(prefix: string, count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`${prefix}${String(i).padStart(5, '0')}`, `${i}`]))
}

/** Fails the n-th page of a listing, and each one after it. */
function failPage({ proxy }: Stage['from'], n: number, status: number, code: string): void {
  let pages = 0
  proxy.reset()
  proxy.rule = ({ call }) => (call === 'list' && ++pages >= n ? { answer: refusal(status, code) } : undefined)
}

await withMinio((server) => {
  describe('a listing that fails', () => {
    it('on either side, at page 1 and 3: exit 3, nothing is deleted, nothing is copied that is there', async () => {
      const here = await stage({ to: server })
      await here.from.fill(numbered('in/k', objects))
      await here.to.fill(numbered('out/extra', 20))
      for (const [name, page, copied] of [
        ['from', 1, 0],
        ['to', 1, 0],
        ['from', 3, 2000],
        ['to', 3, 2000],
      ] as const) {
        const note = `page ${page} of "${name}"`
        failPage(here[name], page, 403, 'AccessDenied')
        const failed = await here.sync('--delete', '--max-delete', '100')
        expect(failed.code, note).toBe(3)
        expect(failed.json.error, note).toMatchObject({ code: 'access-denied' })
        // Behind a page that failed nothing is known, and so nothing is done.
        expect(here.to.proxy.count('put'), note).toBeLessThanOrEqual(copied)
        expect(here.to.proxy.count('delete', 'delete-many'), note).toBe(0)
      }

      // For a moment only, it goes on behind the last key.
      for (const { proxy } of [here.from, here.to]) {
        let pages = 0
        proxy.reset()
        proxy.rule = ({ call }) => {
          if (call !== 'list') return undefined
          pages++
          return pages === 3 ? { answer: refusal(503, 'SlowDown') } : pages === 4 ? { cutDown: 100 } : undefined
        }
      }
      expect(await here.sync('--delete', '--max-delete', '100')).toMatchObject({
        code: 0,
        json: { objects: { deleted: 20, failed: 0 } },
      })
      expect(await here.to.contents('out/')).toEqual(await here.from.contents('in/'))

      // And of a target that has everything, a listing that fails makes nothing be sent again.
      for (const page of [1, 3]) {
        failPage(here.to, page, 403, 'AccessDenied')
        expect((await here.sync('--delete')).code).toBe(3)
        expect([page, here.to.proxy.bytesUp(), here.to.proxy.count('put', 'part', 'create')]).toEqual([page, 0, 0])
      }
      here.to.proxy.reset()
      expect(await here.sync()).toMatchObject({ json: { objects: { copied: 0, skipped: objects } } })
    })

    it.each(['from', 'to'] as const)('of "%s", for ever, is given up within a minute', async (name) => {
      const here = await stage({ to: server })
      await here.from.fill({ 'in/a': 'a' })
      await here.to.fill({ 'out/b': 'b' })
      failPage(here[name], 1, 503, 'ServiceUnavailable')
      // A day of this clock is an hour of the wall's.
      const speed = 24
      const start = Date.now()
      const now = (): number => start + (Date.now() - start) * speed
      const clock = { now, sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms / speed, signal) }
      const stowage = await createStowage(here.config, { clock, background: false })
      try {
        const began = now()
        const sync = stowage.sync({ from: 'from:in', to: 'to:out', delete: true, allowEmpty: true })
        await expect(sync).rejects.toMatchObject({ code: 'unavailable', field: name })
        // So many seconds of the wall's for the machine, which may be busy.
        expect(now() - began).toBeLessThan(60_000 + 60_000 * speed)
        expect(here[name].proxy.count('list')).toBeLessThanOrEqual(6 * 3)
        expect(await here.to.contents('out/')).toHaveProperty('b')
      } finally {
        await stowage.close()
      }
    })
  })
})
