import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { ok, refusal } from './answer.ts';
import { checked, type Domain, matching } from './domain.ts';

/** One line of `GET /_sim/seats`. A released seat was taken once, and can be given to another. */
export interface Seat {
  readonly id: string;
  readonly school: string;
  readonly studentId: string;
  readonly courseId: string;
  /** The caller's own name for the enrollment. */
  readonly reference: string;
  /** Its number in the course, from 1. */
  readonly seat: number;
  readonly state: 'taken' | 'released';
  /** The key that took it. */
  readonly idempotencyKey: string;
  readonly createdAt: string;
}

interface Course {
  readonly courseId: string;
  readonly capacity: number;
}
export type RosterChange = { readonly seat: Seat } | { readonly course: Course };

const text = z.string().min(1).max(200);
const order = z.strictObject({ school: text, studentId: text, courseId: text, reference: text });
const courseSchema = z.strictObject({ courseId: text, capacity: z.int().min(0).max(100_000) });

/** Gives seats: no more than a course has, and no second one in a course to the same student. */
export function createRoster({
  capacity = 30,
}: {
  readonly capacity?: number | undefined;
} = {}): Domain<RosterChange> {
  const seats = new Map<string, Seat>();
  const capacities = new Map<string, number>();

  const take = checked(order, (body, { idempotencyKey, nowMs }) => {
    const { school, courseId, studentId } = body;
    const taken = [...seats.values()].filter(
      (seat) => seat.state === 'taken' && seat.school === school && seat.courseId === courseId,
    );
    if (taken.some((seat) => seat.studentId === studentId)) {
      return { answer: refusal(409, 'already_seated', `${studentId} has a seat in ${courseId}`) };
    }
    if (taken.length >= (capacities.get(courseId) ?? capacity)) {
      return { answer: refusal(409, 'course_full', `${courseId} has no free seat`) };
    }
    const numbers = new Set(taken.map(({ seat }) => seat));
    let number = 1;
    while (numbers.has(number)) number++;
    const seat: Seat = {
      id: `seat_${randomUUID()}`,
      ...body,
      seat: number,
      state: 'taken',
      idempotencyKey,
      createdAt: new Date(nowMs).toISOString(),
    };
    return { answer: { status: 201, body: seat }, change: { seat } };
  });
  const release = checked(z.strictObject({}), (_body, { id }) => {
    const found = seats.get(id);
    if (found === undefined) {
      return { answer: refusal(404, 'no_such_seat', `There is no seat ${id}`), forget: true };
    }
    if (found.state === 'released') {
      return { answer: refusal(409, 'already_released', `Seat ${id} was released by another request`) };
    }
    const seat: Seat = { ...found, state: 'released' };
    return { answer: ok(seat), change: { seat } };
  });

  return {
    name: 'roster',
    writes: [
      [/^\/seats$/, take],
      [/^\/seats\/([^/]+)\/release$/, release],
    ],
    counts: { '/_sim/seats': (query) => matching(seats.values(), query) },
    settings: { '/_sim/courses': (body) => ({ course: courseSchema.parse(body) }) },
    apply(change) {
      if ('seat' in change) seats.set(change.seat.id, change.seat);
      else capacities.set(change.course.courseId, change.course.capacity);
    },
  };
}
