// The player: an audio engine and its controls.
import { keepListening } from "./bridge.js";
import { registerClock } from "./clock.js";
import { drawControls } from "./controls.js";
import { Engine } from "./engine.js";

/** Start the engine of a player's `model` and offer its clock; return the engine and how to end both. */
function begin(model) {
  const address = model.get("_address");
  keepListening(model.widget_manager, address);
  const engine = new Engine(model);
  const withdraw = registerClock(address, engine);
  const close = () => {
    withdraw();
    engine.close();
  };
  return { engine, close };
}

export default () => {
  let engine;
  return {
    initialize: ({ model }) => {
      const begun = begin(model);
      engine = begun.engine;
      return begun.close;
    },
    render: ({ model, el }) => {
      const remove = drawControls(model, el, engine);
      model.send({ kind: "ready" }); // Python answers with the sounds, in case an earlier message was lost
      return remove;
    },
  };
};
