import { describe, expect, it } from 'vitest'
import { isTimeZone, parseEvery, parseSchedule } from './schedule.ts'

const at = (text: string): number => Date.parse(text)

/** The next times after one, as text. */
function times(cron: string, timeZone: string, after: string, count: number): string[] {
  const schedule = parseSchedule(cron, timeZone)
  const found: string[] = []
  for (let now = schedule.next(at(after)); now !== undefined && found.length < count; now = schedule.next(now))
    found.push(new Date(now).toISOString().slice(0, 16))
  return found
}

describe('a schedule', () => {
  it('runs once, right after the gap, where clocks are put forward', () => {
    expect(times('30 2 * * *', 'Europe/Berlin', '2026-03-28T00:00Z', 3)).toEqual([
      '2026-03-28T01:30',
      '2026-03-29T01:00',
      '2026-03-30T00:30',
    ])
    expect(times('*/30 * * * *', 'Europe/Berlin', '2026-03-29T00:15Z', 3)).toEqual([
      '2026-03-29T00:30',
      '2026-03-29T01:00',
      '2026-03-29T01:30',
    ])
  })

  it('runs once, the first time, where clocks are put back, and every hour through both', () => {
    expect(times('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00Z', 2)).toEqual([
      '2026-10-25T00:30',
      '2026-10-26T01:30',
    ])
    expect(times('30 2,14 * * *', 'Europe/Berlin', '2026-10-24T22:00Z', 2)).toEqual([
      '2026-10-25T00:30',
      '2026-10-25T13:30',
    ])
    // Begun in between the two.
    expect(times('30 2 * * *', 'Europe/Berlin', '2026-10-25T01:10Z', 1)).toEqual(['2026-10-26T01:30'])
    expect(times('0 * * * *', 'Europe/Berlin', '2026-10-24T23:30Z', 3)).toEqual([
      '2026-10-25T00:00',
      '2026-10-25T01:00',
      '2026-10-25T02:00',
    ])
  })

  it('finds the last time before another, however long that is ago', () => {
    const daily = parseSchedule('30 2 * * *', 'Europe/Berlin')
    const since = at('2020-01-01T00:00Z')
    expect(daily.last(since, at('2026-10-25T00:30Z'))).toBe(at('2026-10-25T00:30Z'))
    expect(daily.last(since, at('2026-10-26T01:29Z'))).toBe(at('2026-10-25T00:30Z'))
    expect(daily.last(at('2026-10-25T00:31Z'), at('2026-10-26T01:29Z'))).toBeUndefined()
    expect(daily.last(at('2026-10-25T00:30Z'), at('2026-10-26T01:29Z'))).toBe(at('2026-10-25T00:30Z'))
    const leap = parseSchedule('0 0 29 2 *')
    expect(leap.last(since, at('2027-12-31T00:00Z'))).toBe(at('2024-02-29T00:00Z'))
    expect(parseSchedule('* * * * *').last(since, at('2026-01-01T00:00:59Z'))).toBe(at('2026-01-01T00:00Z'))
  })

  it('knows names, and says what is no schedule', () => {
    expect(times('@daily', 'Asia/Shanghai', '2026-01-01T00:00Z', 1)).toEqual(['2026-01-01T16:00'])
    for (const [text, says] of [
      ['61 * * * *', /minute/],
      ['* * * * * *', /five fields/],
      ['2030-01-01T00:00:00', /five fields/],
      ['0 0 31 2 *', /never comes/],
      ['', /five fields/],
      ['@often', /five fields/],
    ] as const)
      expect(() => parseSchedule(text), text).toThrow(says)
    expect([isTimeZone('Asia/Shanghai'), isTimeZone('Mars/Olympus')]).toEqual([true, false])
    expect(['90m', '24h', '1.5d', '10', '-1h', '1y'].map(parseEvery)).toEqual([
      5_400_000,
      86_400_000,
      129_600_000,
      undefined,
      undefined,
      undefined,
    ])
  })
})
