import type { Owner, World } from './engine.ts';
import type { Answer } from './network.ts';

/** An answer whose lines come one after the other, and, where it's cut, not all of them. */
export function streamed(world: World, tab: Owner, text: string, isCut: boolean, answer: Answer): Answer {
  const { random } = world;
  const lines = text.split('\n').filter((line) => line !== '');
  const count = isCut ? random.below(lines.length) : lines.length;
  const encoder = new TextEncoder();
  let isOver = false;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const next = (at: number): void => {
        world.after(random.between(0, 30), tab, () => {
          if (isOver) return;
          if (at < count) {
            controller.enqueue(encoder.encode(`${lines[at]}\n`));
            return next(at + 1);
          }
          world.log(() => `${tab.name} the stream ${isCut ? 'breaks' : 'ends'} after ${count} lines`);
          if (isCut) controller.error(new TypeError('network error'));
          else controller.close();
        });
      };
      next(0);
    },
    cancel() {
      isOver = true;
    },
  });
  return { ...answer, body };
}
