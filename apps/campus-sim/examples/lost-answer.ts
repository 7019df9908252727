// Run: node apps/campus-sim/examples/lost-answer.ts
import { createCampusService } from '../src/index.ts';

const billing = await createCampusService('billing');
billing.setFaults({ loseAnswers: 1 });

const bill = () =>
  fetch(`${billing.url}/invoices`, {
    method: 'POST',
    headers: { 'idempotency-key': 'enr_7-billing' },
    body: JSON.stringify({ school: 'acme', studentId: 'ada', courseId: 'algebra', reference: 'enr_7' }),
  });

const first = await bill().catch((error: Error) => error.message);
const second = await bill();
const counted = await fetch(`${billing.url}/_sim/invoices?reference=enr_7`);
console.log('first answer: ', first);
console.log('second answer:', second.status, '- replayed:', second.headers.get('idempotency-replayed'));
console.log('really billed:', ((await counted.json()) as object[]).length);
await billing.close();
