// Two answers that a page needs at once, as one.

import type { Live } from './live.svelte';

export function together<A, B>(a: Live<A>, b: Live<B>): Live<[A, B]> {
  return {
    get data() {
      return a.data === undefined || b.data === undefined ? undefined : ([a.data, b.data] as [A, B]);
    },
    get error() {
      return a.error ?? b.error;
    },
    get fetching() {
      return a.fetching || b.fetching;
    },
    refetch() {
      a.refetch();
      b.refetch();
    },
  };
}
