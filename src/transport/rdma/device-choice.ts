import * as v from 'valibot';
import { integer, options, type Schema } from '../../check.ts';
import { gidIndexMax } from '../../limits.ts';

/** Which device to use, and which of its addresses. The default is the first device and its best address. */
export interface DeviceChoice {
  readonly device?: string | undefined;
  /** Position in the GID table of the port. */
  readonly gidIndex?: number | undefined;
}

/** @internal */
export const deviceChoice: Schema<DeviceChoice> = options({
  device: v.optional(v.string()),
  gidIndex: v.optional(integer(0, gidIndexMax)),
});
