// For React, 18 and newer: what a component needs of a client.
export {
  type IntentHandle,
  type IntentStatus,
  type PendingOperations,
  useIntent,
  usePendingOperations,
} from './adapters/react.ts';
