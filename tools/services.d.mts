export interface Service {
  url: string;
  how: string;
  stop(): Promise<void>;
}
export function ensurePostgres(o?: {
  persistTo?: string;
  /** Server settings of a Postgres that is started here; one that is found by DATABASE_URL keeps its own. */
  settings?: Readonly<Record<string, string>>;
}): Promise<Service>;
/** @throws when there is neither REDIS_URL nor a server program, and none can be installed */
export function ensureRedis(): Promise<Service>;
