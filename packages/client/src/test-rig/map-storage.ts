/** Web storage as a page sees it, with the failures that a page meets. The real one is tested in a browser. */
export class MapStorage implements Storage {
  readonly #items = new Map<string, string>();
  /** Thrown by every access: storage is blocked. */
  blocked = false;
  /** Thrown by every write. */
  full = false;

  #open(): Map<string, string> {
    if (this.blocked) throw new DOMException('access is denied', 'SecurityError');
    return this.#items;
  }
  get length() {
    return this.#open().size;
  }
  key = (index: number) => [...this.#open().keys()][index] ?? null;
  getItem = (name: string) => this.#open().get(name) ?? null;
  setItem(name: string, value: string) {
    if (this.full) throw new DOMException('the quota has been exceeded', 'QuotaExceededError');
    this.#open().set(name, value);
  }
  removeItem = (name: string) => void this.#open().delete(name);
  clear = () => this.#open().clear();
}
