// The key that commands are given with, as this system's keyboards name it.

export const MAC = navigator.platform.startsWith('Mac');

/** `Ctrl K` or `⌘K`. */
export function withCommand(key: string): string {
  return MAC ? `⌘${key}` : `Ctrl ${key}`;
}
