import { OperationMisuse } from './failure.ts';

/** How far an attempt has come, on its way to the store. */
export interface Progress {
  /** @throws OperationMisuse for what isn't JSON, or is too large */
  report(value: unknown): void;
  /** Writes what waits, if anything does: an attempt that failed is asked how far it had come. Never rejects. */
  last(): Promise<void>;
  /** What waits is dropped. */
  end(): void;
}

const EVERY_MS = 500;
const MAX_BYTES = 16_384;

/**
 * A handler may report as often as it likes: at most one write is on its way, at most one in half a second, and the last word
 * wins. Nobody waits for it, and a write that fails is followed by the next report, if there is one.
 */
export function createProgress(write: (json: string) => Promise<void>): Progress {
  let next: string | undefined;
  let writing: Promise<void> | undefined;
  let writtenAt = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  let ended = false;

  function flush(): void {
    timer = undefined;
    if (next === undefined || writing !== undefined || ended) return;
    const leftMs = writtenAt + EVERY_MS - performance.now();
    if (leftMs > 0) {
      timer = setTimeout(flush, leftMs);
      timer.unref();
      return;
    }
    void send().then(flush);
  }

  function send(): Promise<void> {
    const json = next as string;
    next = undefined;
    writtenAt = performance.now();
    const written = (): void => {
      writing = undefined;
    };
    writing = write(json).then(written, written);
    return writing;
  }

  return {
    report(value) {
      const json = jsonOf(value);
      if (json === undefined) throw new OperationMisuse('operation.progress takes plain JSON');
      if (json.length * 3 > MAX_BYTES && Buffer.byteLength(json) > MAX_BYTES) {
        throw new OperationMisuse(`operation.progress takes at most ${MAX_BYTES} bytes of JSON`);
      }
      next = json;
      if (timer === undefined) flush();
    },
    async last() {
      clearTimeout(timer);
      timer = undefined;
      await writing;
      if (next !== undefined && !ended) await send();
    },
    end() {
      ended = true;
      clearTimeout(timer);
    },
  };
}

/** `undefined` for what isn't JSON: a bigint, a circle, a function. */
function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
