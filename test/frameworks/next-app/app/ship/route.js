export { ship as POST } from '../../.generated/routes.mjs';
