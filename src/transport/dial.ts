// What the connections of a stream have in common: they begin with an HTTP/1.1 Upgrade.
import { connect as connectTcp, type OnReadOpts, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ClientSecurity } from './security.ts';

/** The protocol that streams and their credits are upgraded to. */
export const streamProtocol = 'flexemr/1';

/**
 * Header of an Upgrade. `askCredits`: replies of the stream may wait for credits. The answer has the name of the stream. With
 * this name as its value, the Upgrade opens the connection for the credits.
 */
export const creditsHeader = 'flexemr-credits';
export const askCredits = 'ask';

/** Ports of addresses that do not name one. */
const httpPort = 80;
const httpsPort = 443;

/** Connects to a worker. @param onread the buffers that it reads into; default: it emits what it reads */
export function dial(url: URL, { ca, cert, key }: ClientSecurity, onread?: OnReadOpts): Socket {
  const isTls = url.protocol === 'https:';
  const port = Number(url.port) || (isTls ? httpsPort : httpPort);
  const target = { host: url.hostname.replace(/^\[|\]$/g, ''), port, ...(onread && { onread }) };
  const socket = isTls ? connectTls({ ...target, ca, cert, key }) : connectTcp(target);
  socket.setNoDelay(true);
  return socket;
}

/** The request for an Upgrade. @param credits value of the header */
export function upgradeRequest(url: URL, token: string | undefined, credits: string): string {
  const authorization = token === undefined ? '' : `Authorization: Bearer ${token}\r\n`;
  const upgrade = `Connection: Upgrade\r\nUpgrade: ${streamProtocol}\r\n${creditsHeader}: ${credits}\r\n`;
  return `GET /v1/stream HTTP/1.1\r\nHost: ${url.host}\r\n${upgrade}${authorization}\r\n`;
}

const endOfHeader = Buffer.from('\r\n\r\n');
const creditsLine: RegExp = new RegExp(`^${creditsHeader}: *([0-9a-f]{32})$`, 'im');

/** The answer to an Upgrade. */
export interface Upgraded {
  /** The status line, and its number. */
  readonly line: string;
  readonly code: number;
  /** The name that credits for the stream must give. Undefined: the worker takes none. */
  readonly credits: string | undefined;
  /** What has come after it. */
  readonly rest: Buffer;
}

/** Reads the answer to an Upgrade from the bytes so far. @returns undefined if it is not complete */
export function readUpgrade(bytes: Buffer): Upgraded | undefined {
  const end = bytes.indexOf(endOfHeader);
  if (end < 0) return undefined;
  const lines = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const [line] = lines;
  const credits = creditsLine.exec(lines.slice(1).join('\n'))?.[1];
  return { line, code: Number(line.split(' ')[1]), credits, rest: bytes.subarray(end + endOfHeader.length) };
}
