// Numbers and times as a person reads them, always with their unit, in the reader's language. A no-break space keeps
// number and unit together.

import { spoken, t } from './language';

const JOINED = '\u00a0';
const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const MONTHS = {
  en: ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'],
  de: ['Jan.', 'Feb.', 'März', 'Apr.', 'Mai', 'Juni', 'Juli', 'Aug.', 'Sep.', 'Okt.', 'Nov.', 'Dez.'],
};

/** `1 turn`, `14 turns`, `1,204 turns`. Both words are translated here. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${grouped(n)}${JOINED}${t(n === 1 ? one : many)}`;
}

/** `1204` as `1,204`. */
export function grouped(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, spoken() === 'de' ? '.' : ',');
}

/** With so many digits after the point. */
export function decimal(n: number, digits: number): string {
  const written = n.toFixed(digits);
  return spoken() === 'de' ? written.replace('.', ',') : written;
}

/** `999`, `1.2k`, `182k`, `4.1M`. */
export function compact(n: number): string {
  return scaled(n, 1000, ['', 'k', 'M', 'G'], '');
}

/** `$0.004`, `$1.24`, `$1,204.50`: two digits after the point, or one that tells something. */
export function dollars(n: number): string {
  const digits = n > 0 && n < 0.01 ? Math.min(9, 1 - Math.floor(Math.log10(n))) : 2;
  const [whole = '0', rest = ''] = n.toFixed(digits).split('.');
  return `$${grouped(Number(whole))}${spoken() === 'de' ? ',' : '.'}${rest}`;
}

/** `812 B`, `1.2 kB`, `34 MB`, in powers of 1000. */
export function bytes(n: number): string {
  return scaled(n, 1000, ['B', 'kB', 'MB', 'GB', 'TB'], JOINED);
}

function scaled(n: number, step: number, units: string[], between: string): string {
  let value = n;
  let unit = 0;
  // 999.5 would be written as 1000, so it moves up as well.
  while (value >= step - 0.5 && unit < units.length - 1) {
    value /= step;
    unit += 1;
  }
  const digits = unit > 0 && value < 9.95 ? 1 : 0;
  return `${decimal(value, digits)}${between}${units[unit] ?? ''}`;
}

/** A share of 1 as `38 %`; what is there but rounds to nothing is `<1 %`. */
export function percent(share: number): string {
  const whole = Math.round(share * 100);
  return `${share > 0 && whole === 0 ? '<1' : whole}${JOINED}%`;
}

/** A share of 1 with digits after the point, `3.4 %`, where whole ones would hide the difference. */
export function fine(share: number, digits = 1): string {
  return `${decimal(share * 100, digits)}${JOINED}%`;
}

/** `8 ms`, `1.2 s`, `42 s`, `3 min 4 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(ms: number): string {
  if (ms < SECOND_MS - 0.5) return `${ms < 9.95 && !Number.isInteger(ms) ? decimal(ms, 1) : Math.round(ms)}${JOINED}ms`;
  if (ms < 10 * SECOND_MS - 50) return `${decimal(ms / SECOND_MS, 1)}${JOINED}s`;
  const seconds = Math.round(ms / SECOND_MS);
  if (seconds < 60) return `${seconds}${JOINED}s`;
  if (seconds < 3600) return two(Math.floor(seconds / 60), 'min', seconds % 60, 's');
  if (seconds < 86400) return two(Math.floor(seconds / 3600), 'h', Math.floor((seconds % 3600) / 60), 'min');
  return two(Math.floor(seconds / 86400), 'd', Math.floor((seconds % 86400) / 3600), 'h');
}

function two(big: number, bigUnit: string, small: number, smallUnit: string): string {
  const head = `${big}${JOINED}${bigUnit}`;
  return small === 0 ? head : `${head} ${small}${JOINED}${smallUnit}`;
}

/** `just now`, `12 s ago`, `3 min ago`, `5 h ago`, `2 d ago`, then `3 Nov` or `3 Nov 2025`. */
export function relative(at: string, now: number): string {
  const then = Date.parse(at);
  if (Number.isNaN(then)) return t('unknown time');
  const ago = now - then;
  if (ago < 10 * SECOND_MS) return ago < -MINUTE_MS ? dayOf(then, now) : t('just now');
  if (ago < MINUTE_MS) return t('{time} ago', { time: `${Math.floor(ago / SECOND_MS)}${JOINED}s` });
  if (ago < HOUR_MS) return t('{time} ago', { time: `${Math.floor(ago / MINUTE_MS)}${JOINED}min` });
  if (ago < DAY_MS) return t('{time} ago', { time: `${Math.floor(ago / HOUR_MS)}${JOINED}h` });
  if (ago < 7 * DAY_MS) return t('{time} ago', { time: `${Math.floor(ago / DAY_MS)}${JOINED}d` });
  return dayOf(then, now);
}

/** `21 Nov`, with the year where it is not this one. */
export function day(at: string, now: number): string {
  const then = Date.parse(at);
  return Number.isNaN(then) ? t('unknown day') : dayOf(then, now);
}

function dayOf(then: number, now: number): string {
  const date = new Date(then);
  const month = MONTHS[spoken()][date.getMonth()] ?? '';
  const short = `${date.getDate()}${spoken() === 'de' ? '.' : ''}${JOINED}${month}`;
  return date.getFullYear() === new Date(now).getFullYear() ? short : `${short} ${date.getFullYear()}`;
}

/** The time of day where one is, `09:04:05`. */
export function clock(at: string): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime())
    ? t('unknown time')
    : [date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits).join(':');
}

/** A moment to come or not long gone: `14:05`, on another day `23 Nov, 14:05`. */
export function moment(at: string, now: number): string {
  const then = Date.parse(at);
  if (Number.isNaN(then)) return t('unknown time');
  const time = clock(at).slice(0, 'hh:mm'.length);
  return dayOf(then, now) === dayOf(now, now) ? time : `${dayOf(then, now)}, ${time}`;
}

/** Day and time where one is, to the millisecond: `2026-11-21 09:04:05.120`. */
export function exact(at: string): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return at;
  const ymd = `${date.getFullYear()}-${twoDigits(date.getMonth() + 1)}-${twoDigits(date.getDate())}`;
  return `${ymd} ${clock(at)}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

function twoDigits(n: number): string {
  return String(n).padStart(2, '0');
}

/** A path as what leads to its last part, and that part. Understands both kinds of slash. */
export function folder(path: string): { parent: string; name: string } {
  const cut = /^(.*[/\\])?([^/\\]+)[/\\]*$/.exec(path);
  return { parent: cut?.[1] ?? '', name: cut?.[2] ?? path };
}

/** The first characters of a hash or commit: enough to compare by eye. */
export function shortHash(hash: string): string {
  return hash.slice(0, 12);
}
