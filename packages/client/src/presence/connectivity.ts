/** Whether there is a network. It only shapes how long is waited after a failure: nothing is kept from being sent by it. */
export interface Connectivity {
  /** `false`: surely not. */
  online(): boolean;
  /** Calls back once, when the network is back; returns what stops listening. */
  onceOnline(run: () => void): () => void;
}

/** `navigator.onLine` and the `online` event; where there are none, always online. */
export const systemConnectivity: Connectivity = {
  online: () => globalThis.navigator?.onLine !== false,
  onceOnline(run) {
    globalThis.addEventListener?.('online', run, { once: true });
    return () => globalThis.removeEventListener?.('online', run);
  },
};
