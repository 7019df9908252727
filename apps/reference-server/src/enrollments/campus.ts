/** One enrollment as both services are asked for it. */
export interface EnrollmentOrder {
  /** The tenant: two schools may have students and courses of the same name. */
  readonly school: string;
  readonly studentId: string;
  readonly courseId: string;
  /** The enrollment's id, under which the services' own counts find it. */
  readonly reference: string;
}

/** The service has decided, and says the same to the same key for ever. Anything less is thrown. */
export type Answer<Made> =
  | ({ readonly kind: 'made' } & Made)
  | { readonly kind: 'refused'; readonly code: 'account_on_hold' | 'course_full' | 'already_seated' };

/** One call to a service, under the key that the operation uses there. */
export interface Call {
  readonly idempotencyKey: string;
  /** Aborts when the attempt was overtaken: then another one asks. */
  readonly signal: AbortSignal;
}

/**
 * The services outside. Each method acts once for one key, however often it is asked.
 *
 * @throws CampusFailure when there was no definite answer: it may or may not have been done
 */
export interface Campus {
  invoice(order: EnrollmentOrder, call: Call): Promise<Answer<{ readonly invoiceId: string }>>;
  /** Also content with an invoice that is void already. */
  voidInvoice(invoiceId: string, call: Call): Promise<{ readonly kind: 'void' }>;
  takeSeat(
    order: EnrollmentOrder,
    call: Call,
  ): Promise<Answer<{ readonly seatId: string; readonly seat: number }>>;
  /** Also content with a seat that is free already. */
  releaseSeat(seatId: string, call: Call): Promise<{ readonly kind: 'released' }>;
}

export type CampusService = 'billing' | 'roster';

/** No answer that says what happened. Asking again with the same key finds out. */
export class CampusFailure extends Error {
  override readonly name = 'CampusFailure';
  readonly service: CampusService;
  constructor(service: CampusService, cause: unknown) {
    super(`The ${service} service gave no definite answer`, { cause });
    this.service = service;
  }
}
