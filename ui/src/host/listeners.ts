// Those who want to be told, and telling them.

import type { Stop } from './host';

export interface Listeners<T> {
  add(listener: (value: T) => void): Stop;
  tell(value: T): void;
}

export function listeners<T>(): Listeners<T> {
  const all = new Set<(value: T) => void>();
  return {
    add(listener) {
      all.add(listener);
      return () => all.delete(listener);
    },
    tell(value) {
      for (const listener of [...all]) listener(value);
    },
  };
}
