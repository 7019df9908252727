import { connect } from 'node:net';

/**
 * One keep-alive connection that carries one request at a time, written for the load generator: on two cores an HTTP
 * client's own work would be measured with the server's.
 */
export interface Connection {
  /** @throws when the connection breaks before the answer is whole */
  send(request: string): Promise<Reply>;
  close(): void;
}

export interface Reply {
  readonly status: number;
  /** Status line and headers, as they came. */
  readonly head: string;
  /** Everything after them, chunk marks included. */
  readonly tail: string;
}

export async function openConnection(url: string): Promise<Connection> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  let waiting: { resolve(reply: Reply): void; reject(error: Error): void } | undefined;
  let received = '';
  const broken = (error: Error) => {
    waiting?.reject(error);
    waiting = undefined;
  };
  socket.setEncoding('latin1'); // one character a byte: lengths can be compared
  socket.on('data', (data: string) => {
    received += data;
    const reply = wholeReply(received);
    if (reply === undefined) return;
    received = '';
    const { resolve } = waiting ?? {};
    waiting = undefined;
    resolve?.(reply);
  });
  socket.on('error', broken);
  socket.on('close', () => broken(new Error('The server closed the connection')));
  return {
    send: (request) =>
      new Promise((resolve, reject) => {
        if (socket.destroyed) return reject(new Error('The connection is closed'));
        waiting = { resolve, reject };
        socket.write(request, 'latin1');
      }),
    close: () => socket.destroy(),
  };
}

/** Knows what the servers of this bench send: a length, or chunks up to the last, empty one. */
function wholeReply(received: string): Reply | undefined {
  const end = received.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const head = received.slice(0, end);
  const tail = received.slice(end + 4);
  const length = headerOf(head, 'content-length');
  const complete = length === undefined ? tail.endsWith('0\r\n\r\n') : tail.length >= Number(length);
  return complete ? { status: Number(head.slice(9, 12)), head, tail } : undefined;
}

export function headerOf(head: string, name: string): string | undefined {
  return new RegExp(`\\r\\n${name}: *([^\\r]*)`, 'i').exec(head)?.[1];
}
