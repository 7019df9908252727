export interface Service {
  url: string;
  how: string;
  stop(): Promise<void>;
}
export function ensurePostgres(o?: { persistTo?: string }): Promise<Service>;
