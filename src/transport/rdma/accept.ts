import type { IncomingMessage, ServerResponse } from 'node:http';
import { FlexemrError } from '../../errors.ts';
import { sendError } from '../http-answer.ts';
import { onResponseEnd } from '../response-timeouts.ts';
import { type ConnectRequest, planHeader, readRequest } from './handshake.ts';

/** Accepts connections of rankers. */
export interface RdmaAcceptor {
  /** Fingerprint of the served routing table, as 16 hexadecimal digits. */
  readonly plan: string;
  /** @returns the answer as JSON, and a function that ends the connection @throws OVERLOADED */
  connect(request: ConnectRequest, onEnd: () => void): { readonly answer: string; readonly end: () => void };
}

const requestBytesMax = 4_096;

/** Serves `POST /v1/rdma/connect`. The answer is one line. It stays open until either side ends the connection. */
export async function acceptLink(
  acceptor: RdmaAcceptor,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const asked = readRequest(await readJson(request));
    const { answer, end } = acceptor.connect(asked, () => response.end());
    onResponseEnd(response, end);
    // The socket can be silent for hours.
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
