import { StowageError } from '@stowage/core'
import { describe, expect, it } from 'vitest'
import { exitCodeOf } from './exit-codes.ts'
import { formatBytes, formatSeconds, formatTable, printable } from './format.ts'
import { describeError } from './output.ts'
import { parseBytes, parseCount, parseDuration, parsePercent } from './parse.ts'
import { ofSync, ProgressBar, renderBar } from './progress-bar.ts'

describe('formats', () => {
  it('prints bytes and times for people', () => {
    expect([0, 999, 1536, 1024 ** 2 * 250, 1024 ** 5 * 3].map(formatBytes)).toEqual([
      '0 B',
      '999 B',
      '1.5 KiB',
      '250 MiB',
      '3.0 PiB',
    ])
    expect([0, 7.4, 750, 11_100].map(formatSeconds)).toEqual(['0:00', '0:07', '12:30', '3:05:00'])
  })

  it('aligns columns and leaves no blanks at the end', () => {
    expect(
      formatTable(
        ['A', 'LONG'],
        [
          ['xyz', '1'],
          ['', ''],
        ],
      ),
    ).toBe('A    LONG\nxyz  1\n')
  })

  it('keeps control characters of names away from the terminal', () => {
    expect(printable('a\u001b[2Jb\nc')).toBe('a\\x1b[2Jb\\x0ac')
    expect(printable('数据 \u{1f431}')).toBe('数据 \u{1f431}')
  })

  it('prints an error on one line with its code and what to do', () => {
    const error = new StowageError('access-denied', 'refused\n  by the store', { hint: 'Check the key.' })
    expect(describeError(error)).toBe('stowage: error [access-denied]: refused by the store Check the key.')
  })
})

describe('renderBar', () => {
  const state = { label: 'copying', files: 3, bytes: 50, totalBytes: 100, open: false, rate: 10, secondsLeft: 5 }

  it('shows share, rate and time left within the columns there are', () => {
    expect(renderBar(state, 100)).toMatch(
      /^copying {2}\[#+-+\] {2}50% {2}3 files {2}50 B of 100 B {2}10 B\/s {2}0:05 left$/,
    )
    for (const columns of [20, 40, 60, 80, 200]) expect(renderBar(state, columns).length).toBeLessThanOrEqual(columns)
    expect(renderBar({ ...state, totalBytes: 0, bytes: 0 }, 100)).toContain('  0%')
    expect(renderBar({ ...state, open: true, percent: 40 }, 100)).toMatch(/40%.*100 B\+/)
  })

  it('shows what was found, and no share, as long as nobody knows how much there is', () => {
    const objects = { copied: 2, skipped: 1, deleted: 0, failed: 0, conflicts: 0 }
    const known = { taskId: 't', phase: 'copying' as const, objects, bytes: 50, totalBytes: 100, rate: 10 }
    const found = renderBar(ofSync({ ...known, listingDone: false, percent: 10 }), 100)
    expect(found).toBe('copying  3 files  50 B of 100 B+  10 B/s')
    expect(renderBar(ofSync({ ...known, listingDone: false, percent: 11 }), 100)).toContain(' 11%')
    expect(renderBar(ofSync({ ...known, listingDone: true, percent: 5 }), 100)).toContain('  5%')
  })

  it('draws only on a terminal', () => {
    const written: string[] = []
    const stream = { isTTY: false, write: (text: string) => written.push(text) }
    const silent = new ProgressBar(stream, true)
    silent.update(state)
    silent.stop()
    expect(written).toEqual([])
    const bar = new ProgressBar({ ...stream, isTTY: true }, true)
    bar.update(state)
    bar.stop()
    expect(written.join('')).toMatch(/copying.*\n$/)
  })
})

describe('option values', () => {
  it('reads sizes, counts, times and shares', () => {
    expect(['512', '16M', '1k', '2GiB', '3mb'].map(parseBytes)).toEqual([512, 16 << 20, 1024, 2 ** 31, 3 << 20])
    expect(parseCount('8')).toBe(8)
    expect(parseDuration('0.5')).toBe(0.5)
    expect([parsePercent('50%'), parsePercent('0'), parsePercent('100')]).toEqual([50, 0, 100])
  })

  it('refuses the rest', () => {
    for (const text of ['', '0', '-1', '1.5', 'M', '1X', 'NaN']) expect(() => parseBytes(text), text).toThrow()
    for (const text of ['', '0', '-1', '1.5', 'x']) expect(() => parseCount(text), text).toThrow()
    for (const text of ['', '0', '-1', 'Infinity', 'x']) expect(() => parseDuration(text), text).toThrow()
    for (const text of ['', '-1', '101', 'x', '%%']) expect(() => parsePercent(text), text).toThrow()
  })
})

describe('exit codes', () => {
  it.each([
    ['configuration', 2],
    ['unsafe', 3],
    ['lease-held', 3],
    ['newer-format', 3],
    ['aborted', 75],
    ['unavailable', 1],
    ['internal', 1],
  ] as const)('%s is %i', (code, exit) => {
    expect(exitCodeOf(new StowageError(code, 'x'))).toBe(exit)
  })

  it('anything else is 1', () => {
    expect(exitCodeOf(new Error('x'))).toBe(1)
  })
})
