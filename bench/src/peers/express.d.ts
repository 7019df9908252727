// What is used of Express here; its own types are no dependency of the bench.
declare module 'express' {
  import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

  export type Middleware = (req: Request, res: Response, next: (error?: unknown) => void) => unknown;
  export interface Request extends IncomingMessage {
    readonly body: unknown;
    readonly query: Readonly<Record<string, unknown>>;
  }
  export interface Response extends ServerResponse {
    status(code: number): Response;
    send(body: unknown): void;
  }
  export interface Application extends RequestListener {
    use(middleware: Middleware): void;
    post(path: string, handler: Middleware): void;
    get(path: string, handler: Middleware): void;
  }
  const express: { (): Application; json(): Middleware };
  export default express;
}
