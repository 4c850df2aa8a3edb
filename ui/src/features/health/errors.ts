// The engine's names of errors as a person says them.

/** `tool:Bash` as `Bash failed`, `rate_limit` as `rate limit`. */
export function errorWords(error: string): string {
  return error.startsWith('tool:') ? `${error.slice('tool:'.length)} failed` : error.replaceAll('_', ' ');
}
