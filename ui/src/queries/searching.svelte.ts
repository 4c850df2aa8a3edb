// A search over all journals as its text is typed: asked for when the typing rests, one question at a time, and
// no answer shown for another text than it was asked for.

import { onMount } from 'svelte';
import type { ApiError, Hit } from '../bindings/api';
import { useHost } from '../host/context';
import { asApiError } from '../host/host';

/** Milliseconds that the typing rests. The engine reads every journal for each question. */
export const REST_MS = 300;
/** One letter is found everywhere. */
export const TEXT_CHARS_MIN = 2;

export interface Found {
  text: string;
  hits: Hit[];
}

/** To be called while a component is set up; ends with it. */
export function searching() {
  const host = useHost();
  let wanted = $state('');
  let found = $state.raw<Found>();
  let error = $state.raw<ApiError>();
  let running = $state(false);
  let resting: ReturnType<typeof setTimeout> | undefined;

  async function ask(): Promise<void> {
    clearTimeout(resting);
    if (running || wanted.length < TEXT_CHARS_MIN || found?.text === wanted) return;
    running = true;
    const text = wanted;
    try {
      const hits = await host.search({ text });
      if (text === wanted) found = { text, hits };
      error = undefined;
    } catch (rejection) {
      error = asApiError(rejection);
    }
    running = false;
    if (text !== wanted) void ask();
  }

  onMount(() => () => clearTimeout(resting));

  return {
    /** The newest answer; undefined where the text is too short for one. */
    get found() {
      return found;
    },
    get error() {
      return error;
    },
    /** A text was given for which there is no answer yet. */
    get busy() {
      return wanted.length >= TEXT_CHARS_MIN && error === undefined && found?.text !== wanted;
    },
    want(text: string): void {
      wanted = text.trim();
      error = undefined;
      clearTimeout(resting);
      if (wanted.length < TEXT_CHARS_MIN) found = undefined;
      else resting = setTimeout(() => void ask(), REST_MS);
    },
    /** Asks at once. */
    now(): void {
      error = undefined;
      void ask();
    },
  };
}
