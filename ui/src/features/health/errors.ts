// The engine's names of errors as a person says them.

import { t } from '../../language';

/** `tool:Bash` as `Bash failed`, `rate_limit` as `rate limit`. */
export function errorWords(error: string): string {
  return error.startsWith('tool:') ? t('{tool} failed', { tool: error.slice('tool:'.length) }) : error.replaceAll('_', ' ');
}
