// Values of options, and their names.
import { InvalidArgumentError } from 'commander';

/** The option of a field: `cacheOff` is `--cache-off`. */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** An argument that is an integer in a range. */
export function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`must be an integer from ${least} to ${most}.`);
  };
}

/** An argument that is a number, 0 or more. */
export function upTo(most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value >= 0 && value <= most) return value;
    throw new InvalidArgumentError(`must be a number from 0 to ${most}.`);
  };
}
