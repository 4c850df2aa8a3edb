// Commands of the palette carried out, and how each ended.

import type { Value } from '../bindings/core';
import { useHost } from '../host/context';
import { asApiError } from '../host/host';
import { t } from '../language';
import { restoring } from '../queries/restoring.svelte';
import { outcomes } from './outcomes.svelte';
import type { Effect } from './palette/commands';

export interface Told {
  tone: 'good' | 'danger';
  says: string;
  /** Why it failed, in the engine's words. */
  why: string | undefined;
}

const HOUR_SECONDS = 3600;

/** To be called by the app. */
export function carryingOut({ onkeys }: { onkeys: () => void }) {
  const host = useHost();
  const restored = outcomes();
  const restore = restoring();
  let told = $state.raw<Told>();

  const set = (name: string, value: Value) => host.change_settings({ change: { changes: { [name]: value }, text: null } });

  /** Says `done`, or why it failed. What is seen anyhow is not said. */
  async function tell(asked: Promise<unknown>, failed: string, done?: (answer: unknown) => string): Promise<void> {
    told = undefined;
    try {
      const answer = await asked;
      if (done) told = { tone: 'good', says: done(answer), why: undefined };
    } catch (rejection) {
      told = { tone: 'danger', says: failed, why: asApiError(rejection).message };
    }
  }

  async function carryOut(effect: Effect): Promise<void> {
    switch (effect.do) {
      case 'go':
        location.hash = effect.href;
        return;
      case 'keys':
        onkeys();
        return;
      case 'restore': {
        const { id, title } = effect.crash;
        told = { tone: 'good', says: t('“{title}” is being restored…', { title }), why: undefined };
        const ended = await restore.run({ target: String(id), checkpoint: null, headless: false, then: 'idle', dry_run: false });
        told = undefined;
        restored.add({ title, restore: ended });
        return;
      }
      case 'restore_all':
        return tell(host.begin_fleet({ options: { headless: false, then: 'idle', dry_run: false } }), t('The chats could not be restored.'));
      case 'pause':
        return tell(host.pause({ seconds: HOUR_SECONDS }), t('Watching could not be paused.'));
      case 'resume':
        return tell(host.resume(), t('Watching could not be resumed.'), () => t('SHIM watches again.'));
      case 'checkpoint':
        return tell(host.take_checkpoint({ target: effect.chat, note: null, point: null }), t('No checkpoint could be taken.'), () =>
          t('The checkpoint is taken.'),
        );
      case 'theme':
        return tell(set('desktop.theme', effect.theme), t('The colours could not be changed.'));
      case 'welcomed':
        return tell(set('desktop.welcomed', true), t('The welcome will be shown once more: that you saw it could not be kept.'));
    }
  }

  return {
    carryOut,
    restored,
    get told() {
      return told;
    },
    dismiss(): void {
      told = undefined;
    },
  };
}
