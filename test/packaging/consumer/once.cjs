const modules = {
  client: require('@semel/client'),
  server: require('@semel/server'),
  store: require('@semel/server/store'),
  adapter: require('@semel/server/trpc'),
  trpc: require('@trpc/server'),
  standalone: require('@trpc/server/adapters/standalone'),
  trpcClient: require('@trpc/client'),
  superjson: require('superjson').default,
};

void import('./story.mjs').then(({ once }) => once(modules));
