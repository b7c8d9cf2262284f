import * as v from 'valibot';
import { integer, options, type Schema } from '../../check.ts';
import { gidIndexMax } from '../../limits.ts';

/** Which device, and which of its addresses; by default the first that works. */
export interface DeviceChoice {
  readonly device?: string | undefined;
  /** Position in the port's table of GIDs. */
  readonly gidIndex?: number | undefined;
}

/** @internal */
export const deviceChoice: Schema<DeviceChoice> = options({
  device: v.optional(v.string()),
  gidIndex: v.optional(integer(0, gidIndexMax)),
});
