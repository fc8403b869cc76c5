/**
 * A sum that keeps what plain addition loses (Neumaier's compensated summation): its error is a rounding or two,
 * however many terms there are and however they cancel.
 */
export class Sum {
  #sum = 0;
  #lost = 0;

  add(term: number): this {
    const next = this.#sum + term;
    this.#lost += Math.abs(this.#sum) >= Math.abs(term) ? this.#sum - next + term : term - next + this.#sum;
    this.#sum = next;
    return this;
  }

  get value(): number {
    return this.#sum + this.#lost;
  }

  static of(...lists: readonly (readonly number[])[]): number {
    const sum = new Sum();
    for (const list of lists) for (const term of list) sum.add(term);
    return sum.value;
  }
}
