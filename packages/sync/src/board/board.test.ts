import { randomUUID } from 'node:crypto'
import { withRedis } from '@stowage/test-support'
import { expect, it, onTestFinished } from 'vitest'
import { bullCarrier } from '../bullmq/index.ts'
import { createTaskQueue } from '../queue/index.ts'
import { memoryStore } from '../stores/index.ts'
import { someTask } from '../testing/index.ts'
import { queueBoard } from './index.ts'

await withRedis(({ url }) => {
  it('shows the queue, and lets nobody change it', async () => {
    const prefix = `test-${randomUUID()}`
    const tasks = createTaskQueue({ store: memoryStore(), carrier: bullCarrier({ redis: url, prefix }) })
    const board = queueBoard({ redis: url, prefix })
    onTestFinished(async () => {
      await board.close()
      await tasks.close()
    })
    const { id } = await tasks.enqueue(someTask())
    const page = await board.app.request('/queues')
    expect(page.status).toBe(200)
    const html = await page.text()
    const script = /(?:src|href)="([^"]*static[^"]*\.js)"/.exec(html)?.[1]
    expect(script, html).toBeDefined()
    const file = await board.app.request(new URL(script as string, 'http://localhost/queues/').pathname)
    expect(file.status).toBe(200)
    const answer = await board.app.request('/queues/api/queues?activeQueue=tasks&status=latest&page=1&jobsPerPage=10')
    expect(answer.status).toBe(200)
    const { queues } = (await answer.json()) as {
      queues: { name: string; readOnlyMode: boolean; jobs: { data: { taskId: string } }[] }[]
    }
    expect(queues).toMatchObject([{ name: 'tasks', readOnlyMode: true, jobs: [{ data: { taskId: id } }] }])
    const change = await board.app.request('/queues/api/queues/tasks/clean/prioritized', { method: 'PUT' })
    expect(change.status).toBeGreaterThanOrEqual(400)
    expect(html).not.toContain(new URL(url).password)
  })
})
