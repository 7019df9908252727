/** Which provider object belongs to a running operation: learned in the middle of it, wanted by the log lines after. */
export interface ProviderRefs {
  learned(operationId: string, providerRef: string | undefined): void;
  of(operationId: string | undefined): string | undefined;
}

/** The oldest are forgotten: this serves log lines, nothing depends on it. */
export function createProviderRefs(limit = 5_000): ProviderRefs {
  const refs = new Map<string, string>();
  return {
    learned(operationId, providerRef) {
      if (providerRef === undefined) return;
      refs.set(operationId, providerRef);
      if (refs.size <= limit) return;
      const [oldest] = refs.keys();
      if (oldest !== undefined) refs.delete(oldest);
    },
    of: (operationId) => (operationId === undefined ? undefined : refs.get(operationId)),
  };
}
