import { StowageError } from '../errors/index.ts'
import { unframeDataKey, unframeField } from './envelope.ts'

/**
 * Some texts of one record, encrypted: a data key of their own, itself encrypted by a master key, and each text encrypted by the data key.
 * Safe to store and to print; of no use without the master key.
 */
export interface Sealed {
  readonly dataKey: Uint8Array
  readonly fields: Readonly<Record<string, Uint8Array>>
}

/**
 * Checks that something has the shape of what a vault seals, so that no plain text is stored where ciphertext belongs.
 * @throws StowageError `invalid-request` naming the field
 */
export function checkSealed(sealed: Sealed): void {
  const check = (field: string, parse: () => unknown): void => {
    try {
      parse()
    } catch (cause) {
      throw new StowageError('invalid-request', `The ${field} was not sealed by a vault that this version knows.`, {
        cause,
        field,
      })
    }
  }
  check('dataKey', () => unframeDataKey(sealed.dataKey, 'It'))
  for (const [field, bytes] of Object.entries(sealed.fields)) check(field, () => unframeField(bytes, 'It'))
}
