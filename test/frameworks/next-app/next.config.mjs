import { resolve } from 'node:path';

export default {
  distDir: '.generated/next',
  // Packages are linked from the repository's root.
  turbopack: { root: resolve(import.meta.dirname, '../../..') },
};
