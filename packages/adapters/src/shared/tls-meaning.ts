import type { Meaning } from './meaning.ts'

/** What is wrong with a certificate or with the protocol. Nothing of it goes away by asking again. */
function refused(says: string, hint: string): Meaning {
  return { code: 'unavailable', says, hint, retryable: false }
}

const otherName = refused(
  'its certificate is for another host name',
  'Write the endpoint with a name of the certificate, or give the store a certificate for this one.',
)
const expired = refused(
  'its certificate has expired',
  "Renew the store's certificate; if it is good, set this machine's clock.",
)
const tooEarly = refused(
  'its certificate is not valid yet',
  "Set this machine's clock; if it is right, the store's certificate was made for a later time.",
)
const unknownIssuer = refused(
  'its certificate is of an authority that is not trusted',
  'Give the certificate of that authority as tls.ca.',
)
/** Worth another try: a byte that is changed on the way looks the same. */
const notTls: Meaning = {
  code: 'unavailable',
  says: 'what answers there does not speak TLS',
  hint: 'If the store speaks plain HTTP there, write the endpoint as http://.',
}
/** A byte was changed on the way. The next connection will do better. */
const damaged: Meaning = { code: 'unavailable', says: 'the TLS connection was damaged on the way' }
const other = refused('the TLS connection failed', "Check the store's certificate; give its authority as tls.ca.")

/** The words of Go's and nginx's servers for plain HTTP that came to a port of TLS. */
const spokePlainly = /HTTP request to an HTTPS server|plain HTTP request was sent to HTTPS port/

/** What an answer means that refuses plain HTTP. */
export const wantsTls: Meaning = refused(
  'the store speaks TLS there, and was sent plain HTTP',
  'Write the endpoint as https://.',
)

/** Whether the body of an answer says that the port speaks TLS. */
export function asksForTls(status: number | undefined, body: string): boolean {
  return status === 400 && spokePlainly.test(body)
}

/** What TLS failed with, by Node's and OpenSSL's codes (https://nodejs.org/api/tls.html#x509-certificate-error-codes). */
export function tlsMeaning(code: string): Meaning | undefined {
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'HOSTNAME_MISMATCH') return otherName
  if (code === 'CERT_HAS_EXPIRED') return expired
  if (code === 'CERT_NOT_YET_VALID') return tooEarly
  if (/^(DEPTH_ZERO_SELF|SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)|CERT_UNTRUSTED|INVALID_CA)/.test(code)) {
    return unknownIssuer
  }
  if (/^(EPROTO|ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST))$/.test(code)) return notTls
  if (/BAD_RECORD_MAC|DECRYPTION_FAILED|DECRYPT_ERROR/.test(code)) return damaged
  return /^(ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_(DECRYPT|DECODE|GET))/.test(code) ? other : undefined
}
