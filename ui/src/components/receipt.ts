// The one sentence that says how a restore went.

import type { Receipt } from '../bindings/api';
import { count } from '../format';
import { t } from '../language';
import { REFUSAL_WORDS } from '../words';

export function receiptTitle(receipt: Receipt): string {
  if (receipt.refused) return t('Refused: {why}', { why: REFUSAL_WORDS[receipt.refused.reason] });
  const lost = lostWords(receipt.turns_lost);
  if (receipt.ok) return receipt.fork_of === null ? t('Restored, {lost}', { lost }) : t('Forked, {lost}', { lost });
  const failed = receipt.steps.find((step) => !step.ok);
  return failed ? t('Failed at the step “{step}”', { step: failed.step.replaceAll('_', ' ') }) : t('Failed');
}

function lostWords(turns: number | null): string {
  if (turns === null) return t('turns lost not counted');
  return turns === 0 ? t('nothing lost') : t('{turns} lost', { turns: count(turns, 'turn') });
}

/** The same for a dry run. */
export function previewTitle(receipt: Receipt): string {
  if (receipt.refused) return t('Would be refused: {why}', { why: REFUSAL_WORDS[receipt.refused.reason] });
  return receipt.ok ? t('Nothing is in the way. These steps would be done:') : t('It would fail:');
}
