/**
 * A text in which no URL has a password any more: what comes between user and host, and parameters called so. A password that
 * has an unescaped `@` in it is hidden as a whole.
 */
export function masked(text: string): string {
  return text
    .replaceAll(/(\b[a-z][a-z0-9+.-]*:\/\/[^\s:@/?#]*):[^\s'"]*@/gi, '$1:***@')
    .replaceAll(/([?&](?:ssl)?password=)[^\s&'"]*/gi, '$1***');
}
