export type { Box, Detection, Ground, Observation, Point, Polygon, ToReference, Track } from './model.ts';
