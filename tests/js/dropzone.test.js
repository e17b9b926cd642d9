import assert from "node:assert/strict";
import { test } from "node:test";

import { send } from "../../latentfx_nb/widgets/dropzone.js";

function file(name, size, readable = true) {
  const arrayBuffer = async () => {
    if (!readable) throw new Error("it is a folder");
    return new ArrayBuffer(size);
  };
  return { name, size, arrayBuffer };
}

async function sent(...files) {
  const messages = [];
  const said = [];
  const model = { get: () => 100, send: (content, _, buffers) => messages.push({ ...content, buffers }) };
  await send(model, files, (text) => said.push(text));
  return { messages, said };
}

test("files are sent one by one, with how many are left", async () => {
  const { messages, said } = await sent(file("a.wav", 30), file("b.wav", 40));
  assert.deepEqual(messages.map(({ name, left }) => [name, left]), [["a.wav", 1], ["b.wav", 0]]);
  assert.deepEqual(messages.map(({ buffers }) => buffers[0].byteLength), [30, 40]);
  assert.deepEqual(said, ["Sending 1 of 2 …", "Sending 2 of 2 …"]);
});

test("of files over the limit, and of those that cannot be read, only the names are sent", async () => {
  const { messages } = await sent(file("a.wav", 60), file("folder", 0, false), file("b.wav", 60));
  const contents = messages.map(({ name, buffers }) => [name, buffers.length]);
  assert.deepEqual(contents, [["a.wav", 1], ["folder", 0], ["b.wav", 0]]);
});
