// Stand-ins for what a page gives a widget.

/** A widget's model: values, events by name ("a b" is two), and a record of what was sent to Python. */
export class Model {
  constructor(values) {
    Object.assign(this, { values: { ...values }, callbacks: {}, sent: [], saved: 0 });
  }

  get(name) {
    return this.values[name];
  }

  set(name, value) {
    const changed = this.values[name] !== value;
    this.values[name] = value;
    if (changed) this.fire(`change:${name}`);
  }

  save_changes() {
    this.saved++;
  }

  send(message) {
    this.sent.push(message);
  }

  on(names, callback) {
    for (const name of names.split(" ")) (this.callbacks[name] ??= []).push(callback);
  }

  off(names, callback) {
    for (const name of names.split(" ")) {
      this.callbacks[name] = (this.callbacks[name] ?? []).filter((one) => one !== callback);
    }
  }

  fire(name, ...details) {
    for (const callback of this.callbacks[name] ?? []) callback(...details);
  }
}

/** Return once all promises that can go on have. */
export const settled = () => new Promise((done) => setImmediate(done));
