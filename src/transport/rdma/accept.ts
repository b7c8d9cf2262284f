import type { IncomingMessage, ServerResponse } from 'node:http';
import { FlexemrError } from '../../errors.ts';
import { sendError } from '../http-answer.ts';
import { onResponseEnd } from '../response-timeouts.ts';
import { type ConnectRequest, linesType, planHeader, readRequest } from './handshake.ts';

/** Accepts connections of rankers. */
export interface RdmaAcceptor {
  /** Fingerprint of the routing table whose rows an answer lists, as 16 hexadecimal digits. */
  readonly plan: string;
  /** @throws OVERLOADED */
  connect(request: ConnectRequest, onEnd: () => void): AcceptedLink;
}

export interface AcceptedLink {
  /** JSON. */
  readonly answer: string;
  /** Tells the ranker which rows it may read, now if the answer does not list them all, and whenever they change. */
  follow(say: (line: string) => void): void;
  end(): void;
}

const requestBytesMax = 4_096;

/** Serves `POST /v1/rdma/connect`. The answer is a line, and more later. It stays open until either side ends the connection. */
export async function acceptLink(
  acceptor: RdmaAcceptor,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const asked = readRequest(await readJson(request));
    const link = acceptor.connect(asked, () => response.end());
    onResponseEnd(response, () => link.end());
    // The socket can be silent for hours.
    request.socket.setTimeout(0);
    response.writeHead(200, { 'content-type': 'application/json', [planHeader]: acceptor.plan });
    response.write(`${link.answer}\n`);
    if (request.headers.accept === linesType) link.follow((line) => response.write(`${line}\n`));
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
