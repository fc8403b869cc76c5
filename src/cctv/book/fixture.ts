import type { AlertRow, DeliveryRow, EventRow, PathPoint } from './model.ts';

/** Rows for tests; `over` replaces what matters to the test. */
export const anEvent = (id: string, at: number, over: Partial<EventRow> = {}): EventRow => ({
  id,
  at,
  camera: 'yard',
  label: 'person',
  confidence: 0.75,
  box: { left: 0.25, top: 0.5, width: 0.125, height: 0.25 },
  seenAt: at,
  closed: false,
  data: { nearest: { gate: 4.2 } },
  ...over,
});

export const anAlert = (id: string, at: number, over: Partial<AlertRow> = {}): AlertRow => ({
  id,
  at,
  rule: 'gate',
  camera: 'yard',
  event: 'e1',
  label: 'person',
  message: 'A person, 4 metres from the gate',
  severity: 'warning',
  distance: 4.2,
  why: { zone: 'drive' },
  ...over,
});

export const aDelivery = (
  id: string,
  alert: string,
  dueAt: number,
  over: Partial<DeliveryRow> = {},
): DeliveryRow => ({
  id,
  alert,
  channel: 'speak',
  action: { kind: 'speak', speaker: 'hall' },
  state: 'waiting',
  attempts: 0,
  dueAt,
  ...over,
});

export const aPoint = (event: string, at: number, left = 0.5): PathPoint => ({
  event,
  at,
  score: 0.6,
  box: { left, top: 0.25, width: 0.125, height: 0.25 },
  stationary: false,
  furniture: false,
  ground: { x: 1.25, y: -3.5, sigma: 0.2 },
});
