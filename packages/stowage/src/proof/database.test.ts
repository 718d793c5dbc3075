import { setTimeout as wait } from 'node:timers/promises'
import { startPostgres, startProxy, withMinio, withPostgres } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import { filled, MIB, type Stage, stage } from './stage.ts'

const partSize = 5 * MIB
const concurrency = 2
const pace = ['--part-size', String(partSize), '--concurrency', String(concurrency)]

/** Bytes a second of a slow line: the sync takes some seconds. */
const slow = 8 * MIB

/** How long the database is away, in milliseconds. */
const awayMs = 3000

async function fill({ from }: Stage): Promise<number> {
  const all: Record<string, Buffer> = { 'in/large': filled(6 * partSize, 'large') }
  for (let i = 0; i < 60; i++) all[`in/small-${i}`] = filled(1 + i * 97, `small ${i}`)
  await from.fill(all)
  return Object.values(all).reduce((sum, { length }) => sum + length, 0)
}

await withPostgres(async () => {
  await withMinio((server) => {
    describe('a database that is lost in mid-run', () => {
      it.each(['its connections break', 'it is killed and started again'])(
        '%s: the run goes on when it is back, and sends nothing again but what was in flight',
        async (what) => {
          const database = await startPostgres()
          const line = await startProxy({ target: database.url })
          const url = new URL(database.url)
          url.port = String(line.port)
          const here = await stage({ to: server, config: { catalog: { type: 'postgres', url: url.href } } })
          const size = await fill(here)
          let begun = 0
          let back: Promise<void> | undefined
          here.to.proxy.rule = ({ call }) => {
            if (call !== 'part' || ++begun !== 3) return undefined
            back = (async () => {
              if (what === 'its connections break') {
                line.refuse(true)
                line.closeAll()
                await wait(awayMs)
                line.refuse(false)
              } else {
                await database.kill()
                await wait(awayMs)
                await database.restart()
              }
            })()
            return undefined
          }
          here.to.line.throttle(slow)
          const first = await here.sync(...pace)
          expect(back, 'it was over before the database was lost').toBeDefined()
          await back
          here.to.line.clear()
          expect(first).toMatchObject({ code: 0, json: { status: 'success', objects: { copied: 61, failed: 0 } } })
          expect(here.to.proxy.bytesUp() - size).toBeLessThanOrEqual(concurrency * partSize)
          await here.expectSame()
          expect(await here.sync(...pace)).toMatchObject({ code: 0, json: { objects: { copied: 0, skipped: 61 } } })
          await database.stop()
        },
        600_000,
      )
    })
  })
})
