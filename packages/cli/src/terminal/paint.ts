import { styleText } from 'node:util';

export type Style = Parameters<typeof styleText>[0];
export type Paint = (style: Style, text: string) => string;

/** Colours where they are wanted, else the text as it is. */
export const painter = ({ colours }: { readonly colours: boolean }): Paint =>
  colours ? (style, text) => styleText(style, text, { validateStream: false }) : (_, text) => text;

const STATE: Readonly<Record<string, Style>> = {
  dead: 'red',
  suspended: 'yellow',
  processing: 'cyan',
  accepted: 'cyan',
  completed: 'green',
  failed: 'magenta',
};

export const paintState = (paint: Paint, state: string, shown = state): string =>
  STATE[state] === undefined ? shown : paint(STATE[state], shown);
