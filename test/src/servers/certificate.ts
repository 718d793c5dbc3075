/** A self-signed certificate for the loopback addresses, written in DER by hand: Node can sign but not issue one. */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'

function tlv(tag: number, ...contents: (Buffer | Uint8Array)[]): Buffer {
  const body = Buffer.concat(contents)
  const length = body.length
  const header =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, (length >> 8) & 0xff, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...header]), body])
}

const sequence = (...items: Buffer[]): Buffer => tlv(0x30, ...items)
const oid = (...bytes: number[]): Buffer => tlv(0x06, Buffer.from(bytes))
const utcTime = (date: Date): Buffer =>
  tlv(0x17, Buffer.from(`${date.toISOString().slice(2, 19).replace(/[-:T]/g, '')}Z`))

const ecdsaWithSha256 = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02))
const commonName = oid(0x55, 0x04, 0x03)
const basicConstraints = oid(0x55, 0x1d, 0x13)
const subjectAltName = oid(0x55, 0x1d, 0x11)
const day = 86_400_000

/** A certificate, good for a week, for `localhost`, `127.0.0.1` and `::1`, which is its own authority. As PEM. */
export function createCertificate(now: Date = new Date()): { cert: string; key: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const serial = randomBytes(8)
  serial[0] = ((serial[0] as number) & 0x7f) | 0x40
  // Of several that are trusted together, each is found by its own name.
  const text = Buffer.from(`stowage test server ${serial.toString('hex')}`)
  const name = sequence(tlv(0x31, sequence(commonName, tlv(0x0c, text))))
  const altNames = sequence(
    tlv(0x82, Buffer.from('localhost')),
    tlv(0x87, Buffer.from([127, 0, 0, 1])),
    tlv(0x87, Buffer.from([...new Uint8Array(15), 1])),
  )
  const isAuthority = sequence(tlv(0x01, Buffer.from([0xff])))
  const extensions = tlv(
    0xa3,
    sequence(
      sequence(basicConstraints, tlv(0x01, Buffer.from([0xff])), tlv(0x04, isAuthority)),
      sequence(subjectAltName, tlv(0x04, altNames)),
    ),
  )
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, serial),
    ecdsaWithSha256,
    name,
    sequence(utcTime(new Date(now.getTime() - day)), utcTime(new Date(now.getTime() + 7 * day))),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    extensions,
  )
  const der = sequence(body, ecdsaWithSha256, tlv(0x03, Buffer.from([0]), sign('sha256', body, privateKey)))
  const base64 = der.toString('base64').replace(/.{64}/g, '$&\n')
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
}
