import * as client from '@semel/client';
import * as server from '@semel/server';
import * as store from '@semel/server/store';
import * as adapter from '@semel/server/trpc';
import * as trpcClient from '@trpc/client';
import * as trpc from '@trpc/server';
import * as standalone from '@trpc/server/adapters/standalone';
import superjson from 'superjson';
import { once } from './story.mjs';

await once({ client, server, store, adapter, trpc, standalone, trpcClient, superjson });
