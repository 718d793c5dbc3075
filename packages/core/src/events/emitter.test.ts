import { expect, onTestFinished, test, vi } from 'vitest'
import { Events } from './emitter.ts'
import type { Alert } from './events.ts'

const alert: Alert = { severity: 'warning', code: 'x', message: 'something' }

test('calls the listeners of a name in the order they came', () => {
  const events = new Events()
  const heard: string[] = []
  events.on('alert', ({ code }) => heard.push(`first ${code}`))
  events.on('alert', ({ code }) => heard.push(`second ${code}`))
  events.on('source.health', () => heard.push('other'))
  events.emit('alert', alert)
  expect(heard).toEqual(['first x', 'second x'])
})

test('a listener ends by what it was given, and only that one', () => {
  const events = new Events()
  const heard: number[] = []
  const off = events.on('alert', () => heard.push(1))
  events.on('alert', () => heard.push(2))
  off()
  off()
  events.emit('alert', alert)
  expect(heard).toEqual([2])
})

test('without listeners nothing happens', () => {
  expect(() => new Events().emit('alert', alert)).not.toThrow()
})

test('a listener that throws disturbs neither the others nor the work', () => {
  const errors: unknown[] = []
  const events = new Events((error, name) => errors.push([name, error]))
  const boom = new Error('boom')
  const heard: number[] = []
  events.on('alert', () => {
    throw boom
  })
  events.on('alert', () => heard.push(2))
  events.emit('alert', alert)
  expect(heard).toEqual([2])
  expect(errors).toEqual([['alert', boom]])
})

test('by default a listener’s error becomes a process warning', () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  onTestFinished(() => warn.mockRestore())
  const events = new Events()
  events.on('alert', () => {
    throw new Error('boom')
  })
  events.emit('alert', alert)
  expect(warn).toHaveBeenCalledExactlyOnceWith('A listener of "alert" threw: boom')
})

test('listeners may come and go while an event is told', () => {
  const events = new Events()
  const heard: string[] = []
  const off = events.on('alert', () => {
    heard.push('once')
    off()
    events.on('alert', () => heard.push('late'))
  })
  events.on('alert', () => heard.push('always'))
  events.emit('alert', alert)
  expect(heard).toEqual(['once', 'always'])
  events.emit('alert', alert)
  expect(heard).toEqual(['once', 'always', 'always', 'late'])
})
