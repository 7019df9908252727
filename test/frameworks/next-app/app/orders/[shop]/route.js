export { order as POST } from '../../../.generated/routes.mjs';
