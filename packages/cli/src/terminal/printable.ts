/**
 * Scopes, keys and error messages come from callers: what would move a terminal's cursor, colour it or turn its text around is
 * shown as its code.
 */
export function printable(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** At most so many characters, the last one being … where something is missing. */
export function shortened(text: string, width: number): string {
  const characters = Array.from(text);
  return characters.length <= width ? text : `${characters.slice(0, Math.max(0, width - 1)).join('')}…`;
}

export const lengthOf = (text: string): number => Array.from(text).length;
