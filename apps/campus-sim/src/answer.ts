/** An HTTP answer before it is sent. */
export interface Answer {
  readonly status: number;
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
}

export const ok = (body: object): Answer => ({ status: 200, body });

/** "No" and "not now" have one shape: what a program decides by is `code`, never the status alone. */
export const refusal = (
  status: number,
  code: string,
  message: string,
  headers?: Readonly<Record<string, string>>,
): Answer => ({ status, body: { error: { code, message } }, ...(headers && { headers }) });
