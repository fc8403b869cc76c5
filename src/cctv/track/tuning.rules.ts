/**
 * The constants of the tracker. Lengths are in sizes of the object (the square root of width times height, or the
 * height where said), times in seconds, so that they hold for near and far, for 5 and 10 frames a second.
 *
 * Where they come from: chosen as the middle of a plateau on frames 0 to 396 of PETS2009 S2.L1, forwards and backwards
 * in time, at 5 and 10 frames a second, over three thresholds of each of five detectors (YOLOX-Nano, YOLOv8n, NanoDet-m,
 * YOLO11n, CenterNet) at once. Half or twice the value of any one moves the mean MOTA by at most 1.5 points and the
 * mean IDF1 by at most 2, but for half of `placeNoise` (IDF1 7); `confirmFree` is a share and has no double. TUD-Campus was looked at, not tuned on. Those marked
 * (choice) were not tuned either: they follow from what people want of a house; `growTimes` and `growAgain` cost 0.2
 * points of MOTA there and were made for what comes closer, of which that footage has nothing.
 */
export const tuning = {
  /** Wobble of a detector: foot point in sizes, logarithms of width and height. Widths swing with the stride. */
  placeNoise: 0.09,
  widthNoise: 0.3,
  heightNoise: 0.12,
  /** Share of the way back to what was seen at which a box is reported. */
  lean: 0.5,
  /** A height further off than this many standard deviations counts less and less (Huber 1964). */
  heightTrust: 2,
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

  /** Largest squared distance at which a detection is taken for a target; for weak detections; for a re-birth. */
  gate: 13,
  weakGate: 4,
  rebirthGate: 12,
  /** Price of a wide guess, per logarithm of its area: a target seen just now wins against one lost for long. */
  widthPrice: 0.5,
  /**
   * Price of unlike colours, what likeness is free, and the most that it may cost: little for what was seen just now,
   * because there the way tells more, and half hidden people have the colours of others.
   */
  lookWeight: 60,
  lookFree: 0.05,
  lookCap: 6,
  lookCapSeen: 2,
  lookSeconds: 0.3,
  /** Share of a new look in the remembered one, and how much of a box others may cover while it is learned. */
  lookRate: 0.1,
  lookCover: 0.2,
  /** Price of another class of the same kin: detectors take a car for a truck now and then. (choice) */
  kinPrice: 3,

  /** A box lower or higher than expected by this share, after `cutHits` hits, is held to be partly hidden or merged. */
  cutBelow: 0.2,
  cutAbove: 0.25,
  cutHits: 5,
  /** Variances of foot point and height are so many times larger then. */
  cutNoise: 4,
  cutSizeNoise: 9,

  /** Weak detections reach down to this share of the threshold. */
  weakShare: 0.5,
  /** They only help what was seen this lately, and moves this fast (heights a second) or has good scores. */
  weakSeconds: 0.5,
  weakSpeed: 0.2,
  /**
   * A new track is believed after this many hits when its scores, each less `confirmFree`, come to `confirmScore`, both
   * in thresholds: two hits of 1.3 times the threshold do, of the threshold itself it takes four.
   */
  confirmHits: 2,
  confirmFree: 0.7,
  confirmScore: 1.1,
  /** So many times more for what still covers its first box by so much (IoU): errors of a detector stand. */
  confirmStanding: 2,
  standsAbove: 0.7,
  tentativeSeconds: 0.45,
  /** No new track where a box that belongs to a track of its kin covers this share of it. */
  birthOverlap: 0.5,
  /** A track that was missed goes on as seen for this long, after so many hits, while its place is this certain. */
  coastSeconds: 0.65,
  coastHits: 12,
  coastSd: 0.12,
  /** After this long out of sight one detection no longer revives: a new track must be believed, then compared. */
  awaySeconds: 2,
  rebirthSeconds: 0.5,
  /** What was last seen leaving the picture by this share of it is forgotten early. */
  leftMargin: 0.02,
  leftSeconds: 1,

  /** (choice) Steps shorter than this share of its height are no movement; longer ones must be seen twice. */
  stillStep: 0.25,
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
