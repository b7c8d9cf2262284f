import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { Exchange, Outgoing } from '../transport.ts';
import { unavailable } from '../unavailable.ts';
import type { Engine } from './engine.ts';
import { linesType, planHeader, readAnswer, readRows, toJson } from './handshake.ts';
import { RankerLink } from './ranker-link.ts';
import { handshakeMsMax } from './settings.ts';

/** The worker answers, but does not offer RDMA. It need not be asked again soon. */
export class NotOffered extends Error {}

/** Longest answer that is read. An answer that lists a million shards would be longer, and is refused. */
const answerBytesMax = 67_108_864;

/**
 * Connects to a worker. The two sides agree over HTTP. The HTTP response stays open as long as the connection does, so
 * that each side notices when the other one ends it.
 * @throws NotOffered if the worker has no RDMA; UNAVAILABLE, and errors of the device
 */
export async function connectLink(
  url: string,
  engine: Engine,
  again: (outgoing: Outgoing) => Exchange,
  onLost: () => void,
): Promise<RankerLink> {
  let control: ClientRequest | undefined;
  const link = new RankerLink(engine, again, () => {
    control?.destroy();
    onLost();
  });
  try {
    control = post(url, engine, toJson(link.request));
    const response = await answerTo(control, url);
    const plan = planOf(response);
    await eachLine(response, url, (line, isFirst) => {
      if (isFirst) link.connect(readAnswer(JSON.parse(line)), plan);
      else link.offer(readRows(JSON.parse(line)));
    });
    response.on('close', () => link.close());
    return link;
  } catch (error) {
    link.close();
    throw error;
  }
}

function post(url: string, { security }: Engine, body: string): ClientRequest {
  const { token, ca, cert, key } = security;
  const target = new URL('/v1/rdma/connect', url);
  const request = target.protocol === 'https:' ? requestHttps : requestHttp;
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    accept: linesType,
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  };
  const control = request(target, { method: 'POST', headers, ca, cert, key, agent: false });
  control.end(body);
  return control;
}

function answerTo(control: ClientRequest, url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    control.setTimeout(handshakeMsMax, () => control.destroy());
    control.on('error', (cause) => reject(unavailable(url, 'cannot be reached', cause)));
    control.on('close', () => reject(unavailable(url, 'closed the connection')));
    control.on('response', (response) => {
      if (response.statusCode === 200) resolve(response);
      else {
        response.resume();
        const problem = `answers HTTP ${response.statusCode}`;
        reject(response.statusCode === 404 ? new NotOffered(`${url} ${problem}`) : unavailable(url, problem));
      }
    });
  });
}

/** Fingerprint of the routing table that the node's rows belong to. Undefined if the node does not say. */
function planOf({ headers }: IncomingMessage): string | undefined {
  const plan = headers[planHeader];
  return typeof plan === 'string' && /^[0-9a-f]{16}$/.test(plan) ? plan : undefined;
}

/**
 * Takes each line of a response as it arrives. If one cannot be used, the connection ends.
 * @returns once the first one was taken
 */
async function eachLine(
  response: IncomingMessage,
  url: string,
  take: (line: string, isFirst: boolean) => void,
): Promise<void> {
  response.setEncoding('utf8');
  const { promise: first, resolve, reject } = Promise.withResolvers<void>();
  let text = '';
  let isFirst = true;
  const takeAll = (): void => {
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      take(text.slice(0, end), isFirst);
      text = text.slice(end + 1);
      if (!isFirst) continue;
      isFirst = false;
      response.socket.setTimeout(0);
      response.socket.unref();
      resolve();
    }
    if (text.length > answerBytesMax) throw unavailable(url, 'sent an answer that is too long');
  };
  response.on('data', (chunk: string) => {
    text += chunk;
    // Long lists come in many pieces.
    if (!chunk.includes('\n') && text.length <= answerBytesMax) return;
    try {
      takeAll();
    } catch (error) {
      reject(error);
      response.destroy();
    }
  });
  response.on('close', () => reject(unavailable(url, 'closed the connection')));
  await first;
}
