/** Query parameters that let in whoever has them: signatures and session tokens of S3, OSS, Azure and Google. */
const signatures =
  'X-Amz-Signature|X-Amz-Security-Token|X-Goog-Signature|X-Oss-Signature|X-Oss-Security-Token|Security-Token|SecurityToken|' +
  'Signature|Sig'

const headers =
  'Proxy-Authorization|Authorization|Set-Cookie|Cookie|X-Amz-Security-Token|X-Oss-Security-Token|X-Api-Key|X-Auth-Token'

const names =
  'secret|client_?secret|secret_?key|secret_?access_?key|access_?key|access_?key_?secret|password|passwd|passphrase|' +
  'access_?token|session_?token|security_?token|authorization|api_?key|private_?key|master_?key|token'

/** A name that begins here, also after a `&` or `?` that was itself encoded. */
const begin = '(?:(?<![\\w-])|(?<=%(?:25)?(?:26|3F|3B))|(?<=\\\\u0026))'
const closingQuote = `(?:\\\\?["'])?`
const inQuery = `(?:(?!%(?:25)?26)[^&\\s"'<>#;,\\\\])+`

/**
 * A value after its name, in JSON, in JSON within JSON, and as the console shows objects. A closing quote may be missing, since lines
 * are cut; the opening one is kept, so that JSON stays JSON.
 */
function quotedAfter(name: string): RegExp[] {
  return [
    new RegExp(`(${name}")(?:[^"\\\\]|\\\\.)+`, 'gi'),
    new RegExp(`(${name}')[^']+`, 'gi'),
    new RegExp(`(${name}\\\\")[^"\\\\]+`, 'gi'),
  ]
}

const header = `${begin}(?:${headers})${closingQuote}\\s{0,4}[:,]\\s{0,4}(?:\\[\\s{0,4}(?=["']))?`

/**
 * What is found by its form, also when nobody told us the secret. The first group is kept, the rest goes. Quantifiers are bounded or end
 * at a delimiter, so that no text makes them slow.
 */
export const secretForms: readonly RegExp[] = [
  /-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:(?!-----END)[\s\S]){0,20000}(?:-----END [A-Z ]{0,30}-----)?/g,
  // The last @ before the path ends the user information, so a password with an @ goes as a whole.
  /(:\/\/)[^\s/?#"'<>\\]+(?=@)/g,
  new RegExp(`(${begin}(?:${signatures})(?:=|%(?:25)?3D))${inQuery}`, 'gi'),
  ...quotedAfter(header),
  new RegExp(`(${header})(?![\\s"'\\\\]|\\[secret\\]|\\[\\s{0,4}["'])[^\\r\\n]+`, 'gi'),
  /(?<![\w-])((?:Bearer|Basic|AWS|OSS)\s{1,4})[\w.~+/:=-]{8,}/g,
  ...quotedAfter(`${begin}(?:${names})${closingQuote}\\s{0,4}[:=]\\s{0,4}`),
  new RegExp(`(${begin}(?:${names})(?:=|%(?:25)?3D))${inQuery}`, 'gi'),
]

const secretName = new RegExp(`^(?:[a-z]+[._-]){0,8}(?:${names}|${signatures}|${headers})$`, 'i')
const camelCased =
  /(?:Secret|SecretKey|AccessKey|Password|Passphrase|AccessToken|SessionToken|SecurityToken|ApiKey|PrivateKey|MasterKey)$/

/** Whether a field of this name holds a secret, as far as its name says. */
export function isSecretName(name: string): boolean {
  return secretName.test(name) || camelCased.test(name)
}
