import { BlockList, isIPv4 } from 'node:net'
import { runs } from '@stowage/test-support'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { StowageError } from '../errors/index.ts'
import { type AddressKind, classifyAddress, judgeAddress } from './index.ts'
import { parseAddress } from './parse.ts'

const byKind: Record<AddressKind, string[]> = {
  public: [
    '8.8.8.8',
    '1.1.1.1',
    '100.63.255.255',
    '100.128.0.0',
    '172.32.0.1',
    '169.253.1.1',
    '223.255.255.255',
    '2606:4700::1111',
    '2400:3200::1',
  ],
  loopback: [
    '127.0.0.1',
    '127.255.255.254',
    '::1',
    '0:0:0:0:0:0:0:1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::127.0.0.1',
    '64:ff9b::127.0.0.1',
    '2002:7f00:1::',
  ],
  private: [
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '100.64.0.1',
    '100.118.28.50',
    '198.18.0.1',
    'fc00::1',
    'fd12:3456::1',
    'fec0::1',
    '::ffff:10.0.0.1',
    '64:ff9b::a00:1',
    '64:ff9b:1::1',
  ],
  'link-local': ['169.254.0.1', '169.254.255.255', 'fe80::1', 'fe80::1%eth0', 'febf::1', '::ffff:169.254.1.1'],
  metadata: [
    '169.254.169.254',
    '169.254.170.2',
    '100.100.100.200',
    '168.63.129.16',
    '192.0.0.192',
    'fd00:ec2::254',
    'FD00:0EC2::254',
    'fd00:ec2::23',
    'fd20:ce::254',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '64:ff9b::169.254.169.254',
    '2002:a9fe:a9fe::1',
    '::ffff:100.100.100.200',
    '::ffff:0:169.254.169.254',
  ],
  unspecified: ['0.0.0.0', '0.1.2.3', '::', '::ffff:0.0.0.0'],
  reserved: [
    '224.0.0.1',
    '239.255.255.255',
    '240.0.0.1',
    '255.255.255.255',
    '192.0.2.1',
    '198.51.100.1',
    '203.0.113.1',
    '192.0.0.1',
    'ff02::1',
    '2001:db8::1',
    '3fff::1',
    '2001::1',
    '4000::1',
    '100::1',
    '5f00::1',
  ],
}

describe.each(Object.entries(byKind))('%s', (kind, addresses) => {
  test.each(addresses)('%s', (address) => {
    expect(classifyAddress(address)).toBe(kind)
  })
})

test.each([
  '',
  'localhost',
  '127.1',
  '0x7f000001',
  '2130706433',
  '0177.0.0.1',
  '1.2.3',
  '1.2.3.4.5',
  '256.1.1.1',
  '1.2.3.4/8',
  ' 1.2.3.4',
  ':::',
  '1::2::3',
  '[::1]',
  '::ffff:1.2.3',
])('%j is no address', (text) => {
  expect(classifyAddress(text)).toBeUndefined()
  expect(() => judgeAddress(text, { allowLoopback: true, allowPrivateNetwork: true })).toThrow(StowageError)
})

const v4 = fc.oneof(
  fc.ipV4(),
  // Near the edges of the ranges, where mistakes are.
  fc
    .tuple(
      fc.constantFrom(0, 9, 10, 11, 100, 127, 128, 168, 169, 172, 192, 198, 203, 223, 224, 255),
      fc.constantFrom(0, 15, 16, 18, 19, 20, 31, 32, 51, 63, 64, 88, 100, 127, 128, 168, 254),
      fc.nat(255),
      fc.nat(255),
    )
    .map((parts) => parts.join('.')),
)

function list(...subnets: string[]): BlockList {
  const made = new BlockList()
  for (const subnet of subnets) {
    const [net = '', length = ''] = subnet.split('/')
    made.addSubnet(net, Number(length), isIPv4(net) ? 'ipv4' : 'ipv6')
  }
  return made
}

test('agrees with Node’s own lists of subnets', () => {
  const own = list('10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '198.18.0.0/15')
  const shared = list('100.64.0.0/10')
  const loopback = list('127.0.0.0/8')
  const local = list('169.254.0.0/16')
  fc.assert(
    fc.property(v4, (address) => {
      const kind = classifyAddress(address)
      const metadata = byKind.metadata.includes(address)
      expect(kind === 'loopback').toBe(loopback.check(address))
      expect(kind === 'private').toBe(own.check(address) || (shared.check(address) && !metadata))
      expect(kind === 'link-local').toBe(local.check(address) && kind !== 'metadata')
    }),
    { numRuns: runs(2_000, 100_000) },
  )
  const v6lists = { 'link-local': list('fe80::/10'), private: list('fc00::/7', 'fec0::/10', '64:ff9b:1::/48') }
  const v6 = fc.oneof(
    fc.ipV6(),
    fc
      .tuple(
        fc.constantFrom(
          'fe7f',
          'fe80',
          'febf',
          'fec0',
          'feff',
          'fbff',
          'fc00',
          'fdff',
          'fe00',
          'ff00',
          '1fff',
          '2000',
          '3ffe',
          '4000',
        ),
        fc.nat(0xffff),
      )
      .map(([a, b]) => `${a}:${b.toString(16)}::1`),
  )
  fc.assert(
    fc.property(v6, (address) => {
      const [head] = parseAddress(address) ?? []
      if (head === 0 || head === 0x20) return
      const kind = classifyAddress(address)
      expect(kind === 'link-local').toBe(v6lists['link-local'].check(address, 'ipv6'))
      expect(kind === 'private').toBe(v6lists.private.check(address, 'ipv6') && kind !== 'metadata')
    }),
    { numRuns: runs(2_000, 100_000) },
  )
})

test('an IPv4 address is the same however IPv6 carries it', () => {
  fc.assert(
    fc.property(v4, (address) => {
      const hex = (parseAddress(address) ?? []).map((byte) => byte.toString(16).padStart(2, '0')).join('')
      const groups = `${hex.slice(0, 4)}:${hex.slice(4)}`
      const kind = classifyAddress(address)
      for (const carrier of [
        `::ffff:${address}`,
        `::FFFF:${groups}`,
        `64:ff9b::${groups}`,
        `2002:${groups}::`,
        `0:0:0:0:0:ffff:${address}`,
      ]) {
        expect(classifyAddress(carrier), carrier).toBe(kind)
      }
    }),
    { numRuns: runs(500, 20_000) },
  )
})

describe('judging', () => {
  function error(...args: Parameters<typeof judgeAddress>): StowageError | undefined {
    try {
      judgeAddress(...args)
      return undefined
    } catch (thrown) {
      if (StowageError.isInstance(thrown)) return thrown
      throw thrown
    }
  }

  const all = { allowPrivateNetwork: true, allowLoopback: true }

  test('takes public addresses; others only where they are allowed', () => {
    for (const address of byKind.public) expect(error(address)).toBeUndefined()
    for (const address of byKind.private) {
      expect(error(address, { allowLoopback: true })?.hint).toContain('allowPrivateNetwork')
      expect(error(address, { allowPrivateNetwork: true })).toBeUndefined()
    }
    for (const address of byKind.loopback) {
      expect(error(address, { allowPrivateNetwork: true })?.code).toBe('configuration')
      expect(error(address, { allowLoopback: true })).toBeUndefined()
    }
  })

  test('never takes link-local, metadata, unspecified and reserved ones', () => {
    for (const kind of ['link-local', 'metadata', 'unspecified', 'reserved'] as const) {
      for (const address of byKind[kind])
        expect(error(address, all), address).toMatchObject({ code: 'configuration', field: 'endpoint' })
    }
  })

  test('names the field and the source', () => {
    const refused = error('10.0.0.1', {}, { field: 'sources[2].endpoint', sourceId: 'lan' })
    expect(refused).toMatchObject({ code: 'configuration', field: 'sources[2].endpoint', sourceId: 'lan' })
    expect(refused?.message).toBe(
      'lan: the sources[2].endpoint is refused: the address 10.0.0.1 lies in a private network.',
    )
  })
})
