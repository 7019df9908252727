// The layer, for whoever composes a server.
export type { RedisConnection } from './connection.ts';
export { createRedisLayer, type RedisLayer, type RedisLayerOptions } from './redis-layer.ts';
