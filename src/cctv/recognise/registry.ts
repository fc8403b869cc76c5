import { face } from './face/recogniser.ts';
import { plate } from './plate/recogniser.ts';

/** Everything that can tell who or what an object is. Cheap to load: networks stand behind `open`. */
export const recognisers = { face, plate } as const;
export type RecogniserKind = keyof typeof recognisers;
