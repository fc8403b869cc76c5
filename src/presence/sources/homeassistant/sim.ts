export { simulate } from '#platform/homeassistant/sim.ts';
