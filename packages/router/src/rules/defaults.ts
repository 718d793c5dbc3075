import type { Rule } from './rule.ts'

/**
 * What holds unless other rules say otherwise: external users upload to public sources, internal ones to inside sources, and internal
 * readers of whom nothing nearer is known read from inside.
 */
export const defaultRules: readonly Rule[] = [
  {
    id: 'default-external-write',
    priority: 1000,
    when: { purpose: 'write', userType: 'external' },
    // biome-ignore lint/suspicious/noThenProperty: the word of the rule language
    then: { prefer: { isPublic: true } },
  },
  {
    id: 'default-internal-write',
    priority: 1000,
    when: { purpose: 'write', userType: 'internal' },
    // biome-ignore lint/suspicious/noThenProperty: the word of the rule language
    then: { prefer: { isPublic: false } },
  },
  {
    id: 'default-internal-read',
    priority: 1000,
    when: { purpose: 'read', userType: 'internal' },
    // biome-ignore lint/suspicious/noThenProperty: the word of the rule language
    then: { tieBreak: { isPublic: false } },
  },
]
