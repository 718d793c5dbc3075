import type { Clock, StorageAdapter } from '@stowage/core'

type Direction = 'up' | 'down'

/** The wire to the store, which breaks on demand: what the tests' TCP proxy is. */
interface Wire {
  readonly port: number
  readonly bytesUp: number
  readonly bytesDown: number
  readonly connections: number
  readonly open: number
  resetCounts(): void
  cutAfter(bytes: number, direction?: Direction, times?: number): void
  resetAfter(bytes: number, direction?: Direction, times?: number): void
  stallAfter(bytes: number, direction?: Direction, times?: number): void
  truncateAfter(bytes: number, direction?: Direction, times?: number): void
  corruptAt(bytes: number, direction?: Direction, times?: number): void
  throttle(bytesPerSecond: number): void
  refuse(on: boolean): void
  clear(): void
  stop(): Promise<void>
}

/** An answer of a store, as somebody between it and us sees it. */
interface WireAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  readonly pauseMs?: number
}

/** Somebody between the store and us who speaks HTTP: what the tests' HTTP proxy is. */
interface Between {
  readonly port: number
  readonly requests: number
  readonly open: number
  answerNext(answer: WireAnswer, times?: number): void
  changeNext(change: (answer: WireAnswer) => WireAnswer, times?: number): void
  stop(): Promise<void>
}

/** How an adapter of the suite is made. */
interface FaultyOptions {
  /** Of this machine; the store is behind it. @defaultValue the store's own */
  port?: number
  attempts?: number
  /** Milliseconds. */
  inactivityTimeoutMs: number
  clock: Clock
}

/** A store whose wire is to break. */
export interface FaultSuite {
  name: string
  /** Makes adapters on one empty bucket. */
  start(): Promise<{
    create(options: FaultyOptions): StorageAdapter
    startWire(): Promise<Wire>
    startBetween(): Promise<Between>
  }>
}

/** What a case gets. */
export interface Scene {
  /** Through the wire. Waits between attempts take no time. */
  adapter: StorageAdapter
  /** Through the wire, with one attempt. */
  once: StorageAdapter
  /** Past the wire. */
  direct: StorageAdapter
  wire: Wire
  /** Milliseconds of each wait between attempts. */
  waits: number[]
  /** What happens when an attempt waits for the next. */
  atWait: (() => void) | undefined
  /** An adapter through somebody who speaks HTTP. */
  through(): Promise<{ adapter: StorageAdapter; between: Between }>
}

/** One fault, and how it must end. */
export interface FaultCase {
  name: string
  /**
   * The case waits for a call to fail of silence: after three seconds, or so many milliseconds; not after longer than any busy machine is silent
   * by itself.
   */
  waits?: boolean | number
  run(scene: Scene): Promise<void>
}
