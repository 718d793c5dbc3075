import type { Case } from '../case.ts'
import { abortingCases } from './aborting.ts'
import { attributeCases } from './attributes.ts'
import { checksumCases } from './checksums.ts'
import { conditionCases } from './conditions.ts'
import { copyingCases } from './copying.ts'
import { deletingCases } from './deleting.ts'
import { failingCases } from './failing.ts'
import { headerCases } from './headers.ts'
import { keyCases } from './keys.ts'
import { listingCases } from './listing.ts'
import { multipartCases } from './multipart.ts'
import { presigningCases } from './presigning.ts'
import { readingCases } from './reading.ts'
import { watchingCases } from './watching.ts'
import { writingCases } from './writing.ts'

/** All rules of the contract, in the order in which they run. */
export const cases: readonly Case[] = [
  ...readingCases,
  ...writingCases,
  ...conditionCases,
  ...keyCases,
  ...headerCases,
  ...attributeCases,
  ...checksumCases,
  ...listingCases,
  ...deletingCases,
  ...multipartCases,
  ...copyingCases,
  ...abortingCases,
  ...presigningCases,
  ...watchingCases,
  ...failingCases,
]
