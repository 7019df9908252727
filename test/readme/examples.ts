import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');

/** A document's marked blocks: ` ```ts file=x.ts ` is a file, ` ```text output=x.ts ` what running it prints. */
export interface Examples {
  /** Where the files were written, as they stand in the document. */
  readonly folder: string;
  readonly files: readonly string[];
  /** @throws when the document doesn't say what the file prints */
  outputOf(file: string): string;
}

/**
 * Writes a document's files where they can be run, after `edit`, which may move a port.
 *
 * @param apart a name of its own for a test file that may run while another one uses the same document
 */
export function writeExamples(
  document: string,
  edit: (text: string) => string = (text) => text,
  apart = '',
): Examples {
  const blocks = markedBlocks(readFileSync(join(root, document), 'utf8'));
  const name = `${apart}${document.replaceAll('/', '-').replace(/\.md$/, '')}`;
  const folder = join(import.meta.dirname, '.generated', name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const files = blocks.filter(({ mark }) => mark === 'file');
  for (const { name, text } of files) writeFileSync(join(folder, name), edit(text));
  return {
    folder,
    files: files.map(({ name }) => name),
    outputOf(file) {
      const output = blocks.find(({ mark, name }) => mark === 'output' && name === file);
      if (output === undefined) throw new Error(`${document} doesn't say what ${file} prints`);
      return output.text;
    },
  };
}

interface Block {
  readonly mark: 'file' | 'output';
  readonly name: string;
  readonly text: string;
}

function markedBlocks(markdown: string): Block[] {
  return [...markdown.matchAll(/^```\w+ (file|output)=(\S+)\n(.*?)^```$/gms)].map(([, mark, name, text]) => ({
    mark: mark as Block['mark'],
    name: name as string,
    text: text as string,
  }));
}
