import type { State } from './action.ts';

export interface Words {
  readonly title: string;
  readonly text: string;
  readonly tone: 'work' | 'wait' | 'good' | 'bad';
}

/** What a user is told. `undefined`: nothing has happened that there is something to say about. */
export function wordsFor(state: State<unknown>, thing: 'payment' | 'payout'): Words | undefined {
  const Thing = thing === 'payment' ? 'Payment' : 'Payout';
  switch (state.name) {
    case 'loading':
    case 'ready':
      return undefined;
    case 'working':
      return { tone: 'work', ...WORKING[state.why](thing) };
    case 'offline':
      return {
        tone: 'wait',
        title: "You're offline",
        text: `Your ${thing} is written down on this device. It goes on by itself as soon as you're back.`,
      };
    case 'checking':
      return {
        tone: 'work',
        title: `Finding out what became of your ${thing}`,
        text: 'It was begun before. Asking again can’t do it twice.',
      };
    case 'unknown':
      return {
        tone: 'wait',
        title: "We don't know yet",
        text: `Nobody could tell us whether your ${thing} went through. Asking again is safe: it can't happen twice.`,
      };
    case 'done':
      return { tone: 'good', title: `${Thing} complete`, text: '' };
    case 'refused':
      return {
        tone: 'bad',
        title: `${Thing} refused`,
        text: `${state.message.replace(/: \w+$/, '')}. Nothing was taken.`,
      };
    case 'conflict':
      return {
        tone: 'wait',
        title: 'This order was begun with another content',
        text: 'Probably in another tab. Nothing was sent from here now.',
      };
  }
}

type Said = (thing: string) => { readonly title: string; readonly text: string };
const WORKING: Readonly<Record<Extract<State<unknown>, { name: 'working' }>['why'], Said>> = {
  answer: (thing) => ({
    title: 'Waiting for the answer',
    text: `You may close this page: the ${thing} doesn't depend on it.`,
  }),
  again: (thing) => ({
    title: 'No answer yet, asking again',
    text: `Under the same key, so that the ${thing} happens once.`,
  }),
  server: (thing) => ({ title: `Your ${thing} is being made`, text: 'The server is still at it.' }),
  tab: (thing) => ({
    title: 'Another tab is at it',
    text: `This one waits for the same ${thing}, and takes over if that tab is closed.`,
  }),
  worker: (thing) => ({
    title: `Your ${thing} was accepted`,
    text: 'It is being carried out. You may close this page and come back.',
  }),
};
