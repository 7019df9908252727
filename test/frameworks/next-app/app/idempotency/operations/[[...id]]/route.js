export { status as GET } from '../../../../.generated/routes.mjs';
