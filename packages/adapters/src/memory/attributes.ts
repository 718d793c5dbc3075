import type { ObjectAttributes } from '@stowage/core'
import { type Called, headersOf } from '../shared/index.ts'

/** What an object is kept with, checked. @throws StowageError `invalid-request`, `not-supported` */
export function attributesOf(adapter: Called, options: ObjectAttributes): ObjectAttributes {
  const { tags } = options
  return { ...headersOf(adapter, options), ...(tags === undefined ? {} : { tags: { ...tags } }) }
}
