import { pino } from 'pino';
import type { Log } from '../log.ts';

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** A log that writes JSON lines to stderr. It never ends the process, even if nobody reads stderr any more. */
export function logOf(base: object, level: LogLevel = 'info'): Log {
  const stderr = pino.destination({ fd: 2, sync: true });
  stderr.on('error', () => {});
  return pino({ base, level }, stderr);
}
