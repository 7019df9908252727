// On a server; in browsers it is tested in test/browser.
import { createElement, StrictMode } from 'react';
import { renderToString } from 'react-dom/server';
import { expect, it } from 'vitest';
import { createSemelClient } from '../index.ts';
import { useIntent, usePendingOperations } from '../react.ts';

const semel = createSemelClient();

function Page({ cart }: { cart: string | undefined }) {
  const { intent, status, outcome } = useIntent(semel, 'checkout', [cart as string]);
  const { operations, isLoaded } = usePendingOperations(semel);
  return createElement(
    'p',
    null,
    [intent.id, status, outcome?.status, operations.length, isLoaded].join(' '),
  );
}

it('renders on a server: nothing is known, nothing is written down, nothing is thrown', async () => {
  const page = createElement(StrictMode, null, createElement(Page, { cart: 'cart-7' }));
  expect(renderToString(page)).toBe('<p>checkout[&quot;cart-7&quot;] loading  0 false</p>');
  expect(await semel.journal.list()).toEqual([]);
});

it('refuses an intent with a part that is missing while rendering', () => {
  expect(() => renderToString(createElement(Page, { cart: undefined }))).toThrow(TypeError);
});
