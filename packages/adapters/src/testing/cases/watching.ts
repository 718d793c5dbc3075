import type { EventGap, ObjectEvent } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { expect } from 'vitest'
import { text } from '../bytes.ts'
import type { Case } from '../case.ts'

export const watchingCases: Case[] = [
  {
    name: 'tells of changes as they happen',
    run: async ({ adapter, capabilities, folder }) => {
      if (capabilities.notifications !== 'listen') {
        await expectCode((async () => adapter.watch()[Symbol.asyncIterator]().next())(), 'not-supported')
        return
      }
      const stop = new AbortController()
      const seen: (ObjectEvent | EventGap)[] = []
      const wanted = new Set(['created:a b+ü%.txt', 'created:below/c', 'removed:a b+ü%.txt'])
      let told = (): void => {}
      const all = new Promise<void>((resolve) => {
        told = resolve
      })
      const watching = (async () => {
        for await (const batch of adapter.watch({ prefix: `${folder}in/`, signal: stop.signal })) {
          for (const event of batch) {
            seen.push(event)
            if (event.type !== 'gap') wanted.delete(`${event.type}:${event.key.slice(`${folder}in/`.length)}`)
          }
          if (wanted.size === 0) told()
        }
      })()
      // It listens from when its connection stands, which cannot be seen from here: so the changes are made until they are told.
      const changing = (async () => {
        const deadline = performance.now() + 50_000
        while (wanted.size > 0) {
          if (performance.now() > deadline) throw new Error(`It was not told of: ${[...wanted].join(', ')}`)
          await adapter.put(`${folder}outside`, text('x'))
          await adapter.put(`${folder}in/a b+ü%.txt`, text('hello'))
          await adapter.put(`${folder}in/below/c`, text('c'))
          await adapter.delete(`${folder}in/a b+ü%.txt`)
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
      })()
      // A watch that failed is told below, instead of being waited for.
      await Promise.race([all, changing, watching.catch(() => wanted.clear())])
      stop.abort()
      await expectCode(watching, 'aborted')
      await changing
      for (const event of seen) {
        if (event.type === 'gap') continue
        expect(event.key.startsWith(`${folder}in/`)).toBe(true)
        if (event.type === 'created') expect(event.size).toBe(event.key.endsWith('c') ? 1 : 5)
      }
    },
  },
]
