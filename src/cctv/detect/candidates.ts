/** Boxes that reached the threshold, before overlaps are suppressed: flat, so that thousands cost no objects. */
export class Candidates {
  count = 0;
  /** Four a box: left, top, right, bottom, in pixels of the input. */
  boxes = new Float32Array(4 * 256);
  scores = new Float32Array(256);
  classes = new Int32Array(256);

  add(left: number, top: number, right: number, bottom: number, score: number, index: number): void {
    if (this.count === this.scores.length) this.#grow();
    const at = 4 * this.count;
    this.boxes[at] = left;
    this.boxes[at + 1] = top;
    this.boxes[at + 2] = right;
    this.boxes[at + 3] = bottom;
    this.scores[this.count] = score;
    this.classes[this.count] = index;
    this.count += 1;
  }

  #grow(): void {
    const { boxes, scores, classes } = this;
    this.boxes = new Float32Array(2 * boxes.length);
    this.scores = new Float32Array(2 * scores.length);
    this.classes = new Int32Array(2 * classes.length);
    this.boxes.set(boxes);
    this.scores.set(scores);
    this.classes.set(classes);
  }
}
