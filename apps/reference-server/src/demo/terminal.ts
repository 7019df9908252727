import { styleText } from 'node:util';

type Format = Parameters<typeof styleText>[0];

/** Colours only for a person: NO_COLOR, and anything that isn't a terminal, gets plain text. */
const isColoured = process.stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
export const paint = (format: Format, text: string): string =>
  isColoured ? styleText(format, text, { validateStream: false }) : text;

const startedAt = performance.now();
const elapsed = (): string => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`.padStart(7);

export const say = (text = ''): void => console.log(text);
export const heading = (text: string): void => say(`\n${paint('dim', elapsed())}  ${paint('bold', text)}`);
export const progress = (text: string): void => say(`${paint('dim', elapsed())}    ${text}`);
