/**
 * Server-sent events over fetch, as tRPC's `httpSubscriptionLink` needs them where there is no `EventSource` (Node has one
 * behind a flag), and with headers, which the browser's own can't send. Connects again by itself, naming the last event.
 */
export class FetchEventSource extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSED = 2;
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSED = 2;
  readyState: 0 | 1 | 2 = 0;
  readonly url: string;
  readonly withCredentials = false;
  #lastEventId = '';
  readonly #headers: Readonly<Record<string, string>>;
  readonly #end = new AbortController();

  constructor(url: string, init: { readonly headers?: Readonly<Record<string, string>> } = {}) {
    super();
    this.url = url;
    this.#headers = init.headers ?? {};
    void this.#run();
  }

  close(): void {
    this.readyState = 2;
    this.#end.abort();
  }

  async #run(): Promise<void> {
    while (this.readyState !== 2) {
      await this.#connect().catch(() => undefined);
      if ((this.readyState as number) === 2) return;
      this.readyState = 0;
      this.dispatchEvent(new Event('error'));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async #connect(): Promise<void> {
    const response = await fetch(this.url, {
      headers: {
        ...this.#headers,
        accept: 'text/event-stream',
        ...(this.#lastEventId !== '' && { 'last-event-id': this.#lastEventId }),
      },
      signal: this.#end.signal,
    });
    if (!response.ok || response.body === null) return this.close();
    this.readyState = 1;
    this.dispatchEvent(new Event('open'));
    let text = '';
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) this.#tell(block);
    }
  }

  #tell(block: string): void {
    const fields = block.split('\n').map((line) => /^(\w*): ?(.*)$/s.exec(line) ?? []);
    const all = (name: string) =>
      fields.filter(([, field]) => field === name).map(([, , value = '']) => value);
    const [id] = all('id');
    if (id !== undefined) this.#lastEventId = id;
    const data = all('data');
    const [type = 'message'] = all('event');
    if (data.length === 0 && type === 'message') return;
    this.dispatchEvent(new MessageEvent(type, { data: data.join('\n'), lastEventId: this.#lastEventId }));
  }
}
