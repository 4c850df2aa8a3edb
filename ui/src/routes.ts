// Where in the app one is, as it stands in the URL's fragment.

export type Route =
  | { page: 'chats' }
  | { page: 'chat'; id: string }
  | { page: 'crashes' }
  | { page: 'crash'; number: number }
  | { page: 'settings' };

/** Reads `#/crashes/12` or `/crashes/12`; what is not known leads to the chats. */
export function parseRoute(fragment: string): Route {
  const [noun, ...rest] = fragment.replace(/^#?\/*/, '').split('/');
  const name = decode(rest.join('/'));
  if (noun === 'chats' && name !== '') return { page: 'chat', id: name };
  if (noun === 'crashes') {
    return /^\d+$/.test(name) ? { page: 'crash', number: Number(name) } : { page: 'crashes' };
  }
  if (noun === 'settings') return { page: 'settings' };
  return { page: 'chats' };
}

export const CHATS_HREF = '#/chats';
export const CRASHES_HREF = '#/crashes';
export const SETTINGS_HREF = '#/settings';

export function chatHref(id: string): string {
  return `${CHATS_HREF}/${encodeURIComponent(id)}`;
}

export function crashHref(number: number): string {
  return `${CRASHES_HREF}/${number}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
