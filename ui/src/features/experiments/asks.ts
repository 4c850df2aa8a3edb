// What its user may say about an experiment, and what each word does, told before it is done.

import type { Experiment, ExperimentRequest, Knob } from '../../bindings/api';
import { t } from '../../language';
import { armWords } from './knobs';
import { standing } from './standing';

export type Ask = 'start' | 'stop' | 'pin' | 'override' | 'undo';

export const ASK_WORDS: Record<Ask, string> = {
  start: t('Start…'),
  stop: t('Stop…'),
  pin: t('Pin…'),
  override: t('One chat…'),
  undo: t('Undo…'),
};

/** What can be said as it stands. */
export function asksOf(experiment: Experiment): Ask[] {
  switch (standing(experiment)) {
    case 'draft':
      return ['start', 'stop'];
    case 'running':
      return ['stop', 'pin', 'override'];
    case 'probation':
      return ['undo', 'pin', 'override'];
    case 'confirmed':
    case 'pinned':
      return ['undo'];
    case 'rolled_back':
    case 'inconclusive':
    case 'stopped':
      return [];
  }
}

/** What would happen; `arm` is the value that would be pinned. */
export function would(ask: Ask, experiment: Experiment, knobs: Knob[], arm: number): string {
  const values = armWords(experiment.plan, knobs);
  const [old = '', ...tried] = values;
  const words = { old, new: tried.join(` ${t('or')} `) };
  switch (ask) {
    case 'start':
      return t('A few of the chats that come up get {new}, the others keep {old}. More follow while nothing speaks against it, and all go back by themselves where a safety bound is broken.', words);
    case 'stop':
      return standing(experiment) === 'draft'
        ? t('The idea is dropped. Nothing was changed, and all chats keep {old}.', words)
        : t('The trial ends. All chats go back to {old}. What was measured stays to be looked at, and the setting is left alone for a while.', words);
    case 'pin':
      return t('The trial ends, and all chats get {value} from then on. It is not compared any more, and holds until you undo it.', {
        value: values[arm] ?? '',
      });
    case 'override':
      return t('This chat gets {value} from now on, whatever else is decided, and no longer counts. The others go on.', { value: values[arm] ?? '' });
    case 'undo':
      return standing(experiment) === 'confirmed'
        ? t('All chats go back to {old}, though {new} was confirmed here. The setting is left alone for a while.', words)
        : t('All chats go back to {old}. The setting is left alone for a while.', words);
  }
}

/** `chat` is the one that is given a value by itself. */
export function requestOf(ask: Ask, experiment: number, arm: number, chat: string): ExperimentRequest {
  switch (ask) {
    case 'pin':
      return { do: ask, experiment, arm };
    case 'override':
      return { do: ask, experiment, chat, arm };
    case 'start':
    case 'stop':
    case 'undo':
      return { do: ask, experiment };
  }
}

/** What was done. */
export function did(ask: Ask, experiment: Experiment, knobs: Knob[], arm: number): string {
  const values = armWords(experiment.plan, knobs);
  const n = experiment.id;
  switch (ask) {
    case 'start':
      return t('Experiment {n} has begun.', { n });
    case 'stop':
      return t('Experiment {n} is stopped: all chats keep {value}.', { n, value: values[0] ?? '' });
    case 'pin':
      return t('Experiment {n} is ended: all chats get {value}.', { n, value: values[arm] ?? '' });
    case 'override':
      return t('One chat gets {value}.', { value: values[arm] ?? '' });
    case 'undo':
      return t('Experiment {n} is taken back: all chats get {value}.', { n, value: values[0] ?? '' });
  }
}
