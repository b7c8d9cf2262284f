// @ts-check
// How figures are written.

/** @import { Failing, Figure } from './figures.js' */
/**
 * What a figure counts: scales it to a size that is read easily, and names the unit of that.
 * @typedef {(value: number) => readonly [value: number, unit: string]} Unit
 */

/** What stands for a figure that there is not. */
export const none = '–';

/** @type {Unit} */
export const count = (value) => [value, ''];

/** @type {Unit} */
export const seconds = (value) => (Math.abs(value) < 1 ? [value * 1_000, 'ms'] : [value, 's']);

/** @type {Unit} */
export function bytes(value) {
  const names = ['B', 'kB', 'MB', 'GB', 'TB'];
  const step = Math.min(names.length - 1, Math.max(0, Math.floor(Math.log10(Math.abs(value) || 1) / 3)));
  return [value / 1_000 ** step, names[step]];
}

/** @param {Figure} figure @returns {string} with three digits or more, so that its width hardly changes */
export function write(figure, /** @type {Unit} */ unit = count) {
  if (figure === undefined || Number.isNaN(figure)) return none;
  const [value, name] = unit(figure);
  const size = Math.abs(value);
  const exact = name === '' && Number.isInteger(value);
  const decimals = exact || size === 0 || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  return joined(
    value.toLocaleString('en', { minimumFractionDigits: decimals, maximumFractionDigits: decimals }),
    name,
  );
}

/** @param {number} figure @param {Unit} unit @returns {string} for an axis: as short as it is exact */
export function tick(figure, unit) {
  const [value, name] = unit(figure);
  return value === 0 ? '0' : joined(value.toLocaleString('en', { maximumSignificantDigits: 3 }), name);
}

/** @param {Figure} figure @returns {string} a number of things */
export function whole(figure) {
  return figure === undefined ? none : figure.toLocaleString('en', { maximumFractionDigits: 0 });
}

/** @param {readonly Failing[]} errors @returns {string} the codes that happen now, with their rates */
export function failures(errors) {
  const now = errors.filter(({ rate }) => rate !== undefined && rate > 0);
  return now.length === 0 ? '0' : now.map(({ code, rate }) => `${code}\u00a0${write(rate)}`).join(', ');
}

/** @param {string} value @param {string} unit */
const joined = (value, unit) => (unit === '' ? value : `${value}\u00a0${unit}`);

const clock = new Intl.DateTimeFormat('sv', { timeStyle: 'medium' });
const calendar = new Intl.DateTimeFormat('sv', { dateStyle: 'short', timeStyle: 'medium' });

/** @param {number} at milliseconds since 1970 @returns {string} 03:12:07 */
export const time = (at) => clock.format(at);

/** @param {number} at milliseconds since 1970 @returns {string} 2026-11-29 03:12:07 */
export const date = (at) => calendar.format(at);

/** @param {number} span in seconds @returns {string} its two largest parts */
export function duration(span) {
  const whole = Math.max(0, Math.round(span));
  const parts = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor(whole / 3_600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ];
  const first = parts.findIndex(([value]) => value !== 0);
  const shown = first === -1 ? parts.slice(3) : parts.slice(first, first + 2);
  return shown.map(([value, unit]) => `${value}\u00a0${unit}`).join(' ');
}
