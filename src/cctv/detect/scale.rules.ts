/**
 * The scale of scores outside a detector. Raw scores of models are not comparable: YOLOX-Nano is right more often than
 * not from 0.6 on, CenterNet from 0.3. Here 0.5 is, for every model, the threshold that was measured to be its best;
 * below it and above it the scale is straight, so the order of scores and precision over recall stay what they were.
 */

/** A raw score of a model with that threshold on the common scale. All 0 to 1. */
export function toScale(raw: number, threshold: number): number {
  if (threshold <= 0 || threshold >= 1) return raw;
  return raw < threshold ? (0.5 * raw) / threshold : 0.5 + (0.5 * (raw - threshold)) / (1 - threshold);
}

/** The raw score that `toScale` maps to this. */
export function toRaw(scaled: number, threshold: number): number {
  if (threshold <= 0 || threshold >= 1) return scaled;
  return scaled < 0.5 ? 2 * scaled * threshold : threshold + (2 * scaled - 1) * (1 - threshold);
}

/** What `processing.detection.confidence_threshold` is unless given. */
export const usualThreshold = 0.5;
