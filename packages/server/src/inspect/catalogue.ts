/** How much it matters. `error` is certain, read from facts; what was only read from a handler's source is never one. */
export const SEVERITIES = ['error', 'warning', 'advice'] as const;
export type Severity = (typeof SEVERITIES)[number];

interface Entry {
  readonly severity: Severity;
  /** Why it matters, in one sentence. */
  readonly why: string;
  /** What to write instead. */
  readonly instead: string;
}

/**
 * Everything that `inspect` can find, most pressing first within a severity. What is found about one procedure is said by
 * the rule; this is what is the same for all.
 */
export const CATALOGUE = {
  policy_not_in_force: {
    severity: 'error',
    why: 'It reads as if it were protected, and every repetition runs it again.',
    instead:
      'Build it from the wrapped builder: idempotent(t.procedure).meta({ idempotency: … }).mutation(…).',
  },
  no_policy: {
    severity: 'error',
    why: 'A client that lost the answer can only send it again, and then it happens twice.',
    instead:
      "idempotent(t.procedure).meta({ idempotency: { mode: 'atomic' } }), or 'leased' if it calls out; if twice is as good as once, accept this finding with that reason.",
  },
  unscoped: {
    severity: 'error',
    why: "Whoever sends, or guesses, another caller's key gets that caller's answer.",
    instead: 'scope: (ctx) => ctx.user.id, from what was authenticated.',
  },
  name_shared: {
    severity: 'error',
    why: "A key that was used for one is answered with the other's outcome, or refused as key_reused.",
    instead:
      'Give each procedure a name of its own; only carriers of one and the same procedure share a name.',
  },
  middleware_inside_claim: {
    severity: 'error',
    why: 'A guard that refuses there has already used up the key, and a refusal may be stored and replayed.',
    instead:
      'Add the middleware with .use() on the builder, before .mutation(): the claim is then made behind it.',
  },
  wrapped_twice: {
    severity: 'error',
    why: 'Each wrapping makes a claim of its own, the second as a nested call of the first.',
    instead: 'Wrap a builder once: idempotent(t.procedure).',
  },
  unstorable_output: {
    severity: 'error',
    why: "There would be nothing to replay: the outcome can't be stored, after the effects have happened.",
    instead: 'Return the finished value, or an id under which the stream can be read by a query.',
  },
  effect_outside_step: {
    severity: 'warning',
    why: "An effect that is no step isn't recorded: if the handler throws or dies afterwards, the next attempt does it again.",
    instead:
      "operation.step('name', (childKey) => …) around a call to the outside, operation.transaction or operation.settle around writes.",
  },
  call_in_transaction: {
    severity: 'warning',
    why: "It isn't undone when the transaction is, it's done again when the transaction is run again, and a lock is held while it waits.",
    instead: "mode: 'leased', with the call in operation.step before operation.settle.",
  },
  write_beside_transaction: {
    severity: 'warning',
    why: 'It commits on a connection of its own, whatever becomes of the transaction that stores the outcome.',
    instead:
      'Write through the transaction: operation.tx in atomic mode, the tx that settle and transaction hand over.',
  },
  missing_child_key: {
    severity: 'warning',
    why: 'If the answer is lost, the next attempt asks again, and the other side has no way to see that it is the same request.',
    instead: "operation.step('name', (childKey) => client.create(order, { idempotencyKey: childKey })).",
  },
  volatile_step_name: {
    severity: 'warning',
    why: "A later attempt doesn't find what was recorded under the name, and asks again under another child key.",
    instead:
      'A name that is the same on every attempt: a word, with an index or an id of the input in a loop.',
  },
  volatile_identity: {
    severity: 'warning',
    why: 'An honest retry is then another request, or another operation.',
    instead: 'Make fingerprint and scope from the input alone.',
  },
  raw_input_changed: {
    severity: 'warning',
    why: 'The fingerprint is made of the raw input as it is when the claim begins: a retry that looks different there is key_reused.',
    instead: 'Put what the middleware adds into ctx, or leave it out of the identity with fingerprint.',
  },
  tool_of_other_mode: {
    severity: 'warning',
    why: 'The operation throws OperationMisuse there: atomic mode has operation.tx; leased and queued mode have step, transaction and settle.',
    instead: 'The tool of this mode, or the other mode.',
  },
  settles_twice: {
    severity: 'warning',
    why: 'The first settle is the outcome: another one throws OperationMisuse, also after one that failed.',
    instead: 'One settle at the end of each way through the handler.',
  },
  unstorable_step: {
    severity: 'warning',
    why: "Its result can't be recorded, after the call was made: the operation is suspended, or asks again.",
    instead: 'Read the answer inside the step and return data: (await response.json()).',
  },
  final_transient: {
    severity: 'warning',
    why: 'A failure that is over in a second is stored and replayed for as long as the key lives.',
    instead: 'finalErrors that recognises what can never succeed, by its own class or code.',
  },
  guard_in_handler: {
    severity: 'warning',
    why: 'It refuses after the claim: a 403 from there is stored and replayed even when the caller may do it by then.',
    instead:
      'A middleware on the builder: .use(guard). Guards run before the claim, and on every repetition.',
  },
  key_optional: {
    severity: 'warning',
    why: 'A caller that sends no key is not protected, and is not told so.',
    instead: "key: 'required', or 'derived' where equal inputs are one action.",
  },
  scope_constant: {
    severity: 'warning',
    why: "All callers share their keys, as with the opt-out: whoever sends another caller's key gets that caller's answer.",
    instead: 'scope: (ctx) => ctx.user.id, from what was authenticated.',
  },
  lenient_money: {
    severity: 'warning',
    why: 'A request for another amount under a used key is answered as if it had been done.',
    instead: "mismatch: 'reject' (the default), so that another input is key_reused.",
  },
  ttl_shorter_than_window: {
    severity: 'warning',
    why: 'A released operation is forgotten while its steps may still be resumed: a late retry begins anew, with a window that reaches beyond what the other side remembers.',
    instead: 'ttlMs of at least downstreamWindowMs.',
  },
  run_exceeds_window: {
    severity: 'warning',
    why: 'An attempt may run on when none of its steps may start any more.',
    instead: 'maxRunMs well below downstreamWindowMs.',
  },
  lease_exceeds_run: {
    severity: 'warning',
    why: 'After a crash callers wait for a lease that outlives everything the attempt could still have done.',
    instead: 'leaseMs below maxRunMs; it is renewed every third of itself as long as the attempt runs.',
  },
  lease_too_short: {
    severity: 'warning',
    why: 'A pause of the process or of the database is taken for a crash, and a running attempt is overtaken.',
    instead: 'leaseMs of several seconds; the default is 30 s.',
  },
  retries_without_steps: {
    severity: 'warning',
    why: 'The first error of a step, a 503 as well, suspends the operation: nobody promised that trying again is harmless.',
    instead: "effects: 'steps', with every effect outside in operation.step under its child key.",
  },
  default_ttl: {
    severity: 'advice',
    why: 'A retry that comes later runs again: how late your clients may come is yours to say.',
    instead: 'ttlMs, as long as the longest time after which a client still sends an old key again.',
  },
  no_output_parser: {
    severity: 'advice',
    why: 'Replays answer what was stored: without .output() that is whatever the handler happened to return, in the shape of the deployment that ran it.',
    instead: '.output(schema): what it returns is what is stored.',
  },
  never_settles: {
    severity: 'advice',
    why: 'A crash between its last write and the commit that stores the outcome leaves the effect without the answer.',
    instead: 'return operation.settle(async (tx) => { …; return result }) for the last writes.',
  },
  field_without_effect: {
    severity: 'advice',
    why: 'It reads like a promise that nothing keeps.',
    instead: 'Leave the field out, or choose the mode that it belongs to.',
  },
  stale_acceptance: {
    severity: 'advice',
    why: 'An exception that is no longer needed would hide the next mistake of its kind.',
    instead: 'Take the entry out of acceptedFindings, or give it a reason.',
  },
} as const satisfies Record<string, Entry>;

export type FindingCode = keyof typeof CATALOGUE;
export const FINDING_CODES = Object.keys(CATALOGUE) as FindingCode[];
