/** Characters that stand for themselves in a path that is signed: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html */
const plainPath = /^[A-Za-z0-9\-._~/]*$/
const leftByJavaScript = /[!'()*]/g

const percent = (char: string): string => `%${char.charCodeAt(0).toString(16).toUpperCase()}`

/** A text as a part of a path or query: everything but unreserved characters as `%XX` of its UTF-8 bytes. */
export function encodePart(text: string): string {
  return encodeURIComponent(text).replace(leftByJavaScript, percent)
}

/** A key as a path: as {@link encodePart}, with its slashes kept. */
export function encodeKey(key: string): string {
  return plainPath.test(key) ? key : encodePart(key).replaceAll('%2F', '/')
}
