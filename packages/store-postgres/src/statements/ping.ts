// In:     nothing.
// Out:    one row.
// Atomic: one read.
import { statement } from './statement.ts';

export const ping = () => statement('ping', 'SELECT 1');
