/**
 * Who may import whom. ARCHITECTURE.md explains it in words; `check-layers.ts` holds the code to it.
 *
 * Within a package the folders are in the order in which a request meets them, and an import goes to the same folder or to
 * one further right. Type-only imports are held to the same rule: a type is knowledge as well.
 */
export interface PackageRules {
  /** Folder of the package, seen from the repository's root. */
  readonly folder: string;
  /** Folders of `src/`, left to right. Empty: no order inside. */
  readonly layers: readonly string[];
  /** The workspace's packages that it may import, by exact specifier. */
  readonly mayImport: readonly string[];
}

export const RULES: readonly PackageRules[] = [
  { folder: 'packages/contract', layers: [], mayImport: [] },
  {
    folder: 'packages/server',
    // `inspect` looks at what the adapters made, and takes no part in a request.
    layers: [
      'inspect',
      'adapters',
      'admission',
      'engine',
      'jobs',
      'recovery',
      'sealing',
      'store',
      'telemetry',
    ],
    mayImport: ['@semel/contract', '@semel/contract/v1', '@semel/contract/v1/pure'],
  },
  {
    folder: 'packages/client',
    // Tabs name what they wait for as the journal does.
    layers: ['adapters', 'delivery', 'intent', 'presence', 'journal'],
    // Only the part without zod: it would be most of the bundle.
    mayImport: ['@semel/contract/v1/pure'],
  },
  {
    folder: 'packages/store-postgres',
    layers: [],
    mayImport: ['@semel/contract/v1', '@semel/contract/v1/pure', '@semel/server/store'],
  },
  { folder: 'packages/store-redis', layers: [], mayImport: ['@semel/server/store'] },
  {
    folder: 'packages/testing',
    layers: [],
    mayImport: ['@semel/contract', '@semel/contract/v1', '@semel/contract/v1/pure', '@semel/server/store'],
  },
  {
    folder: 'packages/cli',
    layers: [],
    mayImport: [
      '@semel/server',
      '@semel/server/adapter',
      '@semel/server/inspect',
      '@semel/server/store',
      '@semel/store-postgres',
      '@semel/store-postgres/jobs',
      '@semel/store-redis',
    ],
  },
];

/** Tests, and what is there only for them: they may import what they test and what they test with. */
export const isTestCode = (path: string): boolean =>
  /\.(test|fixture|bench)\.ts$/.test(path) || /\/src\/(test-rig|testing)\//.test(path);
