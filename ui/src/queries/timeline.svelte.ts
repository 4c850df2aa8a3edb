// A chat's timeline by its pages: those asked for, a bounded number of them, and always the newest. What an event made
// stale is shown until its page was fetched anew. Places count from 0, the oldest entry.

import { onMount } from 'svelte';
import { SvelteMap } from 'svelte/reactivity';
import type { ApiError, Entry, TimelinePage } from '../bindings/api';
import { useHost } from '../host/context';
import { asApiError } from '../host/host';
import { live, type Live } from './live.svelte';
import { concerns } from './queries';

/** Entries of a page; the newest are fetched as two. */
export const PAGE = 100;
/** Pages kept; those that were looked at longest ago go. */
export const PAGES_MAX = 30;

interface Page {
  /** By their place in the page. */
  entries: (Entry | undefined)[];
  fresh: boolean;
}

export interface Timeline {
  readonly newest: Live<TimelinePage>;
  /** Why a page could not be fetched. */
  readonly error: ApiError | undefined;
  readonly total: number;
  /** Undefined where its page is not there yet. */
  entry(place: number): Entry | undefined;
  /** Has the pages from one place to another fetched, and kept fresh until others are looked at. */
  look(from: number, to: number): void;
  /** Tries again what failed. */
  retry(): void;
  /** The place of the newest entry up to a moment, in milliseconds; null where all are later. */
  placeAt(moment: number): Promise<number | null>;
  placeOfCheckpoint(number: number, taken: string): Promise<number | null>;
}

/** To be called while a component is set up; ends with it. */
export function liveTimeline(target: string): Timeline {
  const host = useHost();
  const pages = new SvelteMap<number, Page>();
  let error = $state.raw<ApiError>();
  let before: TimelinePage | undefined;
  let looked = { from: 0, to: -1 };
  let running = false;
  let ended = false;

  const newest = live(async () => {
    const page = await host.timeline({ target, from: null, limit: 2 * PAGE });
    outdate(page);
    return page;
  }, (event) => concerns(event, target));

  onMount(() => () => (ended = true));

  /** What was the newest goes to its pages, so that nothing in sight goes while it is fetched anew. */
  function outdate(page: TimelinePage): void {
    // What could not be fetched is tried again once the engine answers.
    error = undefined;
    if (before && page.total < before.total) pages.clear();
    else if (before) keep(before.from, before.entries, false);
    for (const [number, old] of pages) if (old.fresh) pages.set(number, { ...old, fresh: false });
    before = page;
    // Once the answer is shown: what it holds need not be asked for.
    queueMicrotask(() => void fill());
  }

  function keep(from: number, entries: Entry[], fresh: boolean): void {
    for (let at = 0; at < entries.length; ) {
      const number = Math.floor((from + at) / PAGE);
      const start = (from + at) % PAGE;
      const part = entries.slice(at, at + PAGE - start);
      const held = fresh ? [] : [...(pages.get(number)?.entries ?? [])];
      part.forEach((entry, index) => (held[start + index] = entry));
      pages.delete(number);
      pages.set(number, { entries: held, fresh });
      at += part.length;
    }
    for (const number of pages.keys()) {
      if (pages.size <= PAGES_MAX) break;
      if (!inSight(number)) pages.delete(number);
    }
  }

  function inSight(number: number): boolean {
    return number >= Math.floor(looked.from / PAGE) && number <= Math.floor(looked.to / PAGE);
  }

  /** The page in sight that is to be fetched next. */
  function missing(): number | undefined {
    const { data } = newest;
    if (!data) return undefined;
    const to = Math.min(looked.to, data.from - 1);
    for (let number = Math.floor(to / PAGE); to >= 0 && number >= Math.floor(looked.from / PAGE); number -= 1) {
      if (!pages.get(number)?.fresh) return number;
    }
    return undefined;
  }

  async function fill(): Promise<void> {
    if (running) return;
    running = true;
    for (let number = missing(); number !== undefined && !error && !ended; number = missing()) {
      try {
        const page = await host.timeline({ target, from: number * PAGE, limit: PAGE });
        keep(number * PAGE, page.entries, true);
        if (page.entries.length === 0) break;
      } catch (rejection) {
        error = asApiError(rejection);
      }
    }
    running = false;
  }

  function entry(place: number): Entry | undefined {
    const { data } = newest;
    if (data && place >= data.from) return data.entries[place - data.from];
    return pages.get(Math.floor(place / PAGE))?.entries[place % PAGE];
  }

  async function entryAt(place: number): Promise<Entry | undefined> {
    return entry(place) ?? (await host.timeline({ target, from: place, limit: 1 })).entries[0];
  }

  async function placeAt(moment: number): Promise<number | null> {
    let low = 0;
    let high = newest.data?.total ?? 0;
    // Before `low` none is later, from `high` on all are: halved, it takes a question for each doubling.
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const at = Date.parse((await entryAt(middle))?.at ?? '');
      if (at > moment) high = middle;
      else low = middle + 1;
    }
    return low === 0 ? null : low - 1;
  }

  async function placeOfCheckpoint(number: number, taken: string): Promise<number | null> {
    const about = await placeAt(Date.parse(taken));
    if (about === null) return null;
    const from = Math.max(0, about - PAGE / 2);
    const { entries } = await host.timeline({ target, from, limit: PAGE });
    const at = entries.findIndex((each) => each.kind === 'checkpoint' && each.number === number);
    return at === -1 ? null : from + at;
  }

  return {
    newest,
    get error() {
      return error;
    },
    get total() {
      return newest.data?.total ?? 0;
    },
    entry,
    look(from, to) {
      looked = { from, to };
      void fill();
    },
    retry() {
      error = undefined;
      void fill();
    },
    placeAt,
    placeOfCheckpoint,
  };
}
