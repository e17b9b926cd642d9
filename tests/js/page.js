// A page's elements as far as widgets use them: attributes as properties, events, children by their classes.

/** An element: an event target with a dataset and what is set on it. */
export class Element extends EventTarget {
  constructor() {
    super();
    Object.assign(this, { dataset: {}, attributes: {}, captured: [] });
  }

  setAttribute(name, value) {
    this.attributes[name] = value;
  }

  setPointerCapture(id) {
    this.captured.push(id);
  }

  focus() {
    globalThis.document.activeElement = this;
  }
}

/** Dispatch an event of `type` with `details` on `element`; return it. */
export function fire(element, type, details = {}) {
  const event = Object.assign(new Event(type, { cancelable: true }), details);
  element.dispatchEvent(event);
  return event;
}
