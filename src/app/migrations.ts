import { deviceMigrations } from '#devices/index.ts';
import { electricityMigrations } from '#electricity/energy/repository.ts';

/** The tables of every area, in the order in which they came to be. */
export const houseMigrations = [...deviceMigrations, ...electricityMigrations];
