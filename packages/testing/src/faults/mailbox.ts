/** Messages that wait for takers, and takers that wait for messages. */
export interface Mailbox<Message> {
  readonly put: (message: Message) => void;
  take(match?: (message: Message) => boolean): Promise<Message>;
  /** What waits, and every later `take` that finds nothing, rejects with `reason`. */
  close(reason: Error): void;
}

interface Taker<Message> {
  readonly match: (message: Message) => boolean;
  readonly resolve: (message: Message) => void;
  readonly reject: (reason: Error) => void;
}

const LIMIT = 10_000;

export function createMailbox<Message>(): Mailbox<Message> {
  const messages: Message[] = [];
  const takers: Taker<Message>[] = [];
  let closed: Error | undefined;

  return {
    put(message) {
      const index = takers.findIndex((taker) => taker.match(message));
      if (index >= 0) takers.splice(index, 1)[0]?.resolve(message);
      else if (messages.push(message) > LIMIT) messages.shift();
    },
    take(match = () => true) {
      const index = messages.findIndex(match);
      const [found] = index >= 0 ? messages.splice(index, 1) : [];
      if (index >= 0) return Promise.resolve(found as Message);
      if (closed) return Promise.reject(closed);
      return new Promise((resolve, reject) => takers.push({ match, resolve, reject }));
    },
    close(reason) {
      closed = reason;
      for (const taker of takers.splice(0)) taker.reject(reason);
    },
  };
}
