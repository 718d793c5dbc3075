/** Why OSS takes no such object name, or `undefined`: https://www.alibabacloud.com/help/en/oss/support/0016-00000005 */
export function objectKeyProblem(key: string): string | undefined {
  if (key === '') return 'The name is empty.'
  if (Buffer.byteLength(key) > 1023) return 'The name is longer than 1,023 bytes.'
  if (/^[/\\]/.test(key)) return 'The name begins with a slash or a backslash.'
  return undefined
}

/** The name of the bucket in the host `<bucket>.oss-<region>.<domain>`; empty for the endpoint itself, `undefined` for other hosts. */
export function bucketOfHost(host: string): string | undefined {
  const match = /^(?:([a-z0-9][a-z0-9-]{1,61}[a-z0-9])\.)?oss-[a-z0-9-]+\./.exec(host)
  return match === null ? undefined : (match[1] ?? '')
}
