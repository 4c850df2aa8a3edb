// The one sentence that says how a restore went.

import type { Receipt } from '../bindings/api';
import { count } from '../format';
import { REFUSAL_WORDS } from '../words';

export function receiptTitle(receipt: Receipt): string {
  const done = receipt.fork_of === null ? 'Restored' : 'Forked';
  if (receipt.refused) return `Refused: ${REFUSAL_WORDS[receipt.refused.reason]}`;
  if (receipt.ok) return `${done}, ${lost(receipt.turns_lost)}`;
  const failed = receipt.steps.find((step) => !step.ok);
  return failed ? `Failed at the step “${failed.step.replaceAll('_', ' ')}”` : 'Failed';
}

function lost(turns: number | null): string {
  if (turns === null) return 'turns lost not counted';
  return turns === 0 ? 'nothing lost' : `${count(turns, 'turn')} lost`;
}

/** The same for a dry run. */
export function previewTitle(receipt: Receipt): string {
  if (receipt.refused) return `Would be refused: ${REFUSAL_WORDS[receipt.refused.reason]}`;
  return receipt.ok ? 'Nothing is in the way. These steps would be done:' : 'It would fail:';
}
