/**
 * The constants of the tracker. Lengths are in sizes of the object (the square root of width times height, or the
 * height where said), times in seconds, so that they hold for near and far, for 5 and 10 frames a second.
 *
 * Where they come from: the middle of a plateau on frames 0 to 396 of PETS2009 S2.L1, forwards and backwards in time,
 * every, every second and every third frame, with 15 % of the boxes left out, with boxes that wobble, over three thresholds
 * of each of five detectors (YOLOX-Nano, YOLOv8n, NanoDet-m, YOLO11n, CenterNet), with both halves of the truth apart. Half
 * or twice the value of any one moves the mean MOTA over all of these by at most 0.7 points and the mean IDF1 by at most
 * 2.7, but for half of `placeNoise` (1.6 and 5.4); single runs jump by ten points of IDF1 with any of them. Shares
 * (`confirmFree`, `standingFree`, `standsAbove`, `weakShare`) have no double. TUD-Campus was looked at, not tuned on. Those marked (choice)
 * follow from what people want of a house; `growTimes` and `growAgain` cost 0.2 points of MOTA there and were made for what
 * comes closer, of which that footage has nothing.
 */
export const tuning = {
  /** Wobble of a detector: foot point in sizes, logarithms of width and height. Widths swing with the stride. */
  placeNoise: 0.09,
  widthNoise: 0.3,
  heightNoise: 0.12,
  /** Share of the way from the filtered box back to the one just seen at which it is reported: a filter is late. */
  lean: 0.4,
  /** Spectral density of acceleration, sizes² / s³, and of the rate of the logarithm of the size. */
  jerk: 0.5,
  sizeJerk: 0.003,
  /** Standard deviation of the unknown speed of what is new, sizes a second, and of its growth, logarithm a second. */
  startSpeed: 1,
  startGrowth: 1,
  /** A logarithm of the height that is off by this, and the width with it, is growth; so often in a row it is this fast. */
  growStep: 0.08,
  growTimes: 3,
  growAgain: 0.4,
  /** Time constant with which a speed that nobody sees any more fades, and while it is seen: then it hardly does. */
  relax: 3,
  relaxSeen: 30,

  /** Largest squared distance at which a detection is taken for a target, and a new track for a lost one; for weak detections. */
  gate: 13,
  weakGate: 4.5,
  /** Price of a wide guess, per logarithm of its area: a target seen just now wins against one lost for long. */
  widthPrice: 0.5,
  /** Price of unlike colours, what is free, and the most it may cost: half hidden people have the colours of others. */
  lookWeight: 60,
  lookFree: 0.08,
  lookCap: 2,
  /** Share of a new look in the remembered one. */
  lookRate: 0.1,
  /** Price of another class of the same kin: detectors take a car for a truck now and then. (choice) */
  kinPrice: 3,

  /** After so many hits it is known what an object looks like and where it goes. */
  steadyHits: 6,
  /** A box lower or higher than expected by this share is held to be partly hidden or merged. */
  cutShare: 0.2,
  /** The variance of the height is so many times larger then. */
  cutSizeNoise: 7,

  /** Weak detections reach down to this share of the threshold. */
  weakShare: 0.5,
  /**
   * A new track is believed after two hits or more when its scores, each less `confirmFree`, come to `confirmScore`, both
   * in thresholds: two hits of 1.3 times the threshold do, of the threshold itself it takes four.
   */
  confirmFree: 0.7,
  confirmScore: 1.1,
  /**
   * Instead of `confirmFree` for what still covers its first box by so much (IoU): errors of a detector stand. Only the
   * last ten scores count, so their mean must be 1.19 thresholds: 0.6 on the common scale, which is what rules ask for.
   */
  standingFree: 1.08,
  standsAbove: 0.7,
  tentativeSeconds: 0.45,
  /** No new track where a box that belongs to a track of its kin covers this share of it. */
  birthOverlap: 0.5,
  /** A steady track that was missed goes on as seen for this long. */
  coastSeconds: 0.4,
  /** After this long out of sight one detection no longer revives: a new track must be believed, then compared. */
  awaySeconds: 2,
  /** What was last seen leaving the picture is forgotten early: the next one there is another. */
  leftSeconds: 0.5,

  /** (choice) Steps shorter than this share of its height are no movement; longer ones must be seen twice. */
  stillStep: 0.2,
  /** (choice) So far from where it was first seen means that it can move by itself. */
  movedStep: 0.5,
  /** (choice) Seconds until it is called stationary, and until it is remembered like a parked car. */
  stillSeconds: 3,
  parkedSeconds: 10,
  /** (choice) Somebody who stood is remembered for this long out of sight: the next at that spot may be another. */
  restSeconds: 60,
  /** (choice) Standing for so long without ever having moved makes a thing of the place. */
  furnitureSeconds: 60,
  /** (choice) A place with such a thing is remembered for a week, 64 places at most. */
  placeSeconds: 7 * 86_400,
  places: 64,
} as const;
