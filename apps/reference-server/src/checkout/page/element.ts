type Child = Node | string | undefined | false;

/** An element with attributes (`undefined` and `false` leave one out) and children. */
export function el<TName extends keyof HTMLElementTagNameMap>(
  name: TName,
  attributes: Readonly<Record<string, string | boolean | undefined>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[TName] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== false));
  return element;
}

/** @throws when the page has no such element */
export function byId<TElement extends HTMLElement = HTMLElement>(id: string): TElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element as TElement;
}

/** Replaces the children only if they changed: a screen reader isn't told twice, and nothing flickers. */
export function fill(parent: HTMLElement, ...children: readonly Child[]): void {
  const next = el('div', {}, ...children);
  if (next.innerHTML !== parent.innerHTML) parent.replaceChildren(...next.childNodes);
}
