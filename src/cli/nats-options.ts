// Options of commands for a cluster in NATS.
import { type Command, Option } from 'commander';
import { isNatsAddress } from '../nats/address.ts';
import type { NatsCredentials } from '../nats/credentials.ts';
import { flagOf } from './option-values.ts';
import { readPem, readText } from './security.ts';

/** Paths of the files for NATS. */
export interface NatsOptions {
  readonly natsCreds?: string | undefined;
  readonly natsCa?: string | undefined;
  readonly natsCert?: string | undefined;
  readonly natsKey?: string | undefined;
}

const names: readonly (keyof NatsOptions)[] = ['natsCreds', 'natsCa', 'natsCert', 'natsKey'];

export function withNats(command: Command): Command {
  return command
    .addOption(
      new Option('--nats-creds <file>', 'credentials for NATS: a JWT and its seed').env('FLEXEMR_NATS_CREDS'),
    )
    .option('--nats-ca <file>', 'certificates to trust for NATS, PEM')
    .option('--nats-cert <file>', 'certificate to show to NATS, PEM')
    .option('--nats-key <file>', 'key of the certificate, PEM');
}

/** Ends the command if options for NATS are given, but nothing is there. @param flag of the address */
export function checkNats(command: Command, address: string | undefined, flag: string): void {
  const given = names.find((name) => command.getOptionValueSource(name) === 'cli');
  if (given !== undefined && !isNatsAddress(address ?? ''))
    command.error(
      `error: option '${flagOf(given)} <file>' is for NATS: give ${flag} nats://HOST:PORT/BUCKET too`,
    );
}

/** @throws INVALID_FILE */
export async function readNats({
  natsCreds,
  natsCa,
  natsCert,
  natsKey,
}: NatsOptions): Promise<NatsCredentials> {
  return {
    creds: natsCreds === undefined ? undefined : await readText('natsCreds', natsCreds),
    ca: await readPem('natsCa', natsCa),
    cert: await readPem('natsCert', natsCert),
    key: await readPem('natsKey', natsKey),
  };
}
