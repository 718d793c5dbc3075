/** What the quickstart prints: plain lines, and a progress bar that is redrawn on a terminal. */

export function heading(text: string): void {
  process.stdout.write(`\n== ${text}\n`)
}

export function line(text: string): void {
  process.stdout.write(`   ${text}\n`)
}

export function block(text: string): void {
  for (const one of text.split('\n')) line(one)
}

export function mib(bytes: number): string {
  return bytes < 100 * 1024 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}

/** A bar of 30 characters. On a terminal every step redraws it; elsewhere only its end is printed. */
export function bar(label: string): { update(done: number, total: number, rate?: number): void; end(): void } {
  let last = ''
  return {
    update(done, total, rate) {
      const share = total === 0 ? 0 : Math.min(1, done / total)
      const filled = Math.round(share * 30)
      const speed = rate === undefined || rate === 0 ? '' : `  ${mib(rate)}/s`
      last = `   ${label.padEnd(9)}[${'#'.repeat(filled)}${'-'.repeat(30 - filled)}] ${String(Math.floor(share * 100)).padStart(3)}%  ${mib(done)} of ${mib(total)}${speed}`
      if (process.stdout.isTTY) process.stdout.write(`\r\u001b[2K${last}`)
    },
    end() {
      process.stdout.write(process.stdout.isTTY ? '\n' : `${last}\n`)
    },
  }
}
