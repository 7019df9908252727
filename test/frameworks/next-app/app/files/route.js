export { upload as POST } from '../../.generated/routes.mjs';
