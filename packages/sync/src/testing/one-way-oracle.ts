/** What a sync in one direction was asked for, as far as it matters for where it leads. */
export interface OneWayWish {
  delete: boolean
  /** In percent. */
  maxDeletePercent: number
  allowEmpty: boolean
  /** Keys that take part. */
  takesKey: (key: string) => boolean
  /** Sizes that take part. */
  takesSize: (size: number) => boolean
}

/** Where a sync leads. */
export interface OneWayEnd {
  /** What the target holds. */
  target: Record<string, string>
  copied: string[]
  deleted: string[]
  /** The deletes were too many, or the source was empty: nothing was deleted. */
  refused: boolean
}

/**
 * A sync in one direction as simply as it can be said: two maps, with nothing that fails, nothing that is listed and no ledger. It shares no
 * code with the engine.
 */
export function oneWayEnd(
  source: Readonly<Record<string, string>>,
  target: Readonly<Record<string, string>>,
  wish: OneWayWish,
): OneWayEnd {
  const inSource = Object.keys(source).filter(wish.takesKey)
  const inTarget = Object.keys(target).filter(wish.takesKey)
  const copied = inSource.filter((key) => {
    const text = source[key] ?? ''
    return wish.takesSize(text.length) && target[key] !== text
  })
  const end = { ...target }
  for (const key of copied) end[key] = source[key] ?? ''
  const extra = inTarget.filter((key) => !inSource.includes(key) && wish.takesSize(target[key]?.length ?? 0))
  if (!wish.delete || extra.length === 0) return { target: end, copied, deleted: [], refused: false }
  const refused =
    inSource.length === 0 ? !wish.allowEmpty : extra.length > (inTarget.length * wish.maxDeletePercent) / 100
  if (refused) return { target: end, copied, deleted: [], refused }
  for (const key of extra) delete end[key]
  return { target: end, copied, deleted: extra, refused }
}
