import type { IncomingMessage, ServerResponse } from 'node:http';
import { FlexemrError } from '../../errors.ts';
import { sendError } from '../http-lookup.ts';
import { onResponseEnd } from '../response-timeouts.ts';
import { type ConnectRequest, planHeader, readRequest } from './handshake.ts';

/** Connects to rankers, whatever it does it with. */
export interface RdmaAcceptor {
  /** Fingerprint of the routing table that is served, 16 hexadecimal digits. */
  readonly plan: string;
  /** @returns the answer, JSON, and how to end the connection @throws OVERLOADED */
  connect(request: ConnectRequest, onEnd: () => void): { readonly answer: string; readonly end: () => void };
}

const requestBytesMax = 4_096;

/** `POST /v1/rdma/connect`: the answer is a line, and stays open until either side ends the connection. */
export async function acceptLink(
  acceptor: RdmaAcceptor,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const asked = readRequest(await readJson(request));
    const { answer, end } = acceptor.connect(asked, () => response.end());
    onResponseEnd(response, end);
    // Nothing may come for hours.
    request.socket.setTimeout(0);
    response.writeHead(200, { 'content-type': 'application/json', [planHeader]: acceptor.plan });
    response.write(`${answer}\n`);
  } catch (error) {
    sendError(response, error);
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    text += chunk;
    if (text.length > requestBytesMax) {
      const message = `the body has more than ${requestBytesMax} bytes`;
      throw new FlexemrError('LIMIT_EXCEEDED', message, { field: 'body', value: text.length });
    }
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FlexemrError('INVALID_OPTION', 'the body is not JSON', { field: 'body', cause });
  }
}
